// A signal at any moment ends a command at once, loses nothing, and the next command goes on. Where
// it hits is not left to the clock: a preloaded script sends it from inside, at a named point.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inRoot } from "../support/root.js";
import { payload, scratch } from "./support.js";

const PROGRAM = inRoot("dist", "host", "cli", "main.js");
const directory = scratch();
const trap = join(directory, "trap.mjs");

/** Signals itself before or after the n-th thing that POINT names; alive behind it is code 99. */
writeFileSync(
  trap,
  `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const [what, part, when] = process.env.POINT.split(" ");
const hit = () => {
  process.kill(process.pid, process.env.SIGNAL);
  process.reallyExit(99);
};
const around = (work) => function (...args) {
  if (!String(args[0] ?? "").includes(part)) return Reflect.apply(work, this, args);
  if (when === "before") hit();
  const result = Reflect.apply(work, this, args);
  if (when === "after") hit();
  return result;
};
if (what in fs) {
  fs[what] = around(fs[what]);
  syncBuiltinESMExports();
} else {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = function (...args) {
    const { exports } = new Instance(...args);
    const call = () => hit();
    return { exports: { ...exports, [what]: call } };
  };
}
`,
);

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A command on a machine, hit at a point. */
function hit(machine: string, args: readonly string[], point: string, signal: NodeJS.Signals) {
  const env = { ...process.env, XEN_XSPLICE_MACHINE: machine, POINT: point, SIGNAL: signal };
  return spawnSync(process.execPath, ["--import", trap, PROGRAM, ...args], { env });
}

/** A lock that names no owner is given some seconds to do so: let them have passed. */
function age(lock: string): void {
  const past = Date.now() / 1000 - 60;
  if (existsSync(lock)) utimesSync(lock, past, past);
}

function run(machine: string, ...args: string[]): string {
  const env = { ...process.env, XEN_XSPLICE_MACHINE: machine };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { env });
  assert.equal(status, 0, stderr.toString());
  return stdout.toString();
}

describe("a signal at a point", () => {
  const machine = join(directory, "machine");
  run(machine, "upload", "p", payload("xsa125"));
  const before = readFileSync(machine);
  // what is done, on which path, and when the signal comes
  const points: [string, boolean][] = [
    ["openSync machine.lock before", false],
    ["openSync machine.lock after", false],
    ["closeSync  after", false],
    ["hv_key - in", false],
    ["openSync machine.new after", false],
    ["renameSync machine.new before", false],
    ["renameSync machine.new after", true],
    ["rmSync machine.lock before", true],
    ["rmSync machine.lock after", true],
  ];
  for (const [point, saved] of points) {
    for (const signal of point.startsWith("hv_") ? SIGNALS : SIGNALS.slice(0, 1)) {
      test(`${signal}: ${point}`, () => {
        const ended = hit(machine, ["key", "x"], point, signal);
        assert.deepEqual([ended.status, ended.signal], [null, signal], ended.stderr.toString());
        const kept = readFileSync(machine);
        if (!saved) assert.deepEqual(kept, before);
        age(`${machine}.lock`);
        assert.match(run(machine, "key", "x"), /id=p/);
        assert.deepEqual(
          readdirSync(directory).filter((name) => name.startsWith("machine")),
          ["machine"],
        );
        writeFileSync(machine, before);
      });
    }
  }
});
