// Seeded fuzzing of the doors: payload files of both formats, struct xen_sysctl. What is refused
// has a reason and changes nothing; what was uploaded and unloaded leaves nothing behind; the core
// never traps (R225, A14). FUZZ_SEED repeats a run.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine, XenControl, XenError } from "../../host/index.js";
import { LivepatchControl } from "../../host/livepatch.js";
import { cases, findImage, unpackPayloads } from "../livepatch/corpus.js";
import { inRoot } from "../support/root.js";
import { Dice, mutated } from "./mutate.js";

const SEED = Number(process.env.FUZZ_SEED ?? 20261122);
const RUNS = 1500;
const image = findImage();

/** The error of a refusal; undefined when `work` ended well. */
async function refusal(work: () => unknown): Promise<XenError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    assert.notEqual(error.reason, "none", error.message);
    return error;
  }
}

/** What must be as it was. */
function witness(machine: Machine): (what: string) => void {
  const look = (): unknown => [machine.stateHash(), machine.info().framesUsed];
  const before = look();
  return (what) => assert.deepEqual(look(), before, what);
}

describe(`fuzz, seed ${SEED}`, () => {
  test("payloads of the RFC: upload, check, unload", async () => {
    const dice = new Dice(SEED);
    const directory = inRoot("images/payloads");
    const names = readdirSync(directory).filter((name) => name.endsWith(".xsplice"));
    const files = names.map((name) => readFileSync(`${directory}/${name}`));
    const machine = await createMachine();
    const xc = new XenControl(machine);
    const same = witness(machine);
    let uploaded = 0;
    for (let run = 0; run < RUNS; run++) {
      const file = mutated(dice, dice.pick(files));
      if ((await refusal(() => xc.upload("f", file))) === undefined) {
        uploaded++;
        await refusal(() => xc.checkAndWait("f"));
        await xc.unload("f");
      }
      same(`seed ${SEED}, run ${run}`);
    }
    assert.ok(uploaded > RUNS / 20, `${uploaded} of ${RUNS} got through: too few to mean anything`);
  });

  const payloads = image === undefined ? undefined : unpackPayloads();
  after(() => payloads?.remove());
  test("payloads of today: upload, list, unload", { skip: !payloads }, async () => {
    if (!payloads || image === undefined) return;
    const dice = new Dice(SEED);
    const files = [...new Set(cases().map(({ file }) => file))].slice(0, 60).map(payloads.read);
    const machine = await createMachine({ image });
    const control = new LivepatchControl(machine);
    const same = witness(machine);
    let uploaded = 0;
    for (let run = 0; run < RUNS; run++) {
      const file = mutated(dice, dice.pick(files));
      if ((await refusal(() => control.upload("f", file))) === undefined) {
        uploaded++;
        assert.equal(control.list().length, 1);
        control.unload("f");
      }
      same(`seed ${SEED}, run ${run}`);
    }
    assert.ok(uploaded > RUNS / 20, `${uploaded} of ${RUNS} got through: too few to mean anything`);
  });

  test("struct xen_sysctl of both doors, from domains 0 and 1", async () => {
    const dice = new Dice(SEED);
    const all = ["upload", "get", "list", "action", "info"] as const;
    const machine = await createMachine({ policy: { domains: { 0: [...all], 1: [...all] } } });
    const same = witness(machine);
    for (let run = 0; run < RUNS; run++) {
      const wire = Uint8Array.from({ length: abi.SYSCTL_SIZE }, () => dice.below(256));
      const view = new DataView(wire.buffer);
      const today = dice.below(2) === 1;
      const version = today
        ? abi.XEN_SYSCTL_INTERFACE_VERSION_4_17
        : abi.XEN_SYSCTL_INTERFACE_VERSION;
      const op = today ? abi.XEN_SYSCTL_LIVEPATCH_OP : abi.XEN_SYSCTL_XSPLICE_OP;
      view.setUint32(abi.SYSCTL_CMD, op, true);
      view.setUint32(abi.SYSCTL_VERSION, version, true);
      view.setUint32(abi.SYSCTL_U, dice.below(6), true);
      view.setUint32(abi.SYSCTL_U + 4, 0, true);
      for (let at = abi.SYSCTL_U + 8; at < wire.length; at += 8) {
        if (dice.below(2) === 0) view.setBigUint64(at, dice.value(wire.length), true);
      }
      const rc = machine.sysctl(wire, { domain: dice.below(2) });
      assert.ok(rc <= 0 && rc > -4096, `seed ${SEED}, run ${run}: ${rc}`);
      same(`seed ${SEED}, run ${run}`);
    }
  });
});
