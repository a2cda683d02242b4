// The stack check's search alone: 256 stacks of 32 KiB against 10,000 patched ranges, and how that
// grows with the ranges. The native counterpart is a plain scan with binary search.

import { compile } from "../compile.js";
import { alternate, type Row, rate, timed } from "../measure.js";
import { Native } from "../native.js";

const WORDS = 256 * 4096;
const RANGES = 10_000;
const OTHERS = [1, 100, 1000, 60_000];
const PASSES = 8;

interface Scan {
  prepare(ranges: number): void;
  /** 1 + the index of the first word found, 0 none. */
  run(times: number): number;
  plant(at: number, range: number): void;
}

function instantiate(): Scan {
  const module = compile("stack_scan");
  const hv: Record<string, () => never> = {};
  for (const { name } of WebAssembly.Module.imports(module)) {
    hv[name] = () => {
      throw new Error(`hv.${name} was called`);
    };
  }
  return new WebAssembly.Instance(module, { hv }).exports as unknown as Scan;
}

/** What is put there is found, from the last word to an early one. */
function checkFinds(scan: Scan): void {
  scan.prepare(RANGES);
  if (scan.run(1) !== 0) throw new Error("the scan found an address that is in no range");
  for (const [at, range] of [
    [WORDS - 1, RANGES - 1],
    [4096, 0],
    [17, 4711],
  ] as const) {
    scan.plant(at, range);
    if (scan.run(1) !== at + 1) throw new Error(`the scan did not find range ${range}`);
  }
}

/** Nanoseconds of a pass over all stacks. */
function sampler(scan: Scan): () => Promise<number> {
  return async () => (await timed(() => scan.run(PASSES))) / PASSES;
}

export async function stackScan(): Promise<Row> {
  const scan = instantiate();
  checkFinds(scan);
  const growth: string[] = [];
  for (const ranges of OTHERS) {
    scan.prepare(ranges);
    const { ours } = await alternate(5, sampler(scan));
    growth.push(`${ranges}: ${((WORDS * 1e3) / ours).toPrecision(3)}`);
  }
  scan.prepare(RANGES);
  const native = Native.start("stack_scan", [String(RANGES)]);
  const first = await native?.run(1);
  if (first && first.checksum !== 0n) throw new Error("the native scan found something");
  const counterpart = native && (async () => (await native.run(1)).ns);
  const times = await alternate(11, sampler(scan), counterpart);
  native?.stop();
  return rate("stack-scan", "M/s", WORDS, times, `words; other ranges: ${growth.join(", ")}`);
}
