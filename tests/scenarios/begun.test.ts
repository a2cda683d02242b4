// Hypercalls that are begun and not waited for: they are made by a guest's `syscall`, run in turns
// with everybody else's work, and their results wait (R92, R113, and "dom0's toolstack calls run on
// a CPU like any other hypercall").

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine } from "../../host/create.js";
import type { Machine } from "../../host/machine.js";

const XEN_VERSION = abi.HYPERVISOR_XEN_VERSION;
const SCHED_OP = 29;

async function boot(workload = "storm"): Promise<Machine> {
  const machine = await createMachine({ cpus: 2, workload, seed: 3 });
  machine.run({ ns: 20_000n });
  return machine;
}

/** Begins on CPU 1 as soon as that is possible. */
function begin(machine: Machine, nr: number, args: readonly (number | Uint8Array)[] = []) {
  for (let turns = 0; turns < 1000; turns++) {
    const begun = machine.begin(nr, args, { cpu: 1 });
    if (begun) return begun;
    machine.run({ instructions: 50n });
  }
  return assert.fail("CPU 1 is never free");
}

describe("a begun hypercall", () => {
  test("gives what a waited-for one gives, and its CPU goes on with its guest", async () => {
    const machine = await boot();
    const [mine, theirs] = [new Uint8Array(1024), new Uint8Array(1024)];
    machine.hypercall("xen_version", [1, theirs]);
    const begun = begin(machine, XEN_VERSION, [1, mine]);
    assert.equal(begun.collect(), undefined, "nothing of it has been executed");
    machine.run({ ns: 20_000n });
    const result = begun.collect();
    assert.deepEqual([result?.stop, result?.rax, result?.cpu], ["return", 0n, 1]);
    assert.deepEqual(mine, theirs);
    assert.ok((result?.instructions ?? 0n) > 100n);
    const before = machine.stacks().map(({ retired }) => retired);
    machine.run({ ns: 20_000n });
    for (const { retired, cpu } of machine.stacks()) assert.ok(retired > (before[cpu] ?? 0n));
    assert.equal(machine.schedules().violation(), undefined);
  });

  test("is executed instruction by instruction, from the entry to the return", async () => {
    const machine = await boot();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    const seen: string[] = [];
    while (!begun.collect()) {
      const [symbol = ""] = machine.stacks()[1]?.symbol?.split("+") ?? [];
      if (!seen.includes(symbol)) seen.push(symbol);
      assert.ok(machine.schedules().step(1, 1));
    }
    assert.deepEqual(seen, [
      "", // the domain's own code: `syscall`
      "lstar_enter",
      "do_xen_version",
      "xen_major_version",
      "xen_minor_version",
      "test_all_events",
      "restore_all_guest",
    ]);
  });

  test("leaves the guest of its CPU as if nothing had been", async () => {
    const [machine, other] = [await boot("deep"), await boot("deep")];
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    while (!begun.collect()) machine.schedules().step(1, 64);
    // A guest that counts its rounds in r12 and sums up its answers in r13.
    const sumAfter = (m: Machine, rounds: bigint): bigint => {
      for (let i = 0; i < 1_000_000; i++) {
        const { state, registers = [] } = m.stacks()[1] ?? {};
        if (state === "guest" && (registers[12] ?? 0n) >= rounds) return registers[13] ?? 0n;
        m.schedules().step(1, 1);
      }
      return assert.fail("it does not come so far");
    };
    assert.equal(sumAfter(machine, 20n), sumAfter(other, 20n));
  });

  test("survives a snapshot in the middle, with the same bytes afterwards", async () => {
    const machine = await boot();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    for (let i = 0; i < 40; i++) machine.schedules().step(1, 1);
    const other = await createMachine({ snapshot: machine.snapshot() });
    machine.run({ ns: 5_000n });
    other.run({ ns: 5_000n });
    assert.ok(Buffer.compare(machine.snapshot(), other.snapshot()) === 0);
    assert.equal(begun.collect()?.rax, 0x40006n);
  });

  test("decides how the machine goes on, so the hash of schedules knows it", async () => {
    const machine = await boot();
    const before = machine.schedules().hash();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    assert.notEqual(machine.schedules().hash(), before);
    while (!begun.collect()) machine.schedules().step(1, 8);
  });

  test("a run without a bound goes on until it has ended", async () => {
    const machine = await boot();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    machine.run();
    assert.equal(begun.collect()?.rax, 0x40006n);
  });

  test("may block, and wakes when something happens", async () => {
    const machine = await boot("idle");
    const begun = begin(machine, SCHED_OP, [1, 0]);
    machine.run({ ns: 50_000n });
    assert.equal(begun.collect(), undefined, "it sleeps");
    machine.run({ ns: 1_000_000_000n });
    assert.equal(begun.collect()?.rax, 0n);
  });

  test("one at a time on a CPU, and its result is there once", async () => {
    const machine = await boot();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    assert.equal(machine.begin(XEN_VERSION, [0, 0], { cpu: 1 }), undefined);
    machine.run();
    assert.equal(machine.begin(XEN_VERSION, [0, 0], { cpu: 1 }), undefined, "not collected yet");
    assert.ok(begun.collect());
    assert.equal(
      machine.inside((core) => core.invoke("hv_collect", 1)),
      -abi.ENOENT,
    );
    begin(machine, XEN_VERSION, [0, 0]);
  });

  test("its result stays when the CPU goes and comes back meanwhile (R222)", async () => {
    const machine = await boot();
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    machine.setOnline(1, false);
    machine.setOnline(1, true);
    assert.equal(begun.collect()?.rax, 0x40006n);
  });

  test("is refused where CPUs only work when they are called: no-guests", async () => {
    const machine = await createMachine({ cpus: 2 });
    assert.throws(() => machine.begin(XEN_VERSION, [0, 0], { cpu: 1 }), {
      errno: "EOPNOTSUPP",
      reason: "no-guests",
    });
  });

  test("a fault of the hypervisor ends it, and the CPU stands where it happened", async () => {
    const machine = await boot();
    machine.write("do_xen_version", new Uint8Array([0x0f, 0x0b]));
    const begun = begin(machine, XEN_VERSION, [0, 0]);
    for (let i = 0; i < 100; i++) machine.schedules().step(1, 1);
    assert.equal(begun.collect()?.fault?.vector, "#UD");
    assert.equal(machine.schedules().violation()?.invariant, "hypervisor-fault");
  });
});
