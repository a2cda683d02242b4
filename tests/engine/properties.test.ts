// Random lives of random payloads: uploaded, checked, applied, reverted, unloaded in any order,
// over the same few functions, with and without old code. Whatever is accepted or refused: memory
// is the image with the applied payloads laid over it in their order, a refusal changes nothing,
// and when all are gone the machine is what it was at the start (R212-R214, A14).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { XenError } from "../../host/index.js";
import { hex, inline, type PayloadSpec, type Place, trampoline } from "./payload.js";
import { APPLIED, Bench } from "./support.js";

const FUNCTIONS = [
  { name: "check_even", size: 24 },
  { name: "clamp_request", size: 13 },
  { name: "account_last", size: 12 },
  { name: "account_tick", size: 5 },
  { name: "xen_extra_version", size: 8 },
] as const;

/** A place: which function, what is done to it. */
interface Choice {
  function: number;
  kind: "trampoline" | "inline";
  at: number;
  fill: number;
  /** Carries the code that is in memory when it is uploaded. */
  old: boolean;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  function: fc.nat(FUNCTIONS.length - 1),
  kind: fc.constantFrom("trampoline", "inline"),
  at: fc.nat(6),
  fill: fc.integer({ min: 1, max: 4 }),
  old: fc.boolean(),
});

type Step = "upload" | "check" | "apply" | "revert" | "unload";
type Command = { payload: number; what: Step };
/** What a payload goes through: mostly the way it is meant to go, sometimes a step out of place. */
const steps: fc.Arbitrary<Command[]> = fc
  .record({
    payload: fc.nat(3),
    steps: fc.oneof(
      { arbitrary: fc.constant<Step[]>(["upload", "check", "apply"]), weight: 4 },
      { arbitrary: fc.constant<Step[]>(["revert"]), weight: 3 },
      { arbitrary: fc.constant<Step[]>(["unload", "upload", "check", "apply"]), weight: 2 },
      {
        arbitrary: fc.constantFrom<Step>("upload", "check", "apply", "unload").map((s) => [s]),
        weight: 3,
      },
    ),
  })
  .map(({ payload, steps }) => steps.map((what) => ({ payload, what })));

function place({ function: f, kind, at, fill }: Choice, serial: number): Place {
  const { name, size } = FUNCTIONS[f] as (typeof FUNCTIONS)[number];
  if (kind === "trampoline") {
    const code = hex("b800000000c3");
    code[1] = serial;
    return trampoline(name, size, code);
  }
  return inline(name, size, at, new Uint8Array(fill).fill(0x90));
}

function specOf(b: Bench, choices: Choice[], serial: number): PayloadSpec {
  const places = choices.map((c) => place(c, serial));
  const old = choices.flatMap((c) => {
    const { name, size } = FUNCTIONS[c.function] as (typeof FUNCTIONS)[number];
    return c.old ? [inline(name, size, 0, b.machine.read(name, size).slice())] : [];
  });
  return old.length > 0 ? { name: `p${serial}`, places, old } : { name: `p${serial}`, places };
}

/** The image with everything that map() tells laid over it, in the order of application. */
function expected(b: Bench, pristine: Uint8Array, offsetOf: (va: bigint) => number): Uint8Array {
  const bytes = pristine.slice();
  const places = [...b.machine.map()].sort((x, y) => Number(x.order - y.order));
  for (const one of places) {
    const at = offsetOf(one.va);
    assert.deepEqual(
      bytes.slice(at, at + one.size),
      one.old,
      "a place records what was beneath it",
    );
    bytes.set(one.new, at);
  }
  return bytes;
}

async function perform(
  b: Bench,
  { payload, what }: Command,
  spec: () => PayloadSpec,
): Promise<boolean> {
  const id = `p${payload}`;
  try {
    if (what === "upload") await b.upload(id, spec());
    else if (what === "check") await b.xc.checkAndWait(id);
    else if (what === "apply") await b.xc.applyAndWait(id);
    else if (what === "revert") await b.xc.revertAndWait(id);
    else await b.xc.unload(id);
    return true;
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    assert.notEqual(error.reason, "none", "every refusal has a reason");
    return false;
  }
}

describe("random lives", () => {
  test("memory is always the image and the applied payloads, in order", async () => {
    let accepted = 0;
    let refusedCount = 0;
    let stacked = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(choice, { minLength: 1, maxLength: 3 }), { minLength: 4, maxLength: 4 }),
        fc.array(steps, { minLength: 8, maxLength: 24 }),
        async (payloads, lives) => {
          const b = await Bench.boot();
          const base = 0xffff82d080113000n;
          const read = (): Uint8Array => b.machine.read(base, 4096).slice();
          const offsetOf = (va: bigint): number => Number(va - base);
          const pristine = read();
          const empty = b.machine.stateHash();
          for (const one of lives.flat()) {
            const before = read();
            const choices = payloads[one.payload] as Choice[];
            const done = await perform(b, one, () => specOf(b, choices, one.payload));
            if (done) accepted++;
            else refusedCount++;
            if (!done || (one.what !== "apply" && one.what !== "revert")) {
              assert.deepEqual(read(), before, `${one.what} changes no code`);
            }
            assert.deepEqual(read(), expected(b, pristine, offsetOf));
            const applied = new Set(b.machine.map().map((p) => p.owner));
            if (applied.size > 1) stacked++;
          }
          // Everything off again, newest first.
          for (;;) {
            const live = [...b.machine.payloads()].filter((p) => p.order > 0n);
            if (live.length === 0) break;
            live.sort((x, y) => Number(y.order - x.order));
            const newest = live[0] as (typeof live)[number];
            await b.xc.revertAndWait(newest.id);
            assert.notEqual(await b.status(newest.id), APPLIED);
          }
          assert.deepEqual(read(), pristine);
          for (const { id } of await b.xc.listAll()) await b.xc.unload(id);
          assert.equal(b.machine.stateHash(), empty);
        },
      ),
      { numRuns: 60 },
    );
    // fast-check prints the seed of a failure; these make sure that something was tried at all.
    assert.ok(
      accepted > 300 && refusedCount > 100 && stacked > 50,
      `${accepted} ${refusedCount} ${stacked}`,
    );
  });
});
