// What refers to a few bytes of code, in a segment of an image file: 4 bytes that would be the
// displacement of a branch or of a rip-relative operand, and aligned words that are addresses
// (Intel SDM vol. 2, 2.2.1.6). Their upper bytes are the same for many places one after the other,
// so the platform's search for a few bytes finds the candidates: much sooner than a loop over
// megabytes that runs once in a process.

/** A loadable segment of the image. */
export interface Segment {
  readonly va: bigint;
  readonly bytes: Uint8Array;
}

/** Where a reference is, and what it leads to. */
export interface Reference {
  readonly from: bigint;
  readonly to: bigint;
}

/** Bytes that stand before a displacement which leads to code: call, jmp, the second byte of jcc,
 *  and ModRM of rip-relative operands. */
const LEADS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0xe8 || byte === 0xe9 || (byte & 0xf0) === 0x80 || (byte & 0xc7) === 0x05 ? 1 : 0,
);

export function isLead(byte: number): boolean {
  return LEADS[byte] === 1;
}

/** Displacements by size: how many low bytes may be any, and the range of what is above them. Near
 *  ones are narrowed down further: bytes of 00 and of ff are everywhere. */
const SIZES = [
  { low: 2, first: -0x8000, last: -2 },
  { low: 1, first: -0x100, last: 0xff },
  { low: 2, first: 1, last: 0x7fff },
] as const;

/** Places where `pattern` begins in [start, end). */
function* occurrences(bytes: Buffer, pattern: Buffer, start: number, end: number) {
  const part = bytes.subarray(0, end + pattern.length - 1);
  for (let at = part.indexOf(pattern, start); at >= 0; at = part.indexOf(pattern, at + 1)) yield at;
}

/** Places, 1 or more, whose displacement leads to [from, to); all are offsets in the segment. */
function displacements(bytes: Buffer, from: number, to: number): number[] {
  const found: number[] = [];
  const end = bytes.length - 4;
  for (const { low, first, last } of SIZES) {
    const unit = 256 ** low;
    const upper = Buffer.alloc(4 - low);
    // displacement = target - place - 4
    for (let i = Math.max(first, Math.floor((from - 4 - end) / unit)); i <= last; i++) {
      const start = Math.max(1, from - 4 - (i * unit + unit - 1));
      const stop = Math.min(end, to - 5 - i * unit);
      if (stop < 1) break;
      upper.writeIntLE(i, 0, 4 - low);
      for (const at of occurrences(bytes, upper, start + low, stop + low + 1)) {
        const target = at - low + 4 + bytes.readInt32LE(at - low);
        if (target >= from && target < to) found.push(at - low);
      }
    }
  }
  return found;
}

/** Places of aligned words that are addresses in [va, end). */
function pointers(bytes: Buffer, va: bigint, end: bigint): number[] {
  const found: number[] = [];
  const upper = Buffer.alloc(8);
  for (let i = va >> 16n; i <= (end - 1n) >> 16n; i++) {
    upper.writeBigUInt64LE(i << 16n);
    for (const at of occurrences(bytes, upper.subarray(2), 2, bytes.length - 5)) {
      if (at % 8 !== 2) continue;
      const value = bytes.readBigUInt64LE(at - 2);
      if (value >= va && value < end) found.push(at - 2);
    }
  }
  return found;
}

/** What could be a reference to [va, end). Finds too much, never too little. */
export function searchReferences(
  { va: base, bytes }: Segment,
  va: bigint,
  end: bigint,
): Reference[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [from, to] = [Number(va - base), Number(end - base)];
  const near = displacements(buffer, from, to)
    .filter((at) => isLead(buffer[at - 1] as number))
    .map((at) => ({ at, target: at + 4 + buffer.readInt32LE(at) }));
  return [
    ...near.map(({ at, target }) => ({ from: base + BigInt(at), to: base + BigInt(target) })),
    ...pointers(buffer, va, end).map((at) => ({
      from: base + BigInt(at),
      to: buffer.readBigUInt64LE(at),
    })),
  ];
}
