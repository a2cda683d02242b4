// Whole functions as gcc and clang compile them at every level: the interpreter returns what the
// processor returns. Compiled here and now; skipped where there is no compiler for x86-64.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Interpreter, PERM_R, PERM_W } from "../support/interpreter.js";
import { inRoot } from "../support/root.js";

const STOP_RETURN = 0;
const BUDGET = 200_000_000n;
const STACK_VA = 0xffff830000010000n;
const SEEDS = [1n, 2n, 3n];
const RAX = 0;

/** Integer code for a newer processor: BMI1, BMI2, LZCNT, MOVBE. */
const BMI = "-O2 -march=haswell -mgeneral-regs-only";
const hasBmi = (): boolean => /^flags.*\bbmi2\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));

/** The hypervisor's way of compiling, and the compilers' own choice of instructions (SSE2 at
 *  -O3). */
const LEVELS = [
  "-O0",
  "-O1",
  "-O2",
  "-Os",
  "-O3",
  "-O2 -mgeneral-regs-only",
  "-O3 -fno-omit-frame-pointer",
  BMI,
];
const IMAGE =
  "-ffreestanding -fno-stack-protector -fno-pic -no-pie -mcmodel=kernel -mno-red-zone -nostdlib " +
  "-static " +
  "-fno-asynchronous-unwind-tables -fno-builtin -fcf-protection=none " +
  "-Wl,-Ttext-segment=0xffffffff80100000 -Wl,-e,table -Wl,-z,separate-code";

const directory = mkdtempSync(join(tmpdir(), "xsplice-functions-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function compile(compiler: string, output: string, flags: string): string | undefined {
  const args = [...flags.split(" "), "-w", "-o", output, inRoot("tests/native/functions.c")];
  const { status, error, stderr } = spawnSync(compiler, args);
  if (error) return undefined;
  assert.equal(status, 0, `${compiler} ${flags}: ${stderr}`);
  return output;
}

/** What every function returns for every seed. */
function interpret(image: string): string[] {
  const machine = new Interpreter();
  const table = machine.load(image);
  machine.map(STACK_VA - 0x8000n, 8, PERM_R | PERM_W);
  const results: string[] = [];
  for (let i = 0n; ; i++) {
    assert.equal(machine.exports.read(table + 8n * i, 8n), 0n);
    const va = machine.view.getBigUint64(machine.exports.io_off(), true);
    if (va === 0n) return results;
    for (const seed of SEEDS) {
      const stop = machine.call(va, [seed], STACK_VA - 256n, BUDGET);
      const { vector, va: faultVa } = machine.fault();
      const where = `function ${i}, rip 0x${machine.get(16).toString(16)}`;
      assert.equal(stop, STOP_RETURN, `${where}, vector ${vector}, 0x${faultVa.toString(16)}`);
      results.push(machine.get(RAX).toString(16));
    }
  }
}

for (const compiler of ["gcc", "clang"]) {
  for (const level of LEVELS) {
    test(`${compiler} ${level}`, (t) => {
      const host = process.platform === "linux" && process.arch === "x64";
      const name = join(directory, `${compiler}${level.replaceAll(" ", "")}`);
      const image = host ? compile(compiler, `${name}.image`, `${level} ${IMAGE}`) : undefined;
      if (image === undefined) return t.skip(`no ${compiler} for x86-64`);
      if (level === BMI && !hasBmi()) return t.skip("no processor with BMI2");
      const program = compile(compiler, name, `${level} -DHOSTED -fno-builtin`);
      const native = spawnSync(program ?? "", { encoding: "utf8" });
      assert.equal(native.status, 0);
      const expected = native.stdout.trim().split("\n");
      assert.equal(expected.length, 14 * SEEDS.length);
      assert.deepEqual(interpret(image), expected);
    });
  }
}
