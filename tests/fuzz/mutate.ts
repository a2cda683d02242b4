// Hostile variants of an ELF file: headers, sections, symbols, relocations and contents get values
// that lie at the edges of what code computes with. One seed gives the same files always.

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  4n,
  5n,
  8n,
  15n,
  24n,
  64n,
  0x7fn,
  0xffn,
  0xfffn,
  0x1000n,
  0xff00n,
  0xfff1n,
  0xfff2n,
  0xffffn,
  0x1ffffffn,
  0x2000000n,
  0x7fffffffn,
  0x80000000n,
  0xfffffff0n,
  0xffffffffn,
  0x100000000n,
  0x400000n,
  (1n << 63n) - 1n,
  1n << 63n,
  0xffff82d0_80200000n,
  0xffff8300_00000000n,
  (1n << 64n) - 16n,
  (1n << 64n) - 1n,
];

/** Mulberry32. */
export class Dice {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
  /** A number that hurts; near `size` now and then. */
  value(size: number): bigint {
    return this.below(3) > 0 ? this.pick(EDGES) : BigInt(this.below(size + 64));
  }
}

const SECTION = [0, 4, 8, 16, 24, 32, 40, 44, 48, 56] as const;

/** Where the bytes of the sections lie: [offset, size]. */
function sections(
  view: DataView,
): { readonly header: number; readonly at: number; size: number }[] {
  const table = Number(view.getBigUint64(40, true));
  const fits = (at: number) => at + 64 <= view.byteLength;
  return Array.from({ length: view.getUint16(60, true) }, (_, i) => table + 64 * i)
    .filter(fits)
    .map((header) => ({
      header,
      at: Number(view.getBigUint64(header + 24, true)),
      size: Number(view.getBigUint64(header + 32, true)),
    }));
}

/** A copy with one to four places changed. */
export function mutated(dice: Dice, file: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(file);
  if (copy.length < 64) return copy;
  const view = new DataView(copy.buffer);
  const parts = sections(view);
  const put = (at: number, size: number): void => {
    if (at < 0 || at + size > copy.length) return;
    const value = dice.value(copy.length);
    for (let i = 0; i < size; i++) copy[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  };
  for (let n = 1 + dice.below(4); n > 0; n--) {
    const kind = dice.below(8);
    const part = parts.length > 0 ? dice.pick(parts) : { header: 0, at: 0, size: 64 };
    const field = dice.pick(SECTION);
    if (kind === 0) put(dice.below(64), dice.pick([1, 2, 4, 8]));
    else if (kind === 1) put(part.header + field, field < 8 || (field >= 40 && field < 48) ? 4 : 8);
    else if (kind < 7) put(part.at + (dice.below(part.size + 1) & ~3), dice.pick([1, 2, 4, 8]));
    else copy[dice.below(copy.length)] = dice.below(256);
  }
  return dice.below(40) === 0 ? copy.subarray(0, 1 + dice.below(copy.length)) : copy;
}
