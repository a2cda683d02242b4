// The relocation pass of the loader alone, on a million entries: bench/assembly/relocations.ts,
// compiled as the core is, against the same loop in C. The results are compared byte for byte.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alternate, type Row, rate, timed } from "../measure.js";
import { Native } from "../native.js";
import { ROOT } from "../root.js";

const COUNT = 1_000_000;
const PASSES = 5;

interface Pass {
  prepare(count: number): void;
  run(times: number): number;
  checksum(): bigint;
}

/** Compiles with the options of the core's release build. */
function compile(): WebAssembly.Module {
  const directory = mkdtempSync(join(tmpdir(), "xsplice-bench-"));
  try {
    const { options, targets } = JSON.parse(readFileSync(join(ROOT, "asconfig.json"), "utf8"));
    const out = join(directory, "relocations.wasm");
    const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
    const flags = [
      ["--config", join(directory, "none.json")],
      ["--runtime", options.runtime],
      ["--memoryBase", options.memoryBase],
      ["--initialMemory", options.initialMemory],
      ["--use", options.use[0]],
      ["--optimizeLevel", targets.release.optimizeLevel],
      ["-o", out],
    ];
    const args = [asc, "bench/assembly/relocations.ts", ...flags.flat().map(String)];
    const { status } = spawnSync(process.execPath, args, {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error("asc cannot compile bench/assembly/relocations.ts");
    return new WebAssembly.Module(readFileSync(out));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function relocations(): Promise<Row> {
  const module = compile();
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
