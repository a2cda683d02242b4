// The search on Debian's Xen: its own hypercalls on two CPUs, payloads of both formats, both patch
// points, and what is found without a guard.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { Machine } from "../../host/machine.js";
import { replay, search } from "../../host/search/search.js";
import { replacing, returning, skip, xenSyms } from "../entries/support.js";
import { unpackPayloads } from "../livepatch/corpus.js";

const boot = (options: MachineOptions = {}): Promise<Machine> =>
  createMachine({ image: xenSyms(), cpus: 2, workload: "storm", ...options });

/** The RFC's format. */
const extra = (machine: Machine): Uint8Array =>
  replacing(machine, "xen_extra_version", returning(".7-patched"));

describe("schedules of Debian's Xen", { skip }, () => {
  const corpus = unpackPayloads();
  const hello = corpus.read("base/hello.livepatch");
  const hooks = corpus.read("base/hooks.livepatch");
  after(() => corpus.remove());

  for (const [name, options] of [
    ["before guests are entered", {}],
    ["three CPUs", { cpus: 3 }],
    ["walking frames", { stackWalk: "frames" }],
  ] as const) {
    test(`${name}: apply, revert and unload of the RFC's format`, async () => {
      const machine = await boot(options);
      const actions = ["apply", "revert", "unload"] as const;
      const bound = machine.info().cpus === 2 ? 1 : 0;
      const found = await search(machine, extra(machine), { actions, bound });
      assert.equal(found.failure, undefined);
      assert.ok(found.schedules > 5 && found.unfinished === 0, JSON.stringify(found));
    });
  }

  test("at the tail of the rendezvous", async () => {
    const machine = await boot({ quiesce: "rendezvous" });
    const found = await search(machine, extra(machine), { bound: 0 });
    assert.equal(found.failure, undefined);
    assert.ok(found.states > 100 && found.unfinished === 0, JSON.stringify(found));
  });

  test("today's format, with hooks, and two payloads at once", async () => {
    const actions = ["apply", "revert", "unload"] as const;
    for (const payload of [hello, hooks]) {
      const found = await search(await boot(), payload, { actions, bound: 1 });
      assert.equal(found.failure, undefined);
      assert.ok(found.schedules > 50 && found.unfinished === 0, JSON.stringify(found));
    }
    const machine = await boot();
    const meanwhile = { payload: extra(machine), actions: ["apply"] } as const;
    const both = await search(machine, corpus.read("base/nop5.livepatch"), { meanwhile, bound: 1 });
    assert.equal(both.failure, undefined);
    assert.equal(both.unfinished, 0);
  });

  test("without the barrier a CPU meets half an instruction; the schedule replays", async () => {
    const options = { bound: 1, withoutGuards: abi.GUARD_BARRIER };
    const machine = await boot();
    const payload = extra(machine);
    const { failure } = await search(machine, payload, options);
    assert.equal(failure?.invariant, "half-written");
    assert.match(machine.symbols.nameOf(failure.violation.va) ?? "", /^xen_extra_version/);
    const again = await replay(await boot(), payload, failure.schedule, options);
    assert.deepEqual(again, failure.violation);
  });
});
