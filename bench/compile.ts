// Compiles a file of bench/assembly with the options of the core's release build.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./root.js";

export function compile(name: string): WebAssembly.Module {
  const directory = mkdtempSync(join(tmpdir(), "xsplice-bench-"));
  try {
    const { options, targets } = JSON.parse(readFileSync(join(ROOT, "asconfig.json"), "utf8"));
    const out = join(directory, `${name}.wasm`);
    const flags = [
      // A file that does not exist: the project's own would add the core's entry.
      ["--config", join(directory, "none.json")],
      ["--runtime", options.runtime],
      ["--memoryBase", options.memoryBase],
      ["--initialMemory", options.initialMemory],
      ["--maximumMemory", options.maximumMemory],
      ["--use", options.use[0]],
      ["--optimizeLevel", targets.release.optimizeLevel],
      ["-o", out],
    ];
    const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
    const args = [asc, `bench/assembly/${name}.ts`, ...flags.flat().map(String)];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
    if (status !== 0) throw new Error(`asc cannot compile bench/assembly/${name}.ts: ${stderr}`);
    return new WebAssembly.Module(readFileSync(out));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
