// A run is the same run however it is cut into quanta: registers, flags, memory and the count of
// instructions. Whole blocks, fused comparisons and unsettled flags must not show.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Interpreter, PERM_R, PERM_W, RSP, symbolOf } from "../support/interpreter.js";
import { inRoot } from "../support/root.js";

const IMAGE = inRoot("images/bench/kernels");
const STACK_VA = 0xffff830000010000n;
const STOP_RETURN = 0;
const STOP_BUDGET = 2;

/** Small enough that single steps take no time. */
const CALLS: readonly (readonly [string, readonly bigint[]])[] = [
  ["bench_quicksort", [300n]],
  ["bench_sha256", [0n, 256n]],
  ["bench_crc32", [0n, 512n]],
];

/** Calls a function, its run cut by `quantum`; what it leaves behind, as one string. */
function run(name: string, args: readonly bigint[], quantum: () => bigint): string {
  const machine = new Interpreter();
  machine.load(IMAGE);
  machine.map(STACK_VA - 0x8000n, 8, PERM_R | PERM_W);
  let stop = machine.call(symbolOf(IMAGE, name), args, STACK_VA - 256n, quantum());
  while (stop === STOP_BUDGET) stop = machine.exports.run(quantum());
  assert.equal(stop, STOP_RETURN);
  assert.equal(machine.get(RSP), STACK_VA - 256n);
  const registers = Array.from({ length: 18 }, (_, i) => machine.get(i).toString(16)).join(" ");
  // Page tables and frames, from the bottom; the records of the CPU count too.
  const memory = createHash("sha256").update(machine.bytes.subarray(0, 0x2000000)).digest("hex");
  return `${registers} ${machine.exports.retired()} ${memory}`;
}

for (const [name, args] of CALLS) {
  test(`${name}: single steps, short and random quanta`, () => {
    const whole = run(name, args, () => 1n << 40n);
    for (const quantum of [1n, 2n, 3n, 7n, 64n, 1000n]) {
      assert.equal(
        run(name, args, () => quantum),
        whole,
        `quantum ${quantum}`,
      );
    }
    const seed = Math.floor(Math.random() * 0xffffffff);
    let state = seed | 1;
    const random = (): bigint => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return BigInt((state >>> 24) + 1);
    };
    assert.equal(run(name, args, random), whole, `seed ${seed}`);
  });
}
