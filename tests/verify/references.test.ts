// Searching an image for references to a few bytes of code: what the fast search finds is exactly
// what a loop over every byte finds. Issue 5, item 5.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  isLead,
  type Reference,
  type Segment,
  searchReferences,
} from "../../host/verify/reference_search.js";
import { bytesOf } from "./support.js";

const BASE = 0xffff82d040200000n;
/** Bytes that code is full of, and those that stand before a displacement. */
const COMMON = [0x00, 0xff, 0xe8, 0xe9, 0x0f, 0x84, 0x05, 0x48, 0x01, 0xfe, 0x82, 0xd0];

function everyByte({ va: base, bytes }: Segment, va: bigint, end: bigint): Reference[] {
  const found: Reference[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tell = (at: number, to: bigint): void => {
    if (to >= va && to < end) found.push({ from: base + BigInt(at), to });
  };
  for (let at = 1; at + 4 <= bytes.length; at++) {
    const to = base + BigInt(at + 4 + view.getInt32(at, true));
    if (isLead(bytes[at - 1] as number)) tell(at, to);
  }
  for (let at = 0; at + 8 <= bytes.length; at += 8) tell(at, view.getBigUint64(at, true));
  return found;
}

const inOrder = (found: readonly Reference[]): string[] =>
  found.map(({ from, to }) => `${from.toString(16)} ${to.toString(16)}`).sort();

/** A segment with branches and pointers to around `to`, its length no multiple of anything. */
function segment(seed: number, length: number, to: bigint): Segment {
  const bytes = Buffer.from(bytesOf(seed, length, COMMON));
  const next = bytesOf(seed ^ 0x5a5a, 4096);
  for (let i = 0; length > 16 && i + 4 <= next.length; i += 4) {
    const at = next.readUInt32LE(i) % (length - 16);
    const target = Number(to - BASE) + ((next[i] as number) % 16) - 4;
    if (i % 8 === 0) {
      bytes[at] = i % 16 === 0 ? 0xe8 : 0x84;
      bytes.writeInt32LE((target - at - 5) | 0, at + 1);
    } else bytes.writeBigUInt64LE(BASE + BigInt(target), at & ~(i % 16 === 4 ? 7 : 0));
  }
  return { va: BASE, bytes };
}

test("the search finds what a look at every byte finds", () => {
  let hits = 0;
  const seeds = fc.integer({ min: 0, max: 0x7fffffff });
  const lengths = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 65, max: 300_000 }));
  const places = fc.oneof(
    fc.integer({ min: 0, max: 300_000 }),
    fc.constantFrom(-0x12345, -1, 0x7fff_0000, -0x7fff_0000, 0xfffe, 0x10000),
  );
  const sizes = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(seeds, lengths, places, sizes, (seed, length, place, size) => {
      const va = BASE + BigInt(place);
      const part = segment(seed, length, va);
      const expected = everyByte(part, va, va + BigInt(size));
      hits += expected.length;
      const found = searchReferences(part, va, va + BigInt(size));
      assert.deepEqual(inOrder(found), inOrder(expected));
    }),
    { numRuns: 60 },
  );
  assert.ok(hits > 1000, `${hits} references are too few to mean anything`);
});
