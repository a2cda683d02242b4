// The program as a process: start-up, streams, the machine file under two commands at once, under a
// kill, cut short, of another version, locked. What only shows outside of one process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { lockMachine } from "../../host/cli/lock.js";
import { machinePath } from "../../host/cli/machine_file.js";
import { inRoot } from "../support/root.js";
import { payload, scratch } from "./support.js";

const PROGRAM = inRoot("dist", "host", "cli", "main.js");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts the program on a machine file. */
function start(machine: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, XEN_XSPLICE_MACHINE: machine, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  const ended = new Promise<Ended>((done) => {
    child.on("close", (code) => done({ code, out, err }));
  });
  return { child, ended };
}

const run = (machine: string, ...args: string[]): Promise<Ended> => start(machine, args).ended;

describe("the machine file", () => {
  test("where it is", () => {
    const home = { HOME: "/somewhere" };
    assert.equal(machinePath("/a/m", { XEN_XSPLICE_MACHINE: "/b" }), "/a/m");
    assert.equal(machinePath(undefined, { XEN_XSPLICE_MACHINE: "/b" }), "/b");
    const state = { ...home, XDG_STATE_HOME: "/state" };
    assert.equal(machinePath(undefined, state), "/state/xen-xsplice/machine");
    assert.equal(machinePath(undefined, home), "/somewhere/.local/state/xen-xsplice/machine");
  });

  test("made on first use, with its directories, said on stderr; under 2 MiB", async () => {
    const machine = join(scratch(), "deep", "down", "machine");
    const first = await run(machine, "call", "xen_major_version");
    assert.deepEqual([first.code, first.out], [0, "0x4\n"], first.err);
    assert.match(first.err, /booted mini-xen/);
    assert.ok(statSync(machine).size < 2 * 1024 * 1024);
    const second = await run(machine, "call", "xen_major_version");
    assert.deepEqual(second, { code: 0, out: "0x4\n", err: "" });
  });

  test("two commands at once queue up: nothing is lost", async () => {
    const machine = join(scratch(), "machine");
    assert.equal((await run(machine, "info")).code, 0);
    const names = ["xsa125", "rfc-example", "callers", "nop-out", "inline-text", "string-new"];
    const all = await Promise.all(names.map((name) => run(machine, "upload", name, payload(name))));
    for (const { code, err } of all) assert.equal(code, 0, err);
    const { out } = await run(machine, "list", "--json");
    const ids = (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
    assert.deepEqual(ids.sort(), [...names].sort());
  });

  test("a lock whose owner never came to say so is taken away too", async () => {
    const machine = join(scratch(), "machine");
    writeFileSync(`${machine}.lock`, "");
    const long = (Date.now() - 60_000) / 1000;
    utimesSync(`${machine}.lock`, long, long);
    const { code, out } = await run(machine, "call", "xen_major_version");
    assert.deepEqual([code, out], [0, "0x4\n"]);
  });

  const goesOn = async (signal: NodeJS.Signals): Promise<void> => {
    const directory = scratch();
    const machine = join(directory, "machine");
    assert.equal((await run(machine, "upload", "p", payload("xsa125"))).code, 0);
    const before = readFileSync(machine);
    const forever = String(2n ** 63n);
    const { child, ended } = start(machine, [
      "call",
      "arch_long_loop",
      forever,
      "--budget",
      forever,
    ]);
    while (!existsSync(`${machine}.lock`) && child.exitCode === null)
      await new Promise((done) => setTimeout(done, 5));
    assert.ok(existsSync(`${machine}.lock`), "it is at work");
    child.kill(signal);
    assert.notEqual((await ended).code, 0);
    assert.deepEqual(JSON.parse((await run(machine, "list", "--json")).out), [
      { id: "p", status: "LOADED", code: 1 },
    ]);
    assert.deepEqual(readFileSync(machine), before);
    const left = readdirSync(directory).filter((name) => name !== "machine");
    assert.deepEqual(left, []);
  };
  for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const)
    test(`${signal} in a long call loses nothing, and the next command goes on`, () =>
      goesOn(signal));

  test("a locked machine: it is said, and after the wait it is exit 3's error", async () => {
    const machine = join(scratch(), "machine");
    const release = await lockMachine(machine, () => {});
    const said: string[] = [];
    await assert.rejects(
      lockMachine(machine, (text) => said.push(text), 1_200),
      /in use by another command/,
    );
    assert.equal(said.length, 1);
    await release();
    await (await lockMachine(machine, () => {}, 100))();
  });

  test("cut short, damaged, another version, a directory: exit 3, untouched", async () => {
    const directory = scratch();
    const machine = join(directory, "machine");
    assert.equal((await run(machine, "info")).code, 0);
    const good = readFileSync(machine);
    const change = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ value;
      return bytes;
    };
    const rows: [string, Buffer, RegExp][] = [
      ["empty", Buffer.alloc(0), /./],
      ["cut short", good.subarray(0, good.length - 4096), /./],
      ["header only", good.subarray(0, 40), /./],
      ["other format", change(8, 0x7f), /version/],
      ["other ABI", change(12, 0x7f), /version/],
      ["one bit in the middle", change(good.length >> 1, 1), /checksum|damaged/i],
      ["something else", Buffer.from("#!/bin/sh\n"), /./],
    ];
    for (const [name, bytes, words] of rows) {
      const bad = join(directory, name.replaceAll(" ", "-"));
      writeFileSync(bad, bytes);
      const { code, out, err } = await run(bad, "list");
      assert.equal(code, 3, `${name}: ${err}`);
      assert.equal(out, "");
      assert.match(err, /failed to get the handler/);
      assert.match(err, words, name);
      assert.deepEqual(readFileSync(bad), bytes);
    }
    mkdirSync(join(directory, "folder"));
    assert.equal((await run(join(directory, "folder"), "list")).code, 3);
  });
});

/** What modules of dist/host import statically: how many files, and which packages. */
function loaded(...modules: readonly string[]): { files: number; packages: string[] } {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, name = ""] of readFileSync(file, "utf8").matchAll(
      /^(?:import|export|\}) .*from "(.+)";$/gm,
    ))
      if (name.startsWith(".")) visit(join(dirname(file), name));
      else packages.add(name);
  };
  for (const module of modules) visit(inRoot("dist", "host", ...module.split("/")));
  const foreign = [...packages].filter((name) => !name.startsWith("node:"));
  return { files: seen.size, packages: foreign.sort() };
}

describe("the process", () => {
  test("no colour in a pipe", async () => {
    const machine = join(scratch(), "machine");
    const { code, out } = await start(machine, ["demo"], { NO_COLOR: "" }).ended;
    assert.equal(code, 0, out);
    assert.ok(!out.includes("\u001b"));
    assert.match(out, /All of it held\./);
    assert.ok(!existsSync(machine), "the demo has a machine of its own");
  });

  test("what is loaded at the start: no disassembler, no validation, no machine", () => {
    const { files, packages } = loaded("cli/main.js");
    assert.ok(files > 5);
    assert.deepEqual(packages, ["cac"]);
  });

  test("what a verdict needs: no disassembler, no validation, no lock", () => {
    const { packages } = loaded(
      "cli/main.js",
      "cli/verify.js",
      "verify/pool.js",
      "verify/today.js",
    );
    assert.deepEqual(packages, ["@assemblyscript/loader", "cac"]);
  });
});
