// The search itself: that it goes through everything within its bound and nothing twice, that it
// comes back to where it was, that large steps hide nothing, and what it does with limits.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import { XenError } from "../../host/error.js";
import { formatSchedule, parseSchedule } from "../../host/index.js";
import { Checkpoints } from "../../host/search/checkpoint.js";
import { replay, type SearchOptions, search, searchToolstacks } from "../../host/search/search.js";
import { States } from "../../host/search/states.js";
import { Dice } from "../fuzz/mutate.js";
import { inRoot } from "../support/root.js";
import { actor } from "./toolstacks.js";

const read = (...path: string[]): Uint8Array => new Uint8Array(readFileSync(inRoot(...path)));
const PAYLOAD = read("images", "payloads", "xsa125.xsplice");
const OTHER = read("images", "payloads", "callers.xsplice");
const TODAY = read("tests", "livepatch", "payloads", "copy.livepatch");
const SEED = Number(process.env.SEARCH_SEED ?? 1);

const boot = (options: MachineOptions = {}) =>
  createMachine({ cpus: 2, workload: "storm", ...options });

describe("all schedules within a bound", () => {
  const cases: readonly (readonly [string, MachineOptions, SearchOptions])[] = [
    ["2 CPUs, 2 preemptions, apply", {}, { bound: 2 }],
    ["2 CPUs, 2 preemptions, revert and unload", {}, { actions: ["revert", "unload"] }],
    ["3 CPUs, 1 preemption", { cpus: 3 }, { bound: 1 }],
    ["guests of every kind", { cpus: 3, workload: "mixed" }, { bound: 1 }],
    ["a guest that hardly ever comes by", { workload: "spin" }, { bound: 1 }],
    ["CPUs that sleep", { workload: "block" }, { bound: 1 }],
    ["two payloads at once", {}, { bound: 1, meanwhile: { payload: OTHER, actions: ["apply"] } }],
    ["apply and revert of one payload", {}, { bound: 1, meanwhile: { actions: ["revert"] } }],
    ["an NMI at any moment (R223)", {}, { bound: 1, happenings: [{ kind: "nmi", cpu: 1 }] }],
    ["a CPU goes (R222)", { cpus: 2 }, { bound: 0, happenings: [{ kind: "offline", cpu: 1 }] }],
    ["frames instead of words", { stackWalk: "frames" }, { bound: 1 }],
  ];
  for (const [name, options, how] of cases) {
    test(`${name}: no invariant is broken`, async () => {
      const found = await search(await boot(options), PAYLOAD, how);
      assert.equal(found.failure, undefined);
      assert.ok(found.schedules > 20 && !found.cut && found.unfinished === 0, `${found.schedules}`);
    });
  }

  test("a payload of today's format, and one of each format at once", async () => {
    const alone = await search(await boot(), TODAY, {
      actions: ["apply", "revert", "unload"],
      bound: 1,
    });
    assert.equal(alone.failure, undefined);
    assert.ok(alone.schedules > 20 && alone.unfinished === 0);
    const meanwhile = { payload: PAYLOAD, actions: ["apply"] } as const;
    const both = await search(await boot(), TODAY, { meanwhile, bound: 1 });
    assert.equal(both.failure, undefined);
    assert.ok(both.schedules > 20 && both.unfinished === 0);
  });

  test("on top of a payload, in place of one, and two that meet in one function", async () => {
    const sample = (name: string) => read("images", "payloads", `${name}.xsplice`);
    for (const [under, over] of [
      ["stack-1", "stack-2"],
      ["cumulative-v1", "cumulative-v2"],
      ["overlap-1", "overlap-2"],
    ] as const) {
      const how = { stack: [sample(under)], actions: ["apply", "revert"], bound: 1 } as const;
      const found = await search(await boot(), sample(over), how);
      assert.equal(found.failure, undefined, `${over} over ${under}`);
      assert.ok(found.schedules > 20 && found.unfinished === 0);
    }
  });

  test("what comes of two toolstacks that meet is told, each with how often", async () => {
    const meanwhile = { actions: ["unload"] } as const;
    const { outcomes } = await search(await boot(), PAYLOAD, { bound: 1, meanwhile });
    const seen = Object.keys(outcomes).sort();
    assert.deepEqual(seen, ["-ENOENT and done", "APPLIED and -EBUSY", "APPLIED and -EINVAL"]);
    assert.ok(Object.values(outcomes).every((count) => count > 0));
  });

  test("an action that the format has not is refused: unknown-cmd", async () => {
    await assert.rejects(search(await boot(), PAYLOAD, { actions: ["replace"] }), {
      reason: "unknown-cmd",
    });
    await assert.rejects(search(await boot(), TODAY, { actions: ["check"] }), {
      reason: "unknown-cmd",
    });
  });

  test("the same search finds the same numbers", async () => {
    const numbers = async () => {
      const { schedules, states } = await search(await boot(), PAYLOAD, { bound: 1 });
      return { schedules, states };
    };
    assert.deepEqual(await numbers(), await numbers());
  });
});

describe("large steps hide nothing", () => {
  /** What comes of an APPLY and something else at once, over all schedules. */
  async function outcomes(cmd: number, granularity: SearchOptions): Promise<string[]> {
    const machine = await boot();
    const seen = new Set<string>();
    const ids = await actor.load(machine, PAYLOAD);
    const found = searchToolstacks(
      machine,
      () => [actor.asks(ids, abi.XSPLICE_ACTION_APPLY), actor.asks(ids, cmd)],
      { schedules: 1_000_000, ...granularity },
      (places) => {
        const of = places.map(({ answers }) => answers.map(({ rc, status }) => `${rc}/${status}`));
        const patched = machine.map().length;
        seen.add(`${of.join(" ")} ${patched}`);
        return undefined;
      },
    );
    assert.ok(!found.cut);
    return [...seen].sort();
  }

  for (const [name, cmd] of [
    ["UNLOAD", abi.XSPLICE_ACTION_UNLOAD],
    ["REVERT", abi.XSPLICE_ACTION_REVERT],
    ["CHECK", abi.XSPLICE_ACTION_CHECK],
  ] as const) {
    test(`APPLY and ${name}: the outcomes are those of single instructions`, async () => {
      const single = { bound: 1, stepInstructions: 1, turn: 400, steps: 40_000 };
      const small = await outcomes(cmd, single);
      // A turn ends elsewhere, which is as good as one more preemption.
      const large = await outcomes(cmd, { bound: 2 });
      assert.deepEqual(
        small.filter((outcome) => !large.includes(outcome)),
        [],
      );
      assert.ok(small.length >= 2, `both orders matter: ${small}`);
    });
  }
});

describe(`checkpoints, seed ${SEED}`, () => {
  test("a rollback leaves the machine byte for byte as it was", async () => {
    const machine = await boot({ cpus: 3, workload: "mixed" });
    const id = await actor.load(machine, PAYLOAD);
    const moves = machine.schedules();
    const dice = new Dice(SEED);
    machine.inside((core) => {
      const whole = () =>
        Buffer.from(core.memory().subarray(0, core.invoke("hv_used_end") >>> 0)).toString("latin1");
      core.invoke("hv_watch", 1);
      const checkpoints = new Checkpoints(core);
      const walk = (steps: number): void => {
        for (let i = 0; i < steps; i++) moves.stepVisibly(dice.below(3), 1 + dice.below(600));
      };
      for (let round = 0; round < 12; round++) {
        walk(dice.below(200));
        const here = checkpoints.take();
        const before = { bytes: whole(), hash: moves.hash() };
        actor.act(
          machine,
          id,
          round % 2 === 0 ? abi.XSPLICE_ACTION_APPLY : abi.XSPLICE_ACTION_CHECK,
        );
        walk(dice.below(2000));
        assert.notEqual(moves.hash(), before.hash);
        checkpoints.rollback(here);
        assert.ok(whole() === before.bytes, `round ${round}`);
        assert.equal(moves.hash(), before.hash);
      }
      core.invoke("hv_watch", 0);
    });
  });
});

describe("limits", () => {
  test("--schedules ends the search, and says so", async () => {
    const { schedules, cut } = await search(await boot(), PAYLOAD, { schedules: 10 });
    assert.ok(cut);
    assert.equal(schedules, 10);
  });

  test("a schedule that is not over in so many steps is left to the machine", async () => {
    const { unfinished, failure } = await search(await boot(), PAYLOAD, { steps: 8, bound: 1 });
    assert.ok(unfinished > 0);
    assert.equal(failure, undefined);
  });

  test("without the deadline it is found that it never ends: late (R193)", async () => {
    // Nobody comes to the patch point: CPU 1 is in a loop of the hypervisor.
    const machine = await boot({ workload: "mixed" });
    actor.endless(machine);
    const options = { steps: 40, bound: 0, timeMs: 1, withoutGuards: abi.GUARD_DEADLINE };
    const { failure } = await search(machine, PAYLOAD, options);
    assert.equal(failure?.invariant, "late");
  });

  test("what the table of states has no room for is refused", async () => {
    await assert.rejects(search(await boot(), PAYLOAD, { bound: 128 }), RangeError);
    await assert.rejects(search(await boot(), PAYLOAD, { turn: 65_536 }), RangeError);
  });

  test("a machine without guests is refused: no-guests", async () => {
    await assert.rejects(search(await createMachine({ cpus: 2 }), PAYLOAD), (error: XenError) => {
      assert.ok(error instanceof XenError);
      assert.equal(error.reason, "no-guests");
      return true;
    });
  });

  test("a payload that is refused before anything begins", async () => {
    const broken = PAYLOAD.slice();
    broken[4] = 1;
    await assert.rejects(search(await boot(), broken), { reason: "elf-unsupported-class" });
  });

  test("progress is told", async () => {
    const told: number[] = [];
    const onProgress = ({ schedules }: { schedules: number }) => told.push(schedules);
    await search(await boot(), PAYLOAD, { bound: 1, onProgress });
    assert.ok(told.length > 1);
  });
});

describe("schedules as text", () => {
  test("what is printed is read again", () => {
    const text = "3:1 17:nmi-0 20:offline-2 31:0";
    const schedule = parseSchedule(text);
    assert.ok(schedule);
    assert.equal(formatSchedule(schedule), text);
    assert.deepEqual(parseSchedule(""), []);
  });

  for (const text of [
    "1",
    "a:1",
    "3:1 3:0",
    "4:1 2:0",
    "1:nmi",
    "1:nmi-",
    "-1:0",
    "1:1:1",
    "1:x-1",
  ]) {
    test(`"${text}" is none`, () => assert.equal(parseSchedule(text), undefined));
  }

  test("any schedule replays, twice the same", async () => {
    const follow = async (): Promise<string> => {
      const steps: string[] = [];
      const onStep = ({ cpu, why }: { cpu: number; why: number }) => steps.push(`${cpu}/${why}`);
      const schedule = parseSchedule("2:1 9:nmi-0 10:0 14:1 40:0") ?? [];
      const broken = await replay(await boot(), PAYLOAD, schedule, { onStep });
      assert.equal(broken, undefined);
      return steps.join(" ");
    };
    const steps = await follow();
    assert.ok(steps.split(" ").length > 20, steps);
    assert.equal(await follow(), steps);
  });
});

describe("the table of states", () => {
  test("knows what it was told, with as many preemptions left or fewer", () => {
    const states = new States();
    const key = (i: number): bigint => BigInt.asUintN(64, BigInt(i) * 0x9e3779b97f4a7c15n + 1n);
    for (let i = 0; i < 50_000; i++) assert.equal(states.note(key(i), 1), "new");
    assert.equal(states.size, 50_000);
    for (let i = 0; i < 50_000; i++) {
      assert.equal(states.note(key(i), i % 2), "again", "it is being followed");
      states.close(key(i));
      assert.equal(states.note(key(i), i % 2), "known");
      if (i % 3 === 0) assert.equal(states.note(key(i), 2), "new");
      states.close(key(i));
      assert.equal(states.note(key(i), 2), i % 3 === 0 ? "known" : "new");
    }
    assert.equal(states.size, 50_000);
    assert.ok(!states.full);
  });
});
