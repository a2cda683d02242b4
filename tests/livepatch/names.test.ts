// Code of today's payloads has the names of its own symbols wherever an address is named, as traces
// on Xen have them; and what Xen accepts of a payload without a word is told by `explain`.
// spec/livepatch-today 5.7, traps 3 and 4.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine } from "../../host/index.js";
import { hazardFindings } from "../../host/verify/hazards.js";
import { findLivepatch } from "../../host/verify/records.js";
import { Session, scratch } from "../cli/support.js";
import { inRoot } from "../support/root.js";
import { LivepatchClient } from "./client.js";

const path = (name: string): string =>
  inRoot("tests", "livepatch", "payloads", `${name}.livepatch`);

async function boot(): Promise<{ machine: Machine; client: LivepatchClient }> {
  const machine = await createMachine({ cpus: 2 });
  return { machine, client: new LivepatchClient(machine) };
}

const findings = (machine: Machine, name: string): string[] => {
  const loaded = findLivepatch(machine, name) ?? assert.fail(`${name} is not loaded`);
  return hazardFindings(machine, loaded).map(({ id }) => id);
};

describe("names", () => {
  test("an address in a payload: its symbol and whose it is, until it is unloaded", async () => {
    const { machine, client } = await boot();
    assert.equal(client.upload("fix", readFileSync(path("value_preapply_0"))), 0);
    const [func] = findLivepatch(machine, "fix")?.funcs ?? [];
    const va = func?.newVa ?? assert.fail("no function");
    assert.equal(machine.symbols.nameOf(va), "value_minor_version [fix]");
    assert.equal(machine.symbols.nameOf(va + 1n), "value_minor_version+0x1 [fix]");
    assert.equal(machine.symbols.nameOf(va + 0x800n), undefined, "behind all of them");
    client.action("fix", abi.LIVEPATCH_ACTION_UNLOAD);
    assert.equal(machine.symbols.nameOf(va), undefined);
  });

  test("a hook's fault is at a symbol", async () => {
    const { machine, client } = await boot();
    client.upload("bad", readFileSync(path("crash_apply")));
    client.action("bad", abi.LIVEPATCH_ACTION_APPLY);
    machine.run();
    const refusal = machine.refusalOf("bad") ?? assert.fail("nothing was refused");
    assert.match(machine.errorOf(refusal).message, / \(crash_hook\+0x[0-9a-f]+ \[bad\]\): #PF on /);
  });

  test("disas and map", async () => {
    const session = new Session(scratch());
    await session.run("boot");
    const machine = await createMachine({});
    new LivepatchClient(machine).upload("fix", readFileSync(path("value_preapply_0")));
    new LivepatchClient(machine).action("fix", abi.LIVEPATCH_ACTION_APPLY);
    machine.run();
    writeFileSync(session.machine, machine.snapshot());
    const { out } = await session.run("disas", "xen_minor_version", "1");
    assert.match(out, /<xen_minor_version> .* <value_minor_version \[fix\]> .*trampoline of fix/);
    assert.match((await session.run("map")).out, /\(value_minor_version \[fix\]\)/);
  });
});

describe("what nobody refuses", () => {
  test("stuck-in-progress: an action asked for while another one was pending", async () => {
    const { machine, client } = await boot();
    client.upload("first", readFileSync(path("value_preapply_0")));
    client.upload("second", readFileSync(path("inlined")));
    assert.equal(client.action("first", abi.LIVEPATCH_ACTION_APPLY), 0);
    assert.equal(client.action("second", abi.LIVEPATCH_ACTION_APPLY), -abi.EBUSY);
    machine.run();
    assert.equal(client.get("second").rc, -abi.EAGAIN);
    assert.ok(findings(machine, "second").includes("stuck-in-progress"));
    assert.ok(!findings(machine, "first").includes("stuck-in-progress"));
    client.action("second", abi.LIVEPATCH_ACTION_APPLY, abi.LIVEPATCH_ACTION_APPLY_NODEPS);
    machine.run();
    assert.equal(client.get("second").rc, 0);
    assert.ok(!findings(machine, "second").includes("stuck-in-progress"));
  });

  test("replaced-with-old-data, and explain tells", async () => {
    const session = new Session(scratch());
    const { machine, client } = await boot();
    client.upload("data", readFileSync(path("copy")));
    for (const cmd of [
      abi.LIVEPATCH_ACTION_APPLY,
      abi.LIVEPATCH_ACTION_REVERT,
      abi.LIVEPATCH_ACTION_REPLACE,
    ]) {
      assert.ok(!findings(machine, "data").includes("replaced-with-old-data"));
      client.action("data", cmd);
      machine.run();
    }
    assert.equal(client.get("data").state, abi.LIVEPATCH_STATE_APPLIED);
    assert.ok(findings(machine, "data").includes("replaced-with-old-data"));
    writeFileSync(session.machine, machine.snapshot());
    const { out } = await session.run("explain", "data");
    assert.match(out, /^data: nothing failed\n(.*\n)*warning replaced-with-old-data: /);
    const { value } = await session.json("explain", "data");
    const told = (value as { findings: { id: string }[] }).findings.map(({ id }) => id);
    assert.ok(told.includes("replaced-with-old-data"), `${told}`);
  });
});

describe("key 'x'", () => {
  test("tells of today's payloads as today's Xen does: state, places, functions, ids", async () => {
    const { machine, client } = await boot();
    const said = (): string[] => {
      const before = machine.console().length;
      assert.ok(machine.key("x"));
      return machine.console().slice(before);
    };
    assert.ok(!said().some((line) => line.includes("build-id=")), "there is none yet");
    await client.upload("fix", new Uint8Array(readFileSync(path("copy"))));
    const own = Buffer.from(machine.info().buildId).toString("hex");
    const [first, second, ...more] = said();
    assert.equal(first, ` build-id=${own}`);
    assert.match(second ?? "", /^ name=fix state=CHECKED\(\d\) rc=0 text=[0-9a-f]{16} data=/);
    const functions = more.filter((line) => line.includes("->"));
    const old = machine.symbols.resolve("xen_minor_version").toString(16);
    assert.equal(functions.length, 1);
    assert.match(functions[0] ?? "", new RegExp(`^ {3}${old}\\(10\\) -> [0-9a-f]{16}\\(\\d+\\)$`));
    assert.equal(more.at(-1), `   depends-on-xen=${own}`);
  });
});
