// Properties over orders (R130, R198, R199, R212-R214, A7): whatever is applied, stacked,
// overlapped and taken back in whatever order, a legal step does what it says, an illegal one
// is refused with the right reason and changes nothing, and when all are gone the machine is as
// it was. A failure prints its seed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as abi from "../../host/abi.js";
import { XenError } from "../../host/index.js";
import type { Place } from "../engine/payload.js";
import { APPLIED, Bench, CHECKED, LOADED, REVERTED, sample } from "../engine/support.js";

const ACTIONS = ["check", "apply", "revert", "unload"] as const;
type Action = (typeof ACTIONS)[number];

/** A7: from which states an action goes. An error counts as the state before it (K45). */
const LEGAL: Record<Action, readonly number[]> = {
  check: [LOADED, CHECKED],
  apply: [CHECKED, REVERTED],
  revert: [APPLIED],
  unload: [LOADED, CHECKED, REVERTED],
};
const AFTER = { check: CHECKED, apply: APPLIED, revert: REVERTED, unload: 0 } as const;

/** Reasons for which a legal action on one payload may fail because of the others. */
const CONFLICTS: Record<Action, RegExp> = {
  check: /^(already-patched|old-code|dependency|build-id)$/,
  apply: /^(already-patched|old-code|dependency|build-id)$/,
  revert: /^not-top$/,
  unload: /^still-referenced$/,
};

async function attempt(b: Bench, id: string, action: Action): Promise<string> {
  const { xc } = b;
  const work = {
    check: () => xc.checkAndWait(id),
    apply: () => xc.applyAndWait(id),
    revert: () => xc.revertAndWait(id),
    unload: () => xc.unload(id),
  }[action];
  try {
    await work();
    return "done";
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    return error.reason;
  }
}

/** The action of each payload that failed last. */
const lastFailed = new Map<string, Action>();

/** State as A7 counts it: behind an error the one before; after a failed CHECK, LOADED. */
const stateOf = (b: Bench, id: string): number => {
  const record = b.machine.payloads().find((p) => p.id === id);
  assert.ok(record);
  if (record.status >= 0) return record.status;
  return lastFailed.get(id) === "check" ? LOADED : record.oldStatus;
};

/** One step on a payload: judged by the table, and by what it left. */
async function step(b: Bench, id: string, action: Action): Promise<void> {
  const state = stateOf(b, id);
  const image = b.image();
  const hash = b.machine.stateHash();
  const map = b.machine.map();
  const outcome = await attempt(b, id, action);
  const what = `${action} of ${id} in 0x${state.toString(16)}: ${outcome}`;
  if (!LEGAL[action].includes(state)) {
    assert.match(outcome, /^(wrong-state|still-applied)$/, what);
    assert.equal(b.machine.stateHash(), hash, what);
    return;
  }
  if (outcome !== "done") {
    lastFailed.set(id, action);
    assert.match(outcome, CONFLICTS[action], what);
    assert.deepEqual([b.image(), b.machine.map()], [image, map], what);
    assert.equal(stateOf(b, id), action === "check" ? LOADED : state, `${what}: K45`);
    return;
  }
  if (action === "unload")
    assert.ok(
      b.machine.payloads().every((p) => p.id !== id),
      what,
    );
  else assert.equal(stateOf(b, id), AFTER[action], what);
  if (action === "check") assert.deepEqual(b.image(), image, what);
  // R130: one state, never a sum of several
  const states = [LOADED, CHECKED, APPLIED, REVERTED];
  for (const { status } of b.machine.payloads()) assert.ok(status < 0 || states.includes(status));
}

/** Takes everything off, the newest first, and lets it go. */
async function clear(b: Bench): Promise<void> {
  const applied = b.machine.payloads().filter(({ order }) => order > 0n);
  for (const { id } of applied.sort((x, y) => Number(y.order - x.order))) {
    assert.equal(await attempt(b, id, "revert"), "done", `the newest, ${id}, can go`);
  }
  for (const { id } of b.machine.payloads())
    assert.equal(await attempt(b, id, "unload"), "done", id);
}

/** Samples that touch nothing in common. */
const APART = [
  "xsa125",
  "inline-text",
  "nop-out",
  "jump-table",
  "endbr",
  "tail-padding",
  "string-new",
  "ex-table",
  "new-data",
];

/** Samples that meet on account_tick and account_last, stack or replace each other, and others. */
const MEETING = [
  "old-exact",
  "old-relaxed",
  "new-data",
  "callers",
  "cumulative-v1",
  "cumulative-v2",
  "stack-1",
  "stack-2",
  "overlap-1",
  "overlap-2",
  "xsa125",
  "rfc-example",
  "pointer-table",
];

describe("orders", () => {
  test("what is apart may come and go in any order", async () => {
    const orders = fc.tuple(
      fc.shuffledSubarray(APART, { minLength: 2 }),
      fc.infiniteStream(fc.nat(1 << 30)),
    );
    const property = fc.asyncProperty(orders, async ([names, choices]) => {
      const b = await Bench.boot();
      const image = b.image();
      const empty = b.machine.stateHash();
      for (const name of names) await b.load(name, sample(name));
      const left = [...names];
      for (const choice of choices) {
        const [name] = left.splice(choice % left.length, 1);
        assert.equal(await attempt(b, name as string, "revert"), "done");
        assert.equal(await attempt(b, name as string, "unload"), "done");
        if (left.length === 0) break;
      }
      assert.deepEqual(b.image(), image);
      assert.equal(b.machine.stateHash(), empty);
    });
    await fc.assert(property, { numRuns: 25, includeErrorInReport: true });
  });

  test("random steps on payloads that meet: refused or done, and all of it undone", async () => {
    const steps = fc.array(
      fc.tuple(fc.nat(5), fc.constantFrom(...ACTIONS.slice(0, 3), "check", "apply", "unload")),
      { minLength: 10, maxLength: 40 },
    );
    const names = fc.shuffledSubarray(MEETING, { minLength: 6, maxLength: 6 });
    const property = fc.asyncProperty(names, steps, async (chosen, walk) => {
      const b = await Bench.boot();
      const image = b.image();
      const empty = b.machine.stateHash();
      for (const name of chosen) await b.upload(name, sample(name));
      for (const [index, action] of walk) {
        const id = chosen[index] as string;
        if (b.machine.payloads().some((p) => p.id === id)) await step(b, id, action as Action);
        else await b.upload(id, sample(id));
      }
      await clear(b);
      assert.deepEqual(b.image(), image);
      assert.equal(b.machine.stateHash(), empty);
    });
    await fc.assert(property, { numRuns: 40, includeErrorInReport: true });
  });
});

/** `size` bytes of the banner from `at` on become `fill`; with `old`: if they are as now. */
function stripe(b: Bench, at: number, size: number, fill: number, old: boolean) {
  const whole = Number(b.machine.symbols.find("console_banner")[0]?.size);
  const place = (content: Uint8Array): Place => ({
    type: abi.XSPLICE_PATCH_INLINE_DATA,
    symbol: "console_banner",
    size: whole,
    flags: abi.XSPLICE_SECTION_RODATA | abi.XSPLICE_SECTION_STRING,
    target: BigInt(at),
    at: BigInt(at),
    inside: "rodata",
    content,
  });
  const now = b.machine.read(`console_banner+${at}`, size).slice();
  const name = `s${fill}`;
  return {
    name,
    places: [place(new Uint8Array(size).fill(fill))],
    ...(old ? { old: [place(now)] } : {}),
  };
}

interface Live {
  readonly id: string;
  readonly at: number;
  readonly end: number;
  readonly before: Uint8Array;
}

const meets = (x: { at: number; end: number }, y: { at: number; end: number }): boolean =>
  x.at < y.end && y.at < x.end;

describe("overlaps", () => {
  test("R199, R214: stripes over one string; only the topmost comes off", async () => {
    const length = 24;
    const move = fc.record({
      at: fc.nat(length - 1),
      size: fc.integer({ min: 1, max: 8 }),
      old: fc.boolean(),
      revert: fc.boolean(),
      which: fc.nat(1 << 20),
    });
    const seen = new Map<string, number>();
    const count = (what: string): Map<string, number> => seen.set(what, (seen.get(what) ?? 0) + 1);
    const property = fc.asyncProperty(fc.array(move, { maxLength: 24 }), async (moves) => {
      const b = await Bench.boot();
      const image = b.image();
      const empty = b.machine.stateHash();
      const live: Live[] = [];
      const text = () => b.machine.read("console_banner", length + 8).slice();
      let next = 1;
      for (const { at, size, old, revert, which } of moves) {
        if (revert && live.length > 0) {
          const index = which % live.length;
          const one = live[index] as Live;
          const covered = live.slice(index + 1).some((later) => meets(one, later));
          const shown = text();
          const outcome = await attempt(b, one.id, "revert");
          count(`revert ${outcome}`);
          assert.equal(outcome, covered ? "not-top" : "done");
          if (covered) assert.deepEqual(text(), shown);
          else {
            assert.deepEqual(text().slice(one.at, one.end), one.before);
            live.splice(index, 1);
          }
          continue;
        }
        const end = at + size;
        const id = `s${next}`;
        const shown = text();
        await b.upload(id, stripe(b, at, size, next++, old));
        let outcome = await attempt(b, id, "check");
        if (outcome === "done") outcome = await attempt(b, id, "apply");
        count(`apply ${outcome}`);
        const over = live.some((one) => meets(one, { at, end }));
        if (outcome === "done") {
          assert.ok(old || !over, "only with old code that is what is there");
          assert.deepEqual(text().slice(at, end), new Uint8Array(size).fill(next - 1));
          live.push({ id, at, end, before: shown.slice(at, end) });
        } else {
          assert.equal(outcome, "already-patched");
          assert.ok(over, "nothing is in its way");
          assert.deepEqual(text(), shown);
        }
      }
      await clear(b);
      assert.deepEqual(b.image(), image);
      assert.equal(b.machine.stateHash(), empty);
    });
    await fc.assert(property, { numRuns: 60, includeErrorInReport: true });
    for (const what of ["apply done", "apply already-patched", "revert done", "revert not-top"]) {
      assert.ok((seen.get(what) ?? 0) > 0, `${what} was reached`);
    }
  });
});
