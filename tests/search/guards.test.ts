// The races of section E of the requirements (what went wrong in Xen's own history), and of the
// RFC's rendezvous, each as a named scenario of the search: no schedule breaks anything, and with
// the guard taken out one does, which replays. Those that need a run of the machine's own scheduler
// are in scenarios/races.test.ts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { Judge } from "../../host/search/ending.js";
import {
  type MakeToolstacks,
  replay,
  type SearchOptions,
  search,
  searchToolstacks,
} from "../../host/search/search.js";
import { XenControl } from "../../host/xc.js";
import { inRoot } from "../support/root.js";
import { asker, listed, lister, uploader } from "./toolstacks.js";

const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(inRoot("images", "payloads", `${name}.xsplice`)));
const PAYLOAD = sample("xsa125");

interface Scenario {
  readonly name: string;
  readonly guard: number;
  readonly breaks: string;
  readonly boot?: MachineOptions;
  readonly options: SearchOptions;
  /** Where finding it takes more preemptions than the test of the guard in place has time for. */
  readonly boundWithout?: number;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "R192, R193: bytes change while every CPU stands at the patch point",
    guard: abi.GUARD_BARRIER,
    breaks: "half-written",
    options: { actions: ["apply"] },
  },
  {
    name: "R192: the same when they change back",
    guard: abi.GUARD_BARRIER,
    breaks: "half-written",
    options: { actions: ["revert"] },
  },
  {
    name: "R218: whoever goes on sees what has changed",
    guard: abi.GUARD_SERIALISE,
    breaks: "stale-code",
    options: { actions: ["apply"] },
  },
  {
    name: "f9bf994d81, K61: UNLOAD while APPLY is scheduled",
    guard: abi.GUARD_BUSY,
    breaks: "lost-work",
    options: { actions: ["apply"], meanwhile: { actions: ["unload"] } },
  },
  {
    name: "ca4cd36682, 005de45c88, R181: REVERT and UNLOAD while stacks are in use",
    guard: abi.GUARD_STACK,
    breaks: "unloaded-code",
    boot: { quiesce: "rendezvous" },
    options: { actions: ["revert", "unload"] },
    boundWithout: 2,
  },
];

const boot = (options: MachineOptions = {}) =>
  createMachine({ cpus: 2, workload: "storm", ...options });

for (const { name, guard, breaks, options, boundWithout = 1, ...more } of SCENARIOS) {
  describe(name, () => {
    test("no schedule with one preemption breaks an invariant", async () => {
      const found = await search(await boot(more.boot), PAYLOAD, { ...options, bound: 1 });
      assert.equal(found.failure, undefined);
      assert.ok(found.schedules > 50 && found.states > 1000, JSON.stringify(found));
      assert.ok(!found.cut && found.unfinished === 0);
    });

    test(`without the guard: ${breaks}, and the schedule replays`, async () => {
      const without = { ...options, bound: boundWithout, withoutGuards: guard };
      const { failure } = await search(await boot(more.boot), PAYLOAD, without);
      assert.equal(failure?.invariant, breaks);
      const again = await replay(await boot(more.boot), PAYLOAD, failure.schedule, without);
      assert.deepEqual(again, failure.violation);
      const kept = { ...without, withoutGuards: 0 };
      const safe = await replay(await boot(more.boot), PAYLOAD, failure.schedule, kept);
      assert.equal(safe, undefined, "the guard is what makes the difference");
    });
  });
}

/** A search that asks what came of each schedule. */
async function judged(guards: number, make: MakeToolstacks, judge: Judge, loaded: string[] = []) {
  const machine = await boot();
  const control = new XenControl(machine);
  for (const name of loaded) await control.upload(name, sample(name));
  return searchToolstacks(machine, make, { bound: 1, withoutGuards: guards }, judge);
}

describe("R226, K60, a946b8de14: two uploads of one id at once", () => {
  const make: MakeToolstacks = (allocate) => [
    uploader("same", sample("xsa125"), allocate),
    uploader("same", sample("callers"), allocate),
  ];
  const judge: Judge = (places) => {
    const won = places.filter(({ answers }) => answers[0]?.rc === 0).length;
    const lost = places.filter(({ answers }) => answers[0]?.rc === -abi.EEXIST).length;
    if (won === 1 && lost === 1) return undefined;
    return { invariant: `${won} uploads won`, cpu: 0, va: 0n };
  };

  test("exactly one wins, in every schedule", async () => {
    const found = await judged(0, make, judge);
    assert.equal(found.failure, undefined);
    assert.ok(found.schedules > 10, JSON.stringify(found));
  });

  test("without the guard both do", async () => {
    const { failure } = await judged(abi.GUARD_UNIQUE, make, judge);
    assert.equal(failure?.invariant, "2 uploads won");
  });
});

describe("4c3ce492ed, R107, R115, K30: the list changes between two calls of LIST", () => {
  const NAMES = ["callers", "new-data", "string-new"];
  const make: MakeToolstacks = (allocate) => [
    lister(allocate),
    asker("callers", abi.XSPLICE_ACTION_UNLOAD),
  ];
  const lists = [NAMES.join(), NAMES.slice(1).join()];
  const judge: Judge = ([place]) => {
    const list = listed(place?.answers ?? []).join();
    return lists.includes(list) ? undefined : { invariant: `lists ${list}`, cpu: 0, va: 0n };
  };

  test("a client sees the list as it was before or after, never a mixture", async () => {
    const seen = new Set<string>();
    const found = await judged(
      0,
      make,
      (places) => {
        seen.add(listed(places[0]?.answers ?? []).join());
        return judge(places);
      },
      NAMES,
    );
    assert.equal(found.failure, undefined);
    assert.deepEqual([...seen].sort(), [...lists].sort());
  });

  test("without a new version for each change it misses an entry", async () => {
    const { failure } = await judged(abi.GUARD_VERSION, make, judge, NAMES);
    assert.equal(failure?.invariant, "lists callers,string-new");
  });
});
