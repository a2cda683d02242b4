// What made ksplice give up, class by class: each has a reason of its own here, so that a tool can
// tell them apart; nothing has changed afterwards. (Its classes are these tests' names.)

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { hex, inline, trampoline } from "../engine/payload.js";
import { checked, replace, stuck } from "../engine/stuck.js";
import { Bench, refused, sample } from "../engine/support.js";
import { LivepatchClient } from "../livepatch/client.js";
import { inRoot } from "../support/root.js";
import { action, renamed, witness } from "./support.js";

const MS = 1_000_000n;
const PLACES = [trampoline("account_tick", 5)];

/** CHECK of `payload` is refused so; the image is as it was. */
async function refusesCheck(
  payload: Parameters<Bench["upload"]>[1],
  errno: number,
  reason: string,
): Promise<void> {
  const b = await Bench.boot();
  const image = b.image();
  await b.upload("p", payload);
  await refused(b.xc.checkAndWait("p"), errno, reason);
  assert.deepEqual(b.image(), image);
}

/** APPLY with 3 ms on a machine whose CPU 1 does not come; the reason. */
async function inTime(quiesce: "guest-entry" | "rendezvous", name: string): Promise<string> {
  const { b } = await stuck({ quiesce }, quiesce === "rendezvous" ? 0x28n : 0n);
  await checked(b, "p", [replace(b.machine, name)]);
  const code = b.machine.read(name, 16).slice();
  assert.equal(action(b.machine, "p", abi.XSPLICE_ACTION_APPLY, 3n), 0);
  b.machine.run({ ns: 8n * MS });
  assert.deepEqual(b.machine.map(), []);
  assert.deepEqual(b.machine.read(name, 16), code);
  const refusal = b.machine.refusalOf("p") ?? assert.fail("nothing is recorded");
  assert.equal(refusal.errno, abi.EBUSY);
  return abi.reasonName(refusal.reason);
}

describe("ksplice's classes", () => {
  test("no_match: old-code", () =>
    refusesCheck(
      { places: PLACES, old: [inline("account_tick", 5, 0, hex("488d4702c3"))] },
      abi.EILSEQ,
      "old-code",
    ));

  test("code_busy: on-stack", async () => {
    assert.equal(await inTime("rendezvous", "arch_long_loop"), "on-stack");
  });

  test("unexpected_running_task: timeout", async () => {
    assert.equal(await inTime("guest-entry", "check_even"), "timeout");
  });

  test("module_busy: busy, still-applied, still-referenced", async () => {
    const b = await Bench.boot();
    await b.upload("p", { places: PLACES });
    await b.xc.check("p");
    await refused(b.xc.unload("p"), abi.EBUSY, "busy");
    await b.xc.wait("p");
    await b.xc.applyAndWait("p");
    await refused(b.xc.unload("p"), abi.EINVAL, "still-applied");
    await b.xc.revertAndWait("p");
    const pointer = Buffer.alloc(8);
    pointer.writeBigUInt64LE(b.machine.payloads()[0]?.baseVa ?? 0n);
    b.machine.write("pause_count", pointer);
    await refused(b.xc.unload("p"), abi.EBUSY, "still-referenced");
  });

  test("failed_to_find: sym-missing", () =>
    refusesCheck({ places: [trampoline("account_tock", 5)] }, abi.ENOENT, "sym-missing"));

  test("missing_export: sym-missing, when it is uploaded", async () => {
    const b = await Bench.boot();
    const same = witness(b.machine);
    const file = renamed(sample("xsa125"), "xen_capabilities", "xen_capabilitiex");
    await refused(b.upload("p", file), abi.ENOENT, "sym-missing");
    same();
  });

  test("already_reversed: wrong-state", async () => {
    const b = await Bench.boot();
    await b.load("p", { places: PLACES });
    await b.xc.revertAndWait("p");
    const same = witness(b.machine);
    await refused(b.xc.revertAndWait("p"), abi.EINVAL, "wrong-state");
    same();
  });

  test("target_not_loaded: dependency", async () => {
    const b = await Bench.boot();
    await b.upload("lower", sample("stack-1"));
    await b.upload("upper", sample("stack-2"));
    await refused(b.xc.checkAndWait("upper"), abi.EXDEV, "dependency");
  });

  test("bad_system_map: build-id, addr-symbol", async () => {
    const places = [{ ...PLACES[0], relocAddr: 0xffff82d080113f00n } as (typeof PLACES)[number]];
    await refusesCheck({ places }, abi.EINVAL, "addr-symbol");
    await refusesCheck({ places, id: "0".repeat(40) }, abi.EINVAL, "build-id");
  });

  test("call_failed: lp-hook-veto, lp-hook-failed", async () => {
    for (const [kind, reason] of [
      ["preapply", "lp-hook-veto"],
      ["apply", "lp-hook-failed"],
    ] as const) {
      const { machine } = await Bench.boot();
      const client = new LivepatchClient(machine);
      const file = inRoot("tests", "livepatch", "payloads", `value_${kind}_5.livepatch`);
      assert.equal(client.upload("p", readFileSync(file)), 0);
      client.action("p", abi.LIVEPATCH_ACTION_APPLY);
      machine.run();
      assert.deepEqual(client.get("p"), { found: true, state: 1, rc: 5 });
      assert.equal(abi.reasonName(machine.refusalOf("p")?.reason ?? 0), reason);
      assert.deepEqual(machine.map(), []);
    }
  });
});
