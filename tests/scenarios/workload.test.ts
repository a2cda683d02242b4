// CPUs under load: determinism, both patch points, calls of the host in between, the time
// rendezvous and interrupts (R189-R193, K62).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMachine } from "../../host/create.js";
import { WORKLOADS } from "../../host/workloads.js";
import { cpuStat, ID, working } from "./support.js";

const BUSY = Object.keys(WORKLOADS).filter((name) => name !== "none");

describe("workloads", () => {
  test("the same seed gives the same bytes, another seed others", async () => {
    const run = async (seed: number): Promise<Uint8Array> => {
      const machine = await createMachine({ workload: "mixed", seed });
      machine.run({ ns: 300_000n });
      machine.hypercall("xen_version", [0]);
      return machine.snapshot();
    };
    const [a, b, c] = [await run(5), await run(5), await run(6)];
    assert.ok(Buffer.compare(a, b) === 0);
    assert.ok(Buffer.compare(a, c) !== 0);
  });

  for (const workload of BUSY) {
    for (const quiesce of ["guest-entry", "rendezvous"] as const) {
      test(`${workload}, ${quiesce}: apply, hypercalls, revert, unload`, async () => {
        const { machine, control } = await working({ workload, quiesce, cpus: 4 });
        await control.applyAndWait(ID, { timeMs: 20 });
        assert.equal(machine.map().length, 1);
        assert.equal(machine.hypercall("xen_version", [0]).rax, 0x40006n);
        machine.run({ ns: 100_000n });
        await control.revertAndWait(ID, { timeMs: 20 });
        await control.unload(ID);
        assert.deepEqual(machine.map(), []);
        assert.equal(machine.schedules().violation(), undefined);
      });
    }
  }

  test("a guest that sleeps in the hypervisor never sleeps over a patch", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { machine, control } = await working({ workload: "block", cpus: 4, seed });
      await control.applyAndWait(ID, { timeMs: 1 });
      machine.setOnline(1 + (seed % 3), false);
      assert.equal(machine.map().length, 1, `seed ${seed}`);
    }
  });

  test("256 CPUs come together", async () => {
    const { machine, control } = await working({ cpus: 256 });
    await control.applyAndWait(ID, { timeMs: 20 });
    assert.equal(machine.map().length, 1);
  });

  test("once a virtual second every CPU goes through the time rendezvous (R190)", async () => {
    const machine = await createMachine({ cpus: 3, workload: "idle" });
    machine.run({ ns: 2_500_000_000n });
    for (const cpu of [0, 1, 2]) assert.equal(cpuStat(machine, cpu, 8), 2);
    for (const cpu of [1, 2]) assert.ok(cpuStat(machine, cpu, 12) >= 2);
  });

  test("an IPI reaches CPUs that only work when they are called", async () => {
    const machine = await createMachine({ cpus: 4 });
    assert.equal(machine.call("flush_all_caches").stop, "return");
    for (const cpu of [1, 2, 3]) assert.equal(cpuStat(machine, cpu, 12), 1);
    assert.ok(machine.stacks().every(({ state }) => state === "idle"));
  });

  test("a snapshot goes on where the machine was", async () => {
    const machine = await createMachine({ workload: "storm", seed: 9 });
    machine.run({ ns: 77_777n });
    const other = await createMachine({ snapshot: machine.snapshot() });
    machine.run({ ns: 50_000n });
    other.run({ ns: 50_000n });
    assert.ok(Buffer.compare(machine.snapshot(), other.snapshot()) === 0);
  });
});
