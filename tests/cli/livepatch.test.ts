// `xen-livepatch` beside Debian's own binary of that name, which talks to the same kind of machine
// through the shim: the same command lines, streams and exit codes. The real one is the reference;
// what it prints is not kept here. Needs xen-syms, gcc, and the package xen-utils-4.17.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { findImage, unpackPayloads } from "../livepatch/corpus.js";
import { ROOT } from "../support/root.js";
import { scratch } from "./support.js";

const MAIN = join(ROOT, "dist/host/cli/main.js");
const OURS = join(ROOT, "dist/host/cli/xen_livepatch.js");
const REAL = "/usr/lib/xen-4.17/bin/xen-livepatch";
const image = findImage();
const gcc = spawnSync("gcc", ["--version"]).status === 0;
const skip =
  (!image && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS") ||
  (!gcc && "gcc is not installed: the shim cannot be built") ||
  (!existsSync(REAL) && "Debian's xen-livepatch (package xen-utils-4.17) is not installed");

const directory = scratch();

function node(
  machine: string,
  words: readonly string[],
): { out: string; err: string; code: number } {
  const env = {
    ...process.env,
    XEN_XSPLICE_MACHINE: join(directory, machine),
    XDG_CACHE_HOME: directory,
  };
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  return { out: stdout, err: stderr, code: status ?? -1 };
}

/** Files of the corpus under plain names, since `load` names a payload after its file. */
function payloadFiles(names: readonly string[]): Map<string, string> {
  const corpus = unpackPayloads();
  const files = names.map((name): [string, string] => {
    const path = join(directory, `${name}.livepatch`);
    writeFileSync(path, corpus.read(`base/${name}.livepatch`));
    return [name, path];
  });
  corpus.remove();
  return new Map(files);
}

const SESSION = [
  "list",
  "upload hello @hello",
  "upload hello @hello",
  "l",
  "apply hello",
  "apply hello",
  "list",
  "unload hello",
  "re hello",
  "revert hello",
  "apply nosuch",
  "unload hello",
  "unload hello",
  "load @modinfo",
  "list",
  "replace modinfo",
  "load @nothing",
  "load @veto_once",
  "load @bye --nodeps",
  "list",
  "revert modinfo",
  "apply bye --foo",
  "upload x /nonexistent",
  "upload x",
  "list all",
  "frobnicate",
  "help",
  "",
];

/** A payload for mini-Xen. */
const made = (name: string): string =>
  join(ROOT, "tests", "livepatch", "payloads", `${name}.livepatch`);

/** The tool takes a positive rc for a state: 2 is APPLIED. */
const VALUES = [
  "upload five @value_apply_5",
  "apply five",
  "list",
  "upload two @value_apply_2",
  "apply two",
  "list",
  "unload five",
  "unload two",
  "upload again @value_apply_eagain",
  "apply again",
  "apply again",
  "list",
  "upload post @value_postapply_rc",
  "apply post",
  "apply post",
  "revert post",
  "list",
];

describe("xen-livepatch", { skip }, () => {
  test("says and does what Debian's own binary does, command by command", () => {
    const files = payloadFiles(["hello", "modinfo", "nothing", "veto_once", "bye"]);
    for (const machine of ["ours", "real"]) {
      const booted = node(machine, [MAIN, "boot", "--image", image as string]);
      assert.equal(booted.code, 0, booted.err);
    }
    for (const line of SESSION) {
      const words = line === "" ? [] : line.split(" ");
      const args = words.map((word) => (word.startsWith("@") ? files.get(word.slice(1)) : word));
      const given = args as string[];
      const real = node("real", [MAIN, "with", "--", REAL, ...given]);
      const ours = node("ours", [OURS, ...given]);
      assert.deepEqual(ours, real, line);
    }
  });

  test("the same where hooks return what is no error number", () => {
    for (const machine of ["ours-values", "real-values"]) {
      assert.equal(node(machine, [MAIN, "boot"]).code, 0);
    }
    for (const line of VALUES) {
      const words = line.split(" ").map((word) => word.replace(/^@(.*)/, (_, name) => made(name)));
      const real = node("real-values", [MAIN, "with", "--", REAL, ...words]);
      const ours = node("ours-values", [OURS, ...words]);
      assert.deepEqual(ours, real, line);
    }
  });

  test("the extra version changes for callers while the real client's payload is applied", () => {
    const hello = payloadFiles(["hello"]).get("hello") as string;
    const extra = (): string =>
      node("m", [MAIN, "call", "xen_extra_version", "--string"]).out.trim();
    assert.equal(node("m", [MAIN, "boot", "--image", image as string]).code, 0);
    assert.equal(extra(), ".7");
    assert.equal(node("m", [MAIN, "with", "--", REAL, "load", hello]).code, 0);
    assert.equal(extra(), "xsplice was here");
    assert.equal(node("m", [MAIN, "with", "--", REAL, "revert", "hello"]).code, 0);
    assert.equal(node("m", [MAIN, "with", "--", REAL, "unload", "hello"]).code, 0);
    assert.equal(extra(), ".7");
  });
});
