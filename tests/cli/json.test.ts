// The JSON contract of every command: exactly one value on stdout, the named fields, 64-bit
// values as "0x…" strings, errors as an object, exit codes. What scripts depend on.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { payload, Session, scratch } from "./support.js";

const s = new Session(scratch());
const HEX = /^0x[0-9a-f]+$/;
const BYTES = /^([0-9a-f]{2})*$/;

type Json = Record<string, unknown>;

async function value(...args: string[]): Promise<Json> {
  const { code, value, err } = await s.json(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${err}`);
  return value as Json;
}

async function failure(exit: number, ...args: string[]): Promise<Json> {
  const { code, value } = await s.json(...args);
  assert.equal(code, exit, JSON.stringify(value));
  const { error } = value as { error: Json };
  assert.match(String(error.errno), /^E[A-Z0-9]+$/);
  assert.ok(Number(error.code) < 0);
  assert.match(String(error.reason), /^[a-z0-9-]+$/);
  assert.ok(String(error.message).length > 0);
  return error;
}

function keys(json: Json, ...names: string[]): void {
  for (const name of names) assert.ok(name in json, `${name} in ${JSON.stringify(json)}`);
}

describe("the machine", () => {
  test("boot, info", async () => {
    for (const json of [await value("boot", "--cpus", "2"), await value("info")]) {
      keys(json, "image", "build_id", "version", "cpus", "symbols", "payloads", "time_ns");
      assert.equal(json.cpus, 2);
      assert.equal(json.build_id, "92dd05a61556c554155b1508c9cf67d993336d28");
      assert.equal(json.version, "Xen 4.6-unstable-g9348394");
      assert.match(String(json.time_ns), HEX);
    }
  });

  test("call, hypercall", async () => {
    const major = await value("call", "xen_major_version");
    assert.deepEqual([major.stop, major.rax], ["return", "0x4"]);
    assert.match(String(major.instructions), HEX);
    const extra = await value("call", "xen_extra_version", "--string");
    assert.equal(extra.string, "-unstable-g9348394");
    const version = await value("hypercall", "xen_version", "0", "--domain", "1");
    assert.deepEqual([version.stop, version.rax], ["return", "0x40006"]);
    assert.equal((await value("hypercall", "17", "0")).rax, "0x40006");
  });

  test("call that does not return: the stop, and exit 1", async () => {
    const faulted = await s.json("call", "0xffff82d08024b270");
    assert.equal(faulted.code, 1);
    assert.equal((faulted.value as Json).stop, "fault");
    const short = await s.json("call", "xen_extra_version", "--budget", "1");
    assert.equal(short.code, 1);
    assert.equal((short.value as Json).stop, "budget");
  });

  test("call of what the processor does not have: its bytes are named", async () => {
    // Two bytes into an instruction stands one of the x87.
    const { code, err } = await s.run("call", "0xffff82d0801000c2");
    assert.equal(code, 1);
    assert.match(err, /#UD at 0xffff82d0801000c2 \(.*\): fimull \(%rax\) \(da 08\)/);
  });

  test("run, console, key, stacks", async () => {
    const ran = await value("run", "--ms", "1");
    assert.match(String(ran.instructions), HEX);
    assert.match(String(ran.time_ns), HEX);
    assert.ok(Array.isArray(await value("console")));
    assert.ok(Array.isArray(await value("key", "x")));
    const stacks = (await value("stacks")) as unknown as Json[];
    assert.equal(stacks.length, 2);
    for (const stack of stacks) keys(stack, "cpu", "state", "rip", "symbol", "frames");
  });

  test("peek, disas, symbols, callers", async () => {
    const peek = await value("peek", "do_xen_version", "16");
    assert.equal(peek.va, "0xffff82d080112f9e");
    assert.equal(peek.symbol, "do_xen_version");
    assert.equal(peek.bytes, "48c7c0daffffff83ff090f8724050000"); // R211
    assert.equal(String((await value("peek", "hypercall_table")).bytes).length, 128);
    const code = (await value("disas", "do_xen_version+0x7", "2")) as unknown as Json[];
    assert.equal(code.length, 2);
    for (const line of code) keys(line, "va", "bytes", "text", "symbol");
    assert.equal(code[0]?.bytes, "83ff09");
    const [symbol] = (await value("symbols", "do_xen_version")) as unknown as Json[];
    assert.deepEqual(symbol, {
      name: "do_xen_version",
      va: "0xffff82d080112f9e",
      size: 1728,
      type: "func",
      room: 1728,
    });
    const small = (await value("symbols", "--smaller-than", "5")) as unknown as Json[];
    const names = small.map(({ name }) => name); // R186, R188
    assert.ok(names.includes("wbinvd_ipi") && names.includes("shadow_l1_index"));
    const callers = (await value("callers", "arch_do_domctl")) as unknown as Json[];
    const site = callers.find(({ va }) => va === "0xffff82d080104a69"); // R209
    assert.equal(site?.kind, "call");
  });
});

describe("payloads", () => {
  before(async () => {
    await s.json("boot");
  });

  test("the whole life of one", async () => {
    assert.deepEqual(await value("list"), []);
    const uploaded = await value("upload", "p", payload("xsa125"));
    assert.deepEqual([uploaded.id, uploaded.status], ["p", "LOADED"]);
    assert.ok(Number(uploaded.bytes) > 1000);
    for (const [command, status, code] of [
      ["check", "CHECKED", 4],
      ["apply", "APPLIED", 8],
      ["revert", "REVERTED", 16],
    ] as const) {
      const json = await value(command, "p");
      assert.deepEqual([json.id, json.status, json.code], ["p", status, code]);
      // Only what changes code stops CPUs; in this machine nobody runs, so nobody stands still.
      assert.equal(json.stop_ns, command === "check" ? undefined : "0x0");
      assert.deepEqual(await value("list"), [{ id: "p", status, code }]);
      if (command === "apply") await applied();
    }
    assert.equal((await value("unload", "p")).id, "p");
    assert.deepEqual(await value("map"), []);
  });

  async function applied(): Promise<void> {
    const [patch] = (await value("map")) as unknown as Json[];
    assert.ok(patch);
    assert.deepEqual(
      [patch.va, patch.size, patch.owner, patch.kind, patch.old],
      ["0xffff82d080112f9e", 5, "p", "trampoline", "48c7c0daff"],
    );
    assert.match(String(patch.new), /^e9[0-9a-f]{8}$/);
    assert.match(String(patch.target), HEX);
    const code = (await value("disas", "do_xen_version", "3")) as unknown as Json[];
    assert.deepEqual([code[0]?.owner, code[0]?.stale], ["p", undefined]);
    // K22: five bytes of the seven of a mov; the other two are not the instruction they look like.
    assert.deepEqual([code[1]?.bytes, code[1]?.stale], ["ffff", true]);
    assert.deepEqual([code[2]?.va, code[2]?.stale], ["0xffff82d080112fa5", undefined]);
    // R196: the payload's code has the payload's names.
    const [behind] = (await value("disas", String(patch.target), "1")) as unknown as Json[];
    assert.deepEqual([behind?.symbol, behind?.owner], ["new_do_xen_version [p]", "p"]);
    const call = await value("hypercall", "xen_version", "9", "@1024", "--domain", "1");
    const [buffer = ""] = call.buffers as string[];
    assert.match(buffer, BYTES);
    const text = Buffer.from(buffer, "hex");
    assert.ok(text.indexOf(0) > 0 && text.subarray(text.indexOf(0)).every((byte) => byte === 0));
  }

  test("load, and its undoing", async () => {
    const loaded = await value("load", payload("xsa125"), "--id", "l");
    assert.deepEqual([loaded.id, loaded.status, loaded.code], ["l", "APPLIED", 8]);
    await value("revert", "l");
    await value("unload", "l");
    const { code, value: refused } = await s.json("load", payload("too-small"));
    const json = refused as Json;
    assert.equal(code, 1);
    assert.deepEqual([json.status, json.code, json.reason], ["-ENOSPC", -28, "too-small"]);
    assert.deepEqual(await value("list"), []);
  });

  test("a refused check: status, code, reason; explain has the rest", async () => {
    await value("upload", "small", payload("too-small"));
    const { code, value: refused } = await s.json("check", "small");
    assert.equal(code, 1);
    const json = refused as Json;
    assert.deepEqual(
      [json.id, json.status, json.code, json.reason],
      ["small", "-ENOSPC", -28, "too-small"],
    );
    assert.deepEqual(await value("list"), [{ id: "small", status: "-ENOSPC", code: -28 }]);
    const explained = await value("explain", "small");
    keys(explained, "id", "step", "errno", "code", "reason", "message", "place", "hint");
    assert.deepEqual(
      [explained.step, explained.errno, explained.code, explained.reason],
      ["check", "ENOSPC", -28, "too-small"],
    );
    await value("unload", "small");
  });
});

describe("errors and exit codes", () => {
  test("1: refused", async () => {
    assert.equal((await failure(1, "explain", "nobody")).reason, "no-such-id");
    assert.equal((await failure(1, "check", "nobody")).errno, "ENOENT");
    assert.equal((await failure(1, "call", "no_such")).reason, "sym-missing");
    assert.equal((await failure(1, "hypercall", "no_such")).errno, "ENOSYS");
    assert.equal((await failure(1, "peek", "0x1000")).reason, "bad-address");
    assert.equal((await failure(1, "list", "--domain", "1")).reason, "not-privileged");
    assert.equal((await failure(1, "upload", "x", s.file("missing"))).errno, "ENOENT");
    assert.equal(
      (await failure(1, "boot", "--image", payload("xsa125"))).reason,
      "elf-unsupported-type",
    );
    await failure(1, "frobnicate");
  });

  test("2: wrong usage", async () => {
    await failure(2, "call");
    await failure(2, "peek", "a", "b", "c");
    await failure(2, "run", "--ms", "soon");
    await failure(2, "check", "x", "--time", "-1");
    await failure(2, "boot", "--quiesce", "never");
    await failure(2, "disas", "do_xen_version", "0x1ffffffffffffffff");
    await failure(2, "list", "-m", "a", "-m", "b"); // was an exception, exit 70
    await failure(2, "check", "p", "--time", "1", "--time", "2");
    await failure(2, "pack", "x.o");
    await failure(2, "list", "--frob");
  });

  test("3: the machine file is unusable", async () => {
    const other = new Session(scratch());
    writeFileSync(other.machine, "not a machine");
    for (const command of [["list"], ["info"], ["apply", "x"]]) {
      const { code, value, err } = await other.json(...command);
      assert.equal(code, 3);
      assert.equal((value as { error: Json }).error.reason, "machine-file-format");
      if (command[0] !== "info") assert.match(err, /failed to get the handler/); // R157, K46
    }
  });
});
