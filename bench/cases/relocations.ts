// The relocation pass of the loader alone, on a million entries: bench/assembly/relocations.ts,
// compiled as the core is, against the same loop in C. The results are compared byte for byte.

import { compile } from "../compile.js";
import { alternate, type Row, rate, timed } from "../measure.js";
import { Native } from "../native.js";

const COUNT = 1_000_000;
const PASSES = 5;

interface Pass {
  prepare(count: number): void;
  run(times: number): number;
  checksum(): bigint;
}

export async function relocations(): Promise<Row> {
  const module = compile("relocations");
  const hv: Record<string, () => never> = {};
  for (const { name } of WebAssembly.Module.imports(module)) {
    hv[name] = () => {
      throw new Error(`hv.${name} was called`);
    };
  }
  const pass = new WebAssembly.Instance(module, { hv }).exports as unknown as Pass;
  pass.prepare(COUNT);
  const ours = async (): Promise<number> => {
    const time = await timed(() => {
      if (pass.run(PASSES) !== 0) throw new Error("the pass refused its own table");
    });
    return time / PASSES;
  };
  await ours();
  const native = Native.start("relocations", [String(COUNT)]);
  const first = await native?.run(1);
  if (first && first.checksum !== BigInt.asUintN(64, pass.checksum())) {
    throw new Error("the relocated bytes differ from the native ones");
  }
  const counterpart = native && (async () => (await native.run(PASSES)).ns);
  const times = await alternate(11, ours, counterpart);
  native?.stop();
  return rate("relocations", "M/s", COUNT, times);
}
