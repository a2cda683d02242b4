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
  readonly now: bigint;
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
      if (now !== then.getBigUint64(at, true)) found.push({ va: va + BigInt(at), now });
    }
  }
  return found;
}
