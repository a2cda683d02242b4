// The machine's file: the same memory gives the same bytes, comes back whole, and a file that is
// cut short, of another version or damaged is refused with its reason before anything is used.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { XenError } from "../../host/error.js";
import { decodeSnapshot, encodeSnapshot, fillMemory } from "../../host/snapshot.js";

const PAGE = 4096;
const SIZE = 600 * PAGE; // not a whole number of MiB

function machine(writes: readonly (readonly [number, number])[]): Uint8Array {
  const memory = new Uint8Array(SIZE);
  for (const [at, byte] of writes) memory[at] = byte;
  return memory;
}

const SOME = machine([
  [0, 1],
  [5 * PAGE - 1, 2],
  [SIZE - 1, 3],
  [300 * PAGE, 4],
]);

function refusal(file: Uint8Array, length = SIZE): XenError {
  try {
    decodeSnapshot(file, length);
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    return error;
  }
  assert.fail("was accepted");
}

/** A copy with some bytes changed. */
function changed(file: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

describe("snapshot", () => {
  test("any memory comes back as it was, and always as the same file", () => {
    const place = fc.tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: 255 }));
    const property = fc.property(
      fc.array(place, { maxLength: 30 }),
      fc.string(),
      (places, label) => {
        const memory = machine(places);
        const file = encodeSnapshot(memory, label);
        assert.deepEqual(file, encodeSnapshot(memory.slice(), label));
        const snapshot = decodeSnapshot(file, SIZE);
        const back = new Uint8Array(SIZE);
        fillMemory(back, snapshot);
        assert.equal(Buffer.compare(back, memory), 0);
        assert.equal(snapshot.label, new TextDecoder().decode(new TextEncoder().encode(label)));
      },
    );
    fc.assert(property, { numRuns: 30 });
  });

  test("empty pages are left out", () => {
    const file = encodeSnapshot(SOME);
    assert.equal(decodeSnapshot(file, SIZE).pages.length, 4);
    assert.ok(file.length < 5 * PAGE);
  });

  test("a view into a larger buffer is read like a buffer of its own", () => {
    const file = encodeSnapshot(SOME, "x");
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 1);
    const view = larger.subarray(1, 1 + file.length);
    assert.equal(decodeSnapshot(view, SIZE).pages.length, 4);
  });

  test("what is no snapshot", () => {
    for (const file of [new Uint8Array(), new Uint8Array(7), new Uint8Array(1000), SOME]) {
      const { reason, errno } = refusal(file);
      assert.deepEqual([reason, errno], ["machine-file-format", "EINVAL"]);
    }
  });

  test("cut short anywhere", () => {
    const file = encodeSnapshot(SOME, "mini-xen");
    const lengths = [8, 20, 63, 64, 65, 4096, file.length - PAGE, file.length - 1];
    for (const length of lengths) {
      const error = refusal(file.subarray(0, length));
      assert.equal(error.reason, "machine-file-short", `${length}`);
      assert.equal(error.errno, "ENODATA");
      assert.match(error.message, new RegExp(`: ${length} bytes of `));
    }
  });

  test("another version of the format, of the core, of the machine", () => {
    const file = encodeSnapshot(SOME);
    for (const at of [8, 12, 16, 32]) {
      const error = refusal(changed(file, at, 99));
      assert.equal(error.reason, "machine-file-version", `byte ${at}`);
      assert.match(error.message, /version|size/);
    }
    assert.equal(refusal(file, SIZE + PAGE).reason, "machine-file-version");
  });

  test("a changed byte anywhere is found", () => {
    const file = encodeSnapshot(SOME, "label");
    const property = fc.property(
      fc.nat(file.length - 1),
      fc.integer({ min: 1, max: 255 }),
      (at, by) => {
        const error = refusal(changed(file, at, (file[at] as number) ^ by));
        assert.match(error.reason, /^machine-file-/);
      },
    );
    fc.assert(property, { numRuns: 400 });
    assert.equal(refusal(changed(file, file.length - PAGE, 0xff)).reason, "machine-file-corrupt");
    assert.equal(refusal(new Uint8Array([...file, 0])).reason, "machine-file-corrupt");
  });
});
