// The interpreter on CRC-32, SHA-256 and quicksort as gcc -O2 compiles them, against the same
// source run natively. MIPS: instructions of the image's code, for both; results are compared.

import { join } from "node:path";
import { createMachine, type Machine } from "../../host/index.js";
import { alternate, type Row, rate, timed } from "../measure.js";
import { Native } from "../native.js";
import { ROOT } from "../root.js";

interface Kernel {
  readonly name: string;
  readonly symbol: string;
  /** Arguments in the image, and the length natively. */
  readonly args: readonly number[];
  readonly length: number;
}

const KERNELS: readonly Kernel[] = [
  { name: "crc32", symbol: "bench_crc32", args: [0, 65536], length: 65536 },
  { name: "sha256", symbol: "bench_sha256", args: [0, 65536], length: 65536 },
  { name: "quicksort", symbol: "bench_quicksort", args: [20000], length: 20000 },
];

const BUDGET = 1_000_000_000n;

async function measure(machine: Machine, kernel: Kernel): Promise<Row> {
  const call = () => machine.call(kernel.symbol, kernel.args, { budget: BUDGET });
  const { stop, rax, instructions } = call();
  if (stop !== "return") throw new Error(`${kernel.symbol}: ${stop}`);
  const native = Native.start("kernels", [kernel.name, String(kernel.length)]);
  const first = await native?.run(1);
  if (first && first.checksum !== rax) throw new Error(`${kernel.name}: the results differ`);
  const passes = 20;
  const counterpart = native && (async () => (await native.run(passes)).ns);
  const times = await alternate(11, () => timed(call), counterpart);
  native?.stop();
  return rate(`interp-${kernel.name}`, "MIPS", Number(instructions), times);
}

export async function interpreter(): Promise<Row[]> {
  const image = join(ROOT, "images/bench/kernels");
  const machine = await createMachine({ image, cpus: 1 });
  const rows: Row[] = [];
  for (const kernel of KERNELS) rows.push(await measure(machine, kernel));
  return rows;
}
