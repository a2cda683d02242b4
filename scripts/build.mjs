// Builds what is out of date: the core (assembly/ -> dist/core.wasm) and the host (host/ ->
// dist/host/). Out of date means: the hash of the inputs differs from the one that the last
// successful build left behind. Nothing to do costs some ten milliseconds.
//
//   node scripts/build.mjs [--no-install] [--tests]
//
// --no-install: for npm's `prepare`, which runs in the middle of an installation.
// --tests: also the TypeScript of tests/ and bench/ (-> dist/tests/, dist/bench/), and the core's
// debug twin (build/core.debug.wasm).

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { hashFiles, ROOT, run, say, walk, withLock } from "./lib.mjs";
import { installed, setup } from "./setup.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";
const TSC = "node_modules/typescript/bin/tsc";
/** The files of assembly/ that tsc reads too: numbers only. */
const SHARED = [
  "assembly/abi.ts",
  "assembly/abi_schedules.ts",
  "assembly/abi_stacks.ts",
  "assembly/abi_today.ts",
  "assembly/reasons.ts",
];

/**
 * Does `make()` unless `inputs` are those of the last success and all `outputs` are there. Returns
 * whether the outputs are good.
 */
function step(name, inputs, outputs, make) {
  const stamp = join(ROOT, "build", `.${name}.stamp`);
  const hash = hashFiles(inputs);
  const fresh = outputs.every((file) => existsSync(join(ROOT, file)));
  if (fresh && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return true;
  rmSync(stamp, { force: true });
  say(`Building ${name} …`);
  if (!make()) {
    say(`Building ${name} failed: see above.`);
    return false;
  }
  writeFileSync(stamp, hash);
  return true;
}

/** Compiles one target aside and moves it in place: a reader never sees half a module. */
function compileCore(target, outputs) {
  const aside = join("build", `aside.${target}`);
  rmSync(join(ROOT, aside), { recursive: true, force: true });
  mkdirSync(join(ROOT, aside), { recursive: true });
  const wasm = Object.keys(outputs)[0];
  if (!run(process.execPath, [ASC, "--target", target, "-o", join(aside, wasm)])) return false;
  for (const [from, to] of Object.entries(outputs)) {
    mkdirSync(dirname(join(ROOT, to)), { recursive: true });
    renameSync(join(ROOT, aside, from), join(ROOT, to));
  }
  rmSync(join(ROOT, aside), { recursive: true, force: true });
  return true;
}

function buildCore(withDebug) {
  const tools = ["asconfig.json", "node_modules/assemblyscript/package.json"];
  const inputs = [...walk("assembly", [".ts"]), ...tools];
  const release = { "core.wasm": "dist/core.wasm", "core.d.ts": "build/core.d.ts" };
  const debug = { "core.debug.wasm": "build/core.debug.wasm" };
  const make = (target, outputs) => () => compileCore(target, outputs);
  if (!step("core", inputs, Object.values(release), make("release", release))) return false;
  return !withDebug || step("core-debug", inputs, Object.values(debug), make("debug", debug));
}

function buildTypeScript(name, project, folders, output) {
  const sources = folders.flatMap((folder) => walk(folder, [".ts"]));
  if (sources.length === 0) return true;
  const tools = ["tsconfig.json", project, "node_modules/typescript/package.json"];
  const inputs = [...sources, ...SHARED, ...tools];
  return step(name, inputs, [output], () => run(process.execPath, [TSC, "-b", project]));
}

/** Builds everything that is out of date; false if something could not be built. */
export function build({ tests = false, install = true } = {}) {
  if (install) withLock(setup);
  else if (!installed() && !existsSync(join(ROOT, ASC))) {
    say("Not built: the compilers are not installed (development packages were left out).");
    return true;
  }
  return withLock(() => {
    const core = buildCore(tests);
    if (!tests) return buildTypeScript("host", "tsconfig.json", ["host"], "dist/host") && core;
    // This project refers to that of the host, so tsc builds both.
    const all = ["host", "tests", "bench"];
    return buildTypeScript("tests", "tsconfig.tests.json", all, "dist/tests") && core;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const unknown = args.find((arg) => !["--no-install", "--tests"].includes(arg));
  if (unknown) {
    say(`build: unknown option ${unknown}`);
    process.exit(2);
  }
  const ok = build({ tests: args.includes("--tests"), install: !args.includes("--no-install") });
  process.exitCode = ok ? 0 : 1;
}
