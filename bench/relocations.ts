// `relocations`: the loader's relocation pass alone, one million entries, in millions per second, beside
// the same loop in C (gcc -O2). Both run alternately in this process's time; medians. Both make the
// same tables from one seed and must end with the same bytes.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Row {
  name: string;
  ours: number;
  native?: number;
  ratio?: number;
  unit: string;
  note?: string;
}

interface Pass {
  prepare(count: number): void;
  run(times: number): number;
  checksum(): bigint;
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const WASM = "build/bench-relocations.wasm";
const NATIVE = "build/bench-relocations";
const COUNT = 1_000_000;
const ROUNDS = 9;
const PASSES = 5;

/** Compiles the pass as the core is compiled, with a few exports to drive it. */
function compilePass(): Pass {
  const { options } = JSON.parse(readFileSync(join(ROOT, "asconfig.json"), "utf8"));
  const args = ["node_modules/assemblyscript/bin/asc.js", "bench/assembly/relocations.ts"];
  args.push("--config", "none", "-O3", "--runtime", "stub", "-o", WASM);
  args.push("--memoryBase", String(options.memoryBase));
  args.push("--initialMemory", String(options.initialMemory));
  args.push("--maximumMemory", String(options.maximumMemory));
  args.push(...options.use.flatMap((use: string) => ["--use", use]));
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
  const module = new WebAssembly.Module(readFileSync(join(ROOT, WASM)));
  const hv = {
    panic() {
      throw new Error("the relocation pass ended in a panic");
    },
  };
  return new WebAssembly.Instance(module, { hv }).exports as unknown as Pass;
}

/** False where there is no gcc. */
function compileNative(): boolean {
  const args = ["-O2", "-o", NATIVE, "bench/native/relocations.c"];
  try {
    execFileSync("gcc", args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Milliseconds for one pass in C, after one run to warm up, and the checksum of its result. */
function runNative(): { ms: number; checksum: string } {
  const input = `run ${PASSES}\nrun ${PASSES}\n`;
  const output = execFileSync(join(ROOT, NATIVE), [String(COUNT)], { input, encoding: "utf8" });
  const [ns, checksum] = (output.trim().split("\n")[1] ?? "").split(" ");
  if (!ns || !checksum) throw new Error("the native relocation pass did not finish");
  return { ms: Number(ns) / 1e6, checksum };
}

function runOurs(pass: Pass): number {
  const begin = performance.now();
  if (pass.run(PASSES) !== 0) throw new Error("the relocation pass refused its input");
  return (performance.now() - begin) / PASSES;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function perSecond(ms: number): number {
  return COUNT / 1e3 / ms;
}

export function benchRelocations(): Row {
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const pass = compilePass();
  const gcc = compileNative();
  pass.prepare(COUNT);
  // Enough runs for the engine's optimising compiler to be done.
  for (let i = 0; i < 4; i++) runOurs(pass);
  const ours: number[] = [];
  const native: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(runOurs(pass));
    if (!gcc) continue;
    const { ms, checksum } = runNative();
    const own = BigInt.asUintN(64, pass.checksum()).toString(16);
    if (own !== checksum) throw new Error(`relocations differ from C: ${own}, ${checksum}`);
    native.push(ms);
  }
  const row: Row = { name: "relocations", ours: perSecond(median(ours)), unit: "M/s" };
  if (!gcc) return { ...row, note: "no gcc: not compared" };
  return {
    ...row,
    native: perSecond(median(native)),
    ratio: median(native) / median(ours),
    note: `${COUNT} entries: 60% PC32 and PLT32, 40% 64`,
  };
}
