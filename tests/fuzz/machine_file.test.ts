// Seeded fuzzing of machine files: contents are changed, the checksum is made right again, the file
// is loaded and used. It is refused with a reason, or it is a machine: then every operation ends,
// in an answer or a refusal; the core never traps, and nothing of Node's is thrown (R225).
//
// FUZZ_SEED repeats a run, FUZZ_MACHINES=10000 makes a long one, FUZZ_FROM=n begins with run n,
// FUZZ_SAY=1 tells each run.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { signPayload } from "../../host/elf/sign.js";
import {
  createMachine,
  type Machine,
  readCertificates,
  XenControl,
  XenError,
} from "../../host/index.js";
import { LivepatchControl } from "../../host/livepatch.js";
import { readLivepatches } from "../../host/livepatch_map.js";
import { payload } from "../host/support.js";
import { cases, findImage, unpackPayloads } from "../livepatch/corpus.js";
import { inRoot } from "../support/root.js";
import { MachineFile } from "./machine_file.js";
import { Dice } from "./mutate.js";

const SEED = Number(process.env.FUZZ_SEED ?? 20261122);
const MACHINES = Number(process.env.FUZZ_MACHINES ?? 48);
const FROM = Number(process.env.FUZZ_FROM ?? 0);
/** Tells each run before it begins: the last one told is the one that does not end. */
const SAY = process.env.FUZZ_SAY === "1";
const NS = 3_000_000n;
const IDS = ["xsa125", "callers", "stack-1", "stack-2", "ex-table", "string-new", "new-data"];
IDS.push("too-small", "jump-table", "nop-out", "inline-text");

/** Payloads in every state, and work that is under way. */
async function patched(): Promise<Machine> {
  const machine = await createMachine({ cpus: 3, bugTrampoline: true });
  const xc = new XenControl(machine);
  const load = async (name: string, ...steps: ("check" | "apply" | "revert")[]): Promise<void> => {
    await xc.upload(name, payload(name));
    for (const step of steps) await xc[`${step}AndWait`](name).catch(() => undefined);
  };
  await load("xsa125", "check", "apply");
  await load("callers", "check", "apply");
  await load("stack-1", "check", "apply");
  await load("stack-2", "check", "apply");
  await load("ex-table", "check", "apply", "revert");
  await load("string-new", "check", "apply");
  await load("new-data", "check");
  await load("too-small", "check");
  await load("jump-table");
  await load("nop-out", "check");
  await load("inline-text", "check");
  await xc.upload("twin", payload("xsa125")).catch(() => undefined);
  await xc.apply("nop-out", { timeMs: 5 });
  await xc.apply("inline-text");
  return machine;
}

/** CPUs in the middle of guests, a rendezvous under way and one that waits for it. */
async function live(): Promise<Machine> {
  const machine = await createMachine({ cpus: 4, workload: "mixed", seed: 7 });
  const xc = new XenControl(machine);
  machine.run({ ns: 50_000n });
  for (const name of ["xsa125", "callers", "nop-out"]) {
    await xc.upload(name, payload(name));
    await xc.check(name);
  }
  machine.run({ ns: 2_000_000n });
  await xc.apply("xsa125", { timeMs: 100 });
  await xc.apply("callers", { timeMs: 100 });
  machine.begin(17, [1, new Uint8Array(64)], { domain: 1, cpu: 3 });
  machine.run({ instructions: 700n });
  return machine;
}

/** A question to the firmware that nobody has answered. */
async function asking(): Promise<Machine> {
  const keys = await readCertificates(readFileSync(inRoot("tests/cli/keys/author.crt")));
  const firmware = { verify: () => new Promise<number>(() => {}) };
  const machine = await createMachine({ cpus: 2, keys, requireSignature: true, firmware });
  const key = createPrivateKey(readFileSync(inRoot("tests/cli/keys/author.key")));
  const signed = signPayload(payload("xsa125"), { key, hash: "sha256" });
  void new XenControl(machine).upload("asked", signed).catch(() => undefined);
  return machine;
}

const image = findImage();
const payloads = image === undefined ? undefined : unpackPayloads();
after(() => payloads?.remove());

/** Payloads of today on the real image. */
async function today(): Promise<Machine> {
  const machine = await createMachine({ ...(image === undefined ? {} : { image }), cpus: 2 });
  const control = new LivepatchControl(machine);
  for (const { name, file } of cases()) {
    if (!/^(g0[1-4]|g12|k0[1-3]|a2)/.test(name) || !payloads) continue;
    try {
      control.upload(name, payloads.read(file));
      control.action(name, abi.LIVEPATCH_ACTION_APPLY);
      control.wait(name);
    } catch (error) {
      assert.ok(error instanceof XenError, String(error));
    }
  }
  return machine;
}

/** A refusal is an answer; anything else is not. */
async function attempt(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    assert.ok(error.message.length > 0);
  }
}

/** What looks at a machine, and what makes it go on. */
const LOOKS: readonly ((machine: Machine) => unknown)[] = [
  (machine) => machine.info(),
  (machine) => machine.stacks(),
  (machine) => machine.map(),
  (machine) => machine.payloads(),
  (machine) => machine.console(),
  (machine) => [...machine.symbols].length,
  (machine) => machine.symbols.nameOf(0xffff82d080112fa0n),
  (machine) => machine.stateHash(),
  (machine) => machine.schedules().hash(),
  (machine) => machine.schedules().violation(),
  (machine) => new XenControl(machine).listAll(),
  (machine) => new XenControl(machine).buildId(),
  (machine) => new LivepatchControl(machine).list(),
  (machine) => machine.textRanges(),
  (machine) => machine.decode("do_xen_version", 4),
  (machine) => machine.call("xen_major_version", [], { budget: 10_000 }),
  (machine) => machine.hypercall(17, [1, new Uint8Array(64)], { budget: 10_000 }),
  (machine) => machine.hypercall(17, [9, new Uint8Array(64)], { domain: 1, budget: 10_000 }),
  (machine) => machine.begin(17, [0], { cpu: 1 })?.collect(),
  (machine) => machine.run({ ns: NS }),
  (machine) => machine.key("x"),
  (machine) => machine.setOnline(1, false),
  (machine) => machine.setOnline(1, true),
  (machine) => machine.run({ instructions: 20_000n }),
];

async function act(machine: Machine, dice: Dice): Promise<void> {
  const xc = new XenControl(machine, { waitMs: 20 });
  for (const id of [...IDS, "asked"].sort(() => dice.below(3) - 1)) {
    const refusal = machine.refusalOf(id);
    if (refusal) await attempt(() => machine.errorOf(refusal));
    const step = dice.pick(["check", "apply", "revert", "unload"] as const);
    if (step === "unload") await attempt(() => xc.unload(id));
    else await attempt(() => xc[`${step}AndWait`](id, { timeMs: dice.pick([0, 3]) }));
  }
  const control = new LivepatchControl(machine);
  for (const { name } of machine.inside(readLivepatches)) {
    await attempt(() => control.action(name, 1 + dice.below(4)));
    await attempt(() => machine.run({ ns: NS }));
  }
  await attempt(() => xc.upload("fresh", payload("string-merged")));
  await attempt(() => xc.checkAndWait("fresh"));
  await attempt(() => xc.applyAndWait("fresh"));
  for (const id of [...IDS, "fresh"].reverse()) {
    await attempt(() => xc.revertAndWait(id));
    await attempt(() => xc.unload(id));
  }
}

/** Every operation, on a machine that may be anything; what is left is a machine again. */
async function use(machine: Machine, dice: Dice): Promise<void> {
  for (const look of LOOKS) await attempt(() => look(machine));
  await act(machine, dice);
  if (dice.below(4) === 0) machine.restore(machine.snapshot());
}

/** One changed file; false when it was refused. */
async function run(bytes: Uint8Array, dice: Dice): Promise<boolean> {
  let machine: Machine;
  try {
    machine = await createMachine({ snapshot: bytes });
  } catch (error) {
    assert.ok(error instanceof XenError, (error as Error).stack);
    assert.equal(error.reason, "machine-file-corrupt");
    return false;
  }
  await use(machine, dice);
  return true;
}

let used = 0;
let refused = 0;

describe(`fuzz of machine files, seed ${SEED}`, () => {
  const kinds: [string, () => Promise<Machine>, number, false | string][] = [
    ["payloads in every state", patched, 3 / 8, false],
    ["guests under way", live, 2 / 8, false],
    ["a question to the firmware", asking, 1 / 8, false],
    ["payloads of today", today, 2 / 8, !image && "no xen-syms"],
  ];
  for (const [name, make, share, skip] of kinds) {
    test(name, { skip }, async () => {
      const file = new MachineFile((await make()).snapshot());
      assert.ok(await run(file.bytes, new Dice(SEED)), "unchanged it is a machine");
      const dice = new Dice(SEED);
      for (let n = 0; n < MACHINES * share; n++) {
        const { bytes, what } = file.hostile(dice);
        if (n < FROM) continue;
        if (SAY) process.stderr.write(`${name}, run ${n}: ${what}\n`);
        try {
          if (await run(bytes, new Dice(n))) used++;
          else refused++;
        } catch (cause) {
          throw new Error(`seed ${SEED}, ${name}, run ${n}: ${what}`, { cause });
        }
      }
    });
  }

  test("some of the files were machines, some were not", () => {
    assert.ok(used > 0 && refused > 0, `${used} used, ${refused} refused`);
  });
});
