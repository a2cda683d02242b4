// Real input: Debian's Xen, which nobody here built. A payload that is compiled here for it
// replaces xen_extra_version, by commands of the command line alone; the string changes, and
// comes back. Needs gcc, and the image: XEN_SYMS, or what the package
// xen-hypervisor-4.17-amd64-dbg installs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inRoot } from "../support/root.js";
import { Session, scratch } from "./support.js";

function findImage(): string | undefined {
  if (process.env.XEN_SYMS) return process.env.XEN_SYMS;
  const directory = "/usr/lib/debug/boot";
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((file) => /^xen-syms-4\.17.*-amd64$/.test(file));
  return name === undefined ? undefined : join(directory, name);
}

const IMAGE = findImage();
const GCC = spawnSync("gcc", ["--version"]).status === 0;
const skip = !IMAGE
  ? "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS"
  : !GCC && "gcc is not installed";

const FLAGS = [
  "-O2",
  "-c",
  "-ffreestanding",
  "-fpie",
  "-fvisibility=hidden",
  "-mno-red-zone",
  "-mgeneral-regs-only",
  "-fno-stack-protector",
  "-fcf-protection=none",
  "-fno-asynchronous-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
];

interface Named {
  readonly name: string;
  readonly va: string;
  readonly size: number;
}

describe("Debian's Xen", { skip }, () => {
  const s = new Session(scratch());

  async function json<T>(...args: string[]): Promise<T> {
    const { code, value, err } = await s.json(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    return value as T;
  }

  function compile(buildId: string, { va, size }: Named): string {
    const [source, object] = [s.file("fix.c"), s.file("fix.xsplice")];
    writeFileSync(
      source,
      `#include "xsplice.h"
      __attribute__((used)) static const char *new_extra_version(void) { return ".7-patched"; }
      XSPLICE_REPLACE_FUNCTION("extra", "${buildId}", "xen_extra_version", ${va}, ${size},
                               new_extra_version, 8);\n`,
    );
    const args = [...FLAGS, "-I", inRoot("include"), "-o", object, source];
    const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return object;
  }

  test("boots, and its own code runs", async () => {
    const booted = await json<{ symbols: number; build_id: string; version: string }>(
      "boot",
      "--image",
      IMAGE as string,
    );
    assert.ok(booted.symbols > 5000);
    assert.match(booted.build_id, /^[0-9a-f]{40}$/);
    assert.match(booted.version, /^Xen 4\.17/);
    const minor = await json<{ rax: string }>("call", "xen_minor_version");
    assert.equal(minor.rax, "0x11");
    const [symbol] = await json<Named[]>("symbols", "xen_extra_version");
    assert.equal(symbol?.name, "xen_extra_version");
    const code = await json<{ text: string }[]>("disas", "xen_extra_version", "1");
    assert.match(code[0]?.text ?? "", /^lea /);
    const callers = await json<{ symbol: string }[]>("callers", "xen_extra_version");
    assert.ok(callers.some((caller) => caller.symbol.startsWith("do_xen_version+")));
  });

  test("xen_extra_version is replaced, and comes back", async () => {
    const { build_id } = await json<{ build_id: string }>("info");
    const [symbol] = await json<Named[]>("symbols", "xen_extra_version");
    const object = compile(build_id, symbol as Named);
    const extra = async (): Promise<string> =>
      (await json<{ string: string }>("call", "xen_extra_version", "--string")).string;
    const before = await json<{ bytes: string }>("peek", "xen_extra_version", "16");
    const old = await extra();
    assert.match(old, /^\./);
    assert.equal((await json<{ status: string }>("upload", "extra", object)).status, "LOADED");
    assert.equal((await json<{ status: string }>("check", "extra")).status, "CHECKED");
    assert.equal(await extra(), old);
    assert.equal((await json<{ status: string }>("apply", "extra")).status, "APPLIED");
    assert.equal(await extra(), ".7-patched");
    const [patch] = await json<{ va: string; owner: string }[]>("map");
    assert.deepEqual([patch?.va, patch?.owner], [symbol?.va, "extra"]);
    assert.equal((await json<{ status: string }>("revert", "extra")).status, "REVERTED");
    assert.equal(await extra(), old);
    await json("unload", "extra");
    assert.deepEqual(await json("peek", "xen_extra_version", "16"), before);
    assert.deepEqual(await json("list"), []);
  });

  test("a payload made for mini-Xen is refused by name, and nothing changes", async () => {
    const { code, value } = await s.json("load", inRoot("images", "payloads", "xsa125.xsplice"));
    assert.equal(code, 1);
    assert.match((value as { reason: string }).reason, /^(build-id|sym-missing)$/);
    assert.deepEqual(await json("map"), []);
  });
});
