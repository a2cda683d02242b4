// compare: a function and its replacement on the same machine state, in the library and as a
// command. Issue 5, item 6; cli.md "compare".

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Comparison, compare, createMachine } from "../../host/index.js";
import { cli, scratch } from "../cli/support.js";
import { payload } from "./support.js";

const machineFile = { XEN_XSPLICE_MACHINE: join(scratch(), "machine") };
const read = (name: string): Uint8Array => readFileSync(payload(name));

describe("the library", () => {
  test("a different result, and nothing else", async () => {
    const machine = await createMachine();
    const found = await compare(machine, read("nop-out"), "check_even", [9n]);
    assert.equal(found.samples, 1);
    assert.equal(found.same, 0);
    const [difference] = found.differences;
    assert.deepEqual(difference?.args, ["0x9"]);
    assert.deepEqual(difference?.differs, ["result"]);
    assert.equal(difference?.old.rax, "0xffffffffffffffea");
    assert.equal(difference?.new.rax, "0xb");
  });

  test("where old and new agree, nothing is a difference", async () => {
    const machine = await createMachine();
    const { same, differences } = await compare(machine, read("nop-out"), "check_even", [8n]);
    assert.equal(same, 1);
    assert.deepEqual(differences, []);
  });

  test("calls: the fix of XSA-125 clears the buffer first", async () => {
    const machine = await createMachine();
    const args = [1n, 0n];
    const { differences } = await compare(machine, read("xsa125"), "do_xen_version", args);
    const [difference] = differences;
    assert.deepEqual(difference?.differs, ["calls"]);
    assert.ok(!difference?.old.calls.includes("memset"));
    assert.equal(difference?.new.calls[0], "memset");
    assert.deepEqual(difference?.new.calls.slice(1), difference?.old.calls);
    assert.ok((difference?.new.instructions ?? 0) > (difference?.old.instructions ?? 0));
  });

  test("guest memory: the fix of XSA-125 does not hand out what was on the stack", async () => {
    const machine = await createMachine();
    const buffer = new Uint8Array(1280); // capabilities: 1 KiB, of which a string is a small part
    const args = [3n, buffer];
    const { differences } = await compare(machine, read("xsa125"), "do_xen_version", args);
    const [difference] = differences;
    assert.ok(difference?.differs.includes("guest"), `${difference?.differs}`);
    assert.deepEqual([difference?.old.rax, difference?.new.rax], ["0x0", "0x0"]);
    const stale = (side: Comparison["differences"][0]["old"]): number =>
      side.guest.filter(({ value }) => value === "0xaaaaaaaaaaaaaaaa").length;
    assert.ok(stale(difference.old) > 10, "what nobody initialised reaches the guest");
    assert.equal(stale(difference.new), 0);
    assert.deepEqual([...buffer], new Array(1280).fill(0), "the caller's bytes are not touched");
  });

  test("the domain is the one that is asked for: another has no right to it", async () => {
    const machine = await createMachine();
    const run = (domain: number): Promise<Comparison> =>
      compare(machine, read("xsa125"), "do_xen_version", [10n, 0n], { domain });
    const [zero, one] = [await run(0), await run(1)];
    assert.equal(zero.differences[0]?.old.rax ?? "0x14", "0x14", "length of the build-id");
    assert.equal(one.differences[0]?.old.rax ?? "0xffffffffffffffff", "0xffffffffffffffff");
    const guest = machine.call("do_xen_version", [10n, 0n], { domain: 1 });
    assert.equal(guest.rax, 0xffffffffffffffffn, "-EPERM");
    assert.equal(machine.call("do_xen_version", [10n, 0n], { domain: 0 }).rax, 20n);
  });

  test("a buffer of a called function is the domain's", async () => {
    const machine = await createMachine();
    const buffer = new Uint8Array(16);
    const { rax } = machine.call("do_xen_version", [1n, buffer], { domain: 0 });
    assert.equal(rax, 0n);
    assert.match(Buffer.from(buffer).toString("latin1"), /^-unstable/);
  });

  test("the machine is as it was before", async () => {
    const machine = await createMachine();
    const before = Buffer.from(machine.snapshot());
    const args = [1n, new Uint8Array(64)];
    await compare(machine, read("xsa125"), "do_xen_version", args, { samples: 5 });
    assert.equal(before.compare(machine.snapshot()), 0, "guests' memory and stacks included");
    assert.equal(machine.payloads().length, 0);
  });

  test("a payload that is refused is an error, and nothing stays behind", async () => {
    const machine = await createMachine();
    const before = machine.stateHash();
    await assert.rejects(compare(machine, read("too-small"), "wbinvd_ipi"), {
      reason: "too-small",
    });
    assert.equal(machine.stateHash(), before);
  });

  test("the same seed gives the same samples, another one others", async () => {
    const machine = await createMachine();
    const run = (seed: bigint): Promise<Comparison> =>
      compare(machine, read("nop-out"), "check_even", [], { samples: 30, seed });
    const [one, again, other] = [await run(1n), await run(1n), await run(2n)];
    assert.deepEqual(again, one);
    assert.equal(one.samples, 30);
    assert.ok(one.same > 0 && one.differences.length > 0);
    assert.notDeepEqual(other, one);
  });
});

describe("the command", () => {
  test("JSON as the contract has it, exit 0", async () => {
    const args = ["compare", "check_even", "9", "--payload", payload("nop-out"), "--json"];
    const { code, out } = await cli(args, machineFile);
    assert.equal(code, 0);
    const { samples, same, differences } = JSON.parse(out);
    assert.deepEqual([samples, same, differences.length], [1, 0, 1]);
    assert.equal(differences[0].old.rax, "0xffffffffffffffea");
    assert.equal(differences[0].new.rax, "0xb");
  });

  test("for people", async () => {
    const args = ["compare", "check_even", "9", "--payload", payload("nop-out")];
    const { code, out } = await cli(args, machineFile);
    assert.equal(code, 0);
    assert.match(out, /^\(0x9\): result$/m);
    assert.match(out, /^0 of 1 the same$/m);
  });

  test("without --payload, or with no samples: wrong usage", async () => {
    assert.equal((await cli(["compare", "check_even"], machineFile)).code, 2);
    const none = ["compare", "check_even", "--payload", payload("nop-out"), "--samples", "0"];
    assert.equal((await cli(none, machineFile)).code, 2);
  });
});
