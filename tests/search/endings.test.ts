// What the search asks at the end of a schedule, and the end of an action's time at any moment.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine } from "../../host/create.js";
import { formatHappening, parseHappening } from "../../host/search/schedule.js";
import { replay, type SearchOptions, search } from "../../host/search/search.js";
import { type Answer, hashPlaces, type Places, stuckWork } from "../../host/search/toolstack.js";
import { hex } from "../engine/payload.js";
import { replacing } from "../entries/support.js";
import { inRoot } from "../support/root.js";

const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(inRoot("images", "payloads", `${name}.xsplice`)));
const PAYLOAD = sample("xsa125");
const boot = () => createMachine({ cpus: 2, workload: "storm" });

describe("R193, R117: the time is over at any moment", () => {
  const meanwhile = { payload: sample("callers"), actions: ["apply"] } as const;
  const options: SearchOptions = { bound: 1, happenings: [{ kind: "late", cpu: 0 }], meanwhile };

  test("no schedule breaks an invariant, whoever waits goes on", async () => {
    const found = await search(await boot(), PAYLOAD, options);
    assert.equal(found.failure, undefined);
    assert.ok(found.schedules > 1000 && !found.cut && found.unfinished === 0);
  });

  test("without the release nobody goes on: never-ends, and the schedule replays", async () => {
    const without = { ...options, withoutGuards: abi.GUARD_RELEASE };
    const { failure } = await search(await boot(), PAYLOAD, without);
    assert.equal(failure?.invariant, "never-ends");
    assert.ok(failure.schedule.some((choice) => "happens" in choice));
    const again = await replay(await boot(), PAYLOAD, failure.schedule, without);
    assert.deepEqual(again, failure.violation);
  });

  test("where nothing has a time nothing happens", async () => {
    const found = await search(await boot(), PAYLOAD, { ...options, bound: 0, timeMs: 0 });
    assert.equal(found.failure, undefined);
  });

  test("as text", () => {
    const late = parseHappening("late");
    assert.deepEqual(late, { kind: "late", cpu: 0 });
    assert.equal(formatHappening(late), "late");
    assert.equal(parseHappening("late-1"), undefined);
  });
});

describe("code that never comes back", () => {
  for (const [name, code] of [
    ["turns on the spot", "ebfe"], // jmp to itself
    ["counts for ever", "48ffc0ebfb"], // 1: inc %rax; jmp 1b
    ["waits with interrupts off", "faf4"], // cli; hlt
  ] as const) {
    test(`a payload that ${name}: stuck, with the CPU and where it is`, async () => {
      const machine = await boot();
      const payload = replacing(machine, "do_xen_version", hex(code));
      const { failure } = await search(machine, payload, { bound: 0 });
      assert.equal(failure?.invariant, "stuck");
      const { baseVa = 0n } = machine.payloads()[0] ?? {};
      const { va } = failure.violation;
      assert.ok(va >= baseVa && va < baseVa + 64n, `${va.toString(16)} is in the new code`);
      const again = await replay(await boot(), payload, failure.schedule, { bound: 0 });
      assert.deepEqual(again, failure.violation);
    });
  }
});

describe("where toolstacks are", () => {
  const answer = (version: number): Answer => ({ rc: 0, sysctl: new Uint8Array([version]) });
  const at = (...answers: Answer[]): Places => [{ phase: "calling", answers }];

  test("answers differ in what was copied back too: the next request follows from it", () => {
    assert.notEqual(hashPlaces(at(answer(1)), 0), hashPlaces(at(answer(2)), 0));
    assert.equal(hashPlaces(at(answer(1)), 0), hashPlaces(at(answer(1)), 0));
  });

  test("so do states in which other things may still happen, however many there are", () => {
    const seen = new Set(Array.from({ length: 30 }, (_, i) => hashPlaces(at(), 1 << i)));
    assert.equal(seen.size, 30);
  });

  test("more happenings than that are refused", async () => {
    const happenings = Array.from({ length: 31 }, () => ({ kind: "nmi", cpu: 1 }) as const);
    await assert.rejects(search(await boot(), PAYLOAD, { happenings }), RangeError);
  });

  test("stuck is who has no answer and had none before", () => {
    assert.equal(stuckWork(at(), at())?.invariant, "never-ends");
    assert.equal(stuckWork(at(), at(answer(1))), undefined);
    assert.equal(stuckWork(at(), [{ phase: "done", answers: [] }]), undefined);
  });
});
