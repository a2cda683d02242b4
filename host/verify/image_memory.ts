// The image's memory, read and compared word by word.

import type { Machine } from "../machine.js";

const PAGE = 4096n;

/** A mapped piece of the image. */
export interface Range {
  readonly va: bigint;
  readonly bytes: Uint8Array;
}

/** The image's mapped memory, in pieces. */
export function readImage(machine: Machine): Range[] {
  const { imageStart, imageEnd } = machine.info();
  const mapped = (va: bigint): boolean =>
    machine.inside((core) => core.invoke("hv_read", -1, va, 1) >= 0);
  const spans: { va: bigint; end: bigint }[] = [];
  for (let va = imageStart - (imageStart % PAGE); va < imageEnd; va += PAGE) {
    if (!mapped(va)) continue;
    const last = spans.at(-1);
    if (last?.end === va) last.end += PAGE;
    else spans.push({ va, end: va + PAGE });
  }
  return spans.map(({ va, end }) => ({ va, bytes: machine.read(va, Number(end - va)) }));
}

/** A word that differs, and what it is now. */
export interface Change {
  readonly va: bigint;
  /** Its first byte that differs: a word may hold several variables. */
  readonly at: bigint;
  readonly now: bigint;
}

/** Number of the lowest byte in which two words differ. */
function firstByte(a: bigint, b: bigint): bigint {
  let different = a ^ b;
  let byte = 0n;
  for (; (different & 0xffn) === 0n; different >>= 8n) byte++;
  return byte;
}

/** Aligned words that differ. */
export function changes(before: readonly Range[], after: readonly Range[]): Change[] {
  const found: Change[] = [];
  for (const [i, { va, bytes }] of after.entries()) {
    const old = before[i]?.bytes;
    if (!old || Buffer.compare(old, bytes) === 0) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const then = new DataView(old.buffer, old.byteOffset, old.byteLength);
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const now = view.getBigUint64(at, true);
      const was = then.getBigUint64(at, true);
      if (now === was) continue;
      const word = va + BigInt(at);
      found.push({ va: word, at: word + firstByte(now, was), now });
    }
  }
  return found;
}
