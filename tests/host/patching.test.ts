// Live patching through the library, on the embedded mini-Xen: the main job end to end, refusals,
// lists, access control.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMachine, marshal, XenControl } from "../../host/index.js";
import { DO_XEN_VERSION, payload, refusedLater, stale } from "./support.js";

describe("live patching", () => {
  test("the leak, the patch, the fix, the revert, to the last byte (R124, R213)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const before = machine.stateHash();
    const entry = machine.read("do_xen_version", 16);
    assert.ok(stale(machine) > 0, "stale stack bytes reach the guest");

    await xc.upload("xsa125", payload("xsa125"));
    assert.equal((await xc.get("xsa125")).status, 1);
    await xc.check("xsa125");
    assert.equal((await xc.get("xsa125")).status, 2, "PROGRESS until the machine runs (R92)");
    assert.equal((await xc.wait("xsa125")).status, 4);
    assert.equal((await xc.applyAndWait("xsa125")).status, 8);
    assert.equal(stale(machine), 0, "zeros reach the guest");

    const [patch] = machine.map();
    assert.equal(patch?.va, DO_XEN_VERSION);
    assert.deepEqual([patch?.owner, patch?.kind, patch?.size], ["xsa125", "trampoline", 5]);
    assert.deepEqual(patch?.old, entry.slice(0, 5));
    assert.deepEqual(patch?.new, machine.read("do_xen_version", 5));
    assert.equal(machine.read("do_xen_version", 1)[0], 0xe9);
    assert.deepEqual(
      machine.payloads().map(({ name, order }) => [name, order]),
      [["xsa125", 1n]],
    );

    assert.equal((await xc.revertAndWait("xsa125")).status, 16);
    assert.deepEqual(machine.read("do_xen_version", 16), entry);
    assert.ok(stale(machine) > 0);
    await xc.unload("xsa125");
    assert.equal((await refusedLater(xc.get("xsa125"))).reason, "no-such-id");
    assert.equal(machine.stateHash(), before);
  });

  test("the RFC's worked example, with exactly its values (R63)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const before = machine.stateHash();
    await xc.upload("rfc", payload("rfc-example"));
    await xc.checkAndWait("rfc");
    await xc.applyAndWait("rfc");
    const jump = machine.read(DO_XEN_VERSION, 5);
    assert.equal(jump[0], 0xe9);
    const displacement = BigInt(new DataView(jump.buffer).getInt32(1, true));
    const [patch] = machine.map();
    assert.equal(DO_XEN_VERSION + 5n + displacement, patch?.target);
    const code = machine.read(patch?.target ?? 0n, 3);
    assert.equal(Buffer.from(code).toString("hex"), "83ff09");
    await xc.revertAndWait("rfc");
    await xc.unload("rfc");
    assert.equal(machine.stateHash(), before);
  });

  test("a refused check leaves its reason, and everything else as it was", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    await xc.upload("small", payload("too-small"));
    const loaded = machine.stateHash();
    const error = await refusedLater(xc.checkAndWait("small"));
    assert.deepEqual([error.errno, error.reason, error.step], ["ENOSPC", "too-small", "check"]);
    assert.match(error.message, /room for \d+ bytes/);
    assert.ok(error.hint.length > 0);
    const kept = machine.refusalOf("small");
    assert.ok(kept);
    assert.equal(machine.errorOf(kept).message, error.message);
    assert.equal((await xc.get("small")).status, -28);
    await xc.unload("small");
    await xc.upload("small", payload("too-small"));
    assert.equal(machine.stateHash(), loaded);
  });

  test("actions in the wrong state, and unknown ids (A7, K43)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    await xc.upload("fix", payload("xsa125"));
    const apply = await refusedLater(xc.apply("fix"));
    assert.deepEqual([apply.errno, apply.reason], ["EINVAL", "wrong-state"]);
    await xc.check("fix");
    assert.equal((await refusedLater(xc.apply("fix"))).reason, "busy");
    await xc.wait("fix");
    await xc.applyAndWait("fix");
    assert.equal((await refusedLater(xc.unload("fix"))).reason, "still-applied");
    assert.equal((await refusedLater(xc.check("other"))).reason, "no-such-id");
    assert.equal((await refusedLater(xc.upload("fix", payload("xsa125")))).reason, "id-exists");
    assert.equal(
      (await refusedLater(xc.upload("two", payload("xsa125")))).reason,
      "payload-exists",
    );
  });

  test("65 payloads are listed in pages of 64 (R109, K32)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const ids = Array.from({ length: 65 }, (_, i) => `payload-${i}`);
    for (const [i, id] of ids.entries()) await xc.upload(id, distinct(payload("xsa125"), i));
    assert.deepEqual(
      (await xc.listAll()).map(({ id }) => id),
      ids,
    );
    const raw = marshal({ op: "list", version: 0, idx: 0, nr: 65, summary: 0x10000200n });
    assert.equal(machine.sysctl(raw), -7, "65 at once is -E2BIG");
  });

  test("the build-id through INFO, and a guest without rights (R80, R91)", async () => {
    const machine = await createMachine();
    const id = await new XenControl(machine).buildId();
    assert.deepEqual(id, machine.info().buildId);
    const guest = new XenControl(machine, { domain: 1 });
    const denied = await refusedLater(guest.list(1));
    assert.deepEqual([denied.errno, denied.reason], ["EPERM", "not-privileged"]);
  });

  test("a policy decides alone (R81)", async () => {
    const policy = { domains: { 0: ["list" as const], 1: ["get" as const], 3: ["list" as const] } };
    const machine = await createMachine({ policy });
    const dom0 = new XenControl(machine);
    assert.deepEqual(await dom0.list(1), { payloads: [], left: 0 });
    const upload = await refusedLater(dom0.upload("fix", payload("xsa125")));
    assert.deepEqual([upload.errno, upload.reason], ["EACCES", "xsm-denied:upload"]);
    const guest = new XenControl(machine, { domain: 1 });
    assert.equal((await refusedLater(guest.get("fix"))).reason, "no-such-id");
    assert.equal((await refusedLater(guest.list(1))).reason, "xsm-denied:list");
  });
});

/** The same payload with another name of its own: the same bytes twice are refused. */
function distinct(image: Uint8Array, i: number): Uint8Array {
  const copy = image.slice();
  const at = Buffer.from(copy).indexOf("xsa125\0");
  assert.ok(at > 0, "its name");
  copy[at] = 0x30 + i;
  return copy;
}
