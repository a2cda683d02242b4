// Stacks against the truth: CPUs execute instruction by instruction, interrupted at random, and
// what they have really called is written down. Every return address must be found by the scan and
// by the walk, what the walk proves must be true, and nothing may be applied or reverted that is in
// use (R50, R181, R219). STACKS_SEED repeats a run.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import {
  type BootOptions,
  type CpuStack,
  type Machine,
  MINI_XEN,
  MINI_XEN_FRAMES,
} from "../../host/index.js";
import { Dice } from "../fuzz/mutate.js";
import { findImage } from "../livepatch/corpus.js";
import { action } from "../requirements/support.js";
import { Shadow, type Truth } from "../support/shadow.js";
import { checked, replace } from "./stuck.js";
import { Bench } from "./support.js";

const SEED = Number(process.env.STACKS_SEED ?? 20261122);
const CPUS = 3;
const STEPS = 7500;
const EVERY = 9;
const VECTORS = [2, 0xfa, 0xfb, 0xfc];
const IMAGES = { "mini-xen": MINI_XEN, "mini-xen-frames": MINI_XEN_FRAMES } as const;
type ImageName = keyof typeof IMAGES;
const NAMES = Object.keys(IMAGES) as ImageName[];
const xen = findImage();

/** A CPU goes on for a few instructions, perhaps interrupted first. */
function advance(machine: Machine, shadow: Shadow, dice: Dice): number {
  const cpu = dice.below(CPUS);
  if (dice.below(60) === 0) machine.interrupt(cpu, dice.pick(VECTORS));
  for (let n = dice.below(4); n >= 0; n--) shadow.step(cpu);
  return cpu;
}

const key = ({ at, va }: Truth): string => `${at.toString(16)}:${va.toString(16)}`;

/** Functions that a stack says it is in. */
function functionsOf({ symbol, frames }: CpuStack): Set<string> {
  const all = [symbol, ...frames.map((frame) => frame.symbol)];
  return new Set(all.flatMap((name) => (name === undefined ? [] : [name.replace(/\+.*/, "")])));
}

interface Count {
  moments: number;
  /** Moments at which every frame was proved. */
  proved: number;
  returns: number;
  /** Functions that only the scan takes to be in use. */
  stale: number;
}

/** Compares one CPU's stack with the truth. */
function judge(machine: Machine, cpu: number, truth: readonly Truth[], count: Count): void {
  const walk = machine.stacks("frames")[cpu] as CpuStack;
  const scan = machine.stacks("scan")[cpu] as CpuStack;
  const walked = new Set(walk.frames.map(key));
  const scanned = new Set(scan.frames.map(key));
  for (const word of truth) {
    assert.ok(scanned.has(key(word)), `the scan misses ${key(word)} at ${walk.symbol}`);
    assert.ok(walked.has(key(word)), `the walk misses ${key(word)} at ${walk.symbol}`);
  }
  const proved = walk.frames.filter(({ kind }) => kind !== "maybe");
  assert.deepEqual(
    proved.map(({ at, va, kind }) => ({ at, va, kind })),
    truth.slice(0, proved.length),
    `what the walk proves is true, and nothing is left out, at ${walk.symbol}`,
  );
  count.moments += 1;
  count.proved += Number(proved.length === walk.frames.length);
  count.returns += truth.length;
  const inside = functionsOf(walk);
  for (const name of functionsOf(scan)) count.stale += Number(!inside.has(name));
}

/** Looks at stacks again and again while a machine executes. */
async function compare(options: BootOptions, steps: number, count: Count): Promise<void> {
  const { machine } = await Bench.boot({ cpus: CPUS, seed: SEED, ...options });
  const dice = new Dice(SEED);
  const shadow = new Shadow(machine);
  for (let i = 0; i < steps; i++) {
    const cpu = advance(machine, shadow, dice);
    if (i % EVERY === 0) judge(machine, cpu, shadow.truth(cpu), count);
  }
}

const nothing = (): Count => ({ moments: 0, proved: 0, returns: 0, stale: 0 });

describe(`stacks and the truth, seed ${SEED}`, () => {
  const counts = { "mini-xen": nothing(), "mini-xen-frames": nothing() };

  for (const name of NAMES) {
    for (const workload of ["storm", "domctl", "deep", "mixed", "block"]) {
      test(`${name}, ${workload}: nothing is missed, nothing is invented`, async () => {
        await compare({ image: IMAGES[name], workload }, STEPS, counts[name]);
      });
    }
  }

  test("there was something to see: thousands of moments, stale words among them", () => {
    for (const [name, count] of Object.entries(counts)) {
      console.log(`${name}: ${JSON.stringify(count)}`);
      assert.ok(count.moments > 3000 && count.returns > 5000 && count.stale > 100);
    }
    const { moments, proved } = counts["mini-xen-frames"];
    assert.ok(proved > 0.7 * moments, "most stacks are proved to their start");
  });

  test("Debian's Xen, built without frame pointers", async (t) => {
    if (!xen) return t.skip("no xen-syms");
    const count = nothing();
    for (const workload of ["storm", "domctl"]) {
      await compare({ image: xen, workload, cpuFeatures: "qemu-k8" }, STEPS, count);
    }
    console.log(`Xen: ${JSON.stringify(count)}`);
    assert.ok(count.moments > 1500 && count.stale > 0 && count.proved > 0.7 * count.moments);
  });
});

/** Functions that a workload runs through, and one in which CPUs wait for each other. */
const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  storm: ["do_xen_version", "strlcpy", "copy_to_guest", "do_fanout", "do_account", "do_softirq"],
  deep: ["arch_deep_call", "do_deep", "time_calibration_std_rendezvous"],
};

/** Lets CPUs execute at random until the payload is applied: was anybody inside then? Undefined
 *  when it takes too long. */
function usedWhenApplied(machine: Machine, dice: Dice, id: string): boolean | undefined {
  const [found] = machine.symbols.find(id);
  assert.ok(found, id);
  const shadow = new Shadow(machine);
  for (let i = 0; i < 30_000; i++) {
    const used = shadow.inUse(found.va, found.va + found.size);
    shadow.step(dice.below(CPUS));
    if (machine.inside((core) => core.invoke("hv_map_count")) > 0) return used;
  }
  return undefined;
}

interface Outcome {
  free: number;
  used: number;
  /** Tries at which the check found somebody. */
  refused: number;
}

/** Replaces each of the functions, from the same beginning; `guards` are taken out. */
async function replaceAll(options: BootOptions, guards: number, outcome: Outcome): Promise<void> {
  const b = await Bench.boot({ cpus: CPUS, seed: SEED, quiesce: "rendezvous", ...options });
  const { machine } = b;
  const functions = FUNCTIONS[options.workload ?? ""] ?? [];
  for (const id of functions) {
    await checked(b, id, [replace(machine, id)]);
  }
  const dice = new Dice(SEED);
  const start = machine.snapshot();
  for (const id of functions) {
    machine.restore(start);
    machine.schedules().withoutGuards(guards);
    machine.run({ instructions: BigInt(dice.below(5000)) });
    assert.equal(action(machine, id, abi.XSPLICE_ACTION_APPLY), 0);
    const used = usedWhenApplied(machine, dice, id);
    if (used !== undefined) outcome[used ? "used" : "free"] += 1;
    if (machine.refusalOf(id)) outcome.refused += 1;
  }
}

describe(`what is in use is not changed, seed ${SEED}`, () => {
  for (const [workload, functions] of Object.entries(FUNCTIONS)) {
    for (const stackWalk of ["scan", "frames"] as const) {
      test(`${stackWalk}, ${workload}: what is applied was on no stack`, async () => {
        const outcome: Outcome = { free: 0, used: 0, refused: 0 };
        for (const name of NAMES) {
          await replaceAll({ image: IMAGES[name], workload, stackWalk }, 0, outcome);
        }
        console.log(`${stackWalk}, ${workload}: ${JSON.stringify(outcome)}`);
        assert.equal(outcome.used, 0);
        assert.ok(outcome.refused > 0 && outcome.free + outcome.refused >= functions.length);
      });
    }
  }

  test("without the check it is: the truth notices", async () => {
    const outcome: Outcome = { free: 0, used: 0, refused: 0 };
    await replaceAll({ workload: "storm" }, abi.GUARD_STACK, outcome);
    assert.ok(outcome.used > 0 && outcome.refused === 0, JSON.stringify(outcome));
  });
});
