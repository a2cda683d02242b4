// A guest's own fault is the guest's end, not the hypervisor's: its CPU goes on without it, nobody
// else notices, and a guest that faults at once holds nothing off (R224). A fault of the hypervisor
// still stops the run.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../assembly/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { Machine } from "../../host/machine.js";
import { XenControl } from "../../host/xc.js";
import { hex } from "../engine/payload.js";
import { sample } from "../engine/support.js";
import { cpuStat } from "../scenarios/support.js";
import { CPUS } from "./support.js";

const GUEST_TEXT = 0x400000n;
const GUEST_DATA = 0x600000n;
const ID = "fix";

const boot = (options: MachineOptions = {}): Promise<Machine> =>
  createMachine({ cpus: CPUS.length, workload: "storm", ...options });

/** The storm begins with `code` from now on. */
const rewrite = (machine: Machine, code: string): void =>
  machine.write(GUEST_TEXT, hex(code), { domain: 1 });

/** Crashes the guest of one CPU: `cmp $cpu,%ebp; jne +2; ud2; jmp .` */
const crashOnly = (machine: Machine, cpu: number): void =>
  rewrite(machine, `83fd${cpu.toString(16).padStart(2, "0")} 7502 0f0b ebfe`);

const crashes = (machine: Machine) => machine.stacks().map(({ guestCrash }) => guestCrash);

describe("a guest's own fault", () => {
  const FAULTS = [
    ["ud2", "0f0b", "#UD", 0, 0n],
    ["a read of the hypervisor's memory", "48b800001080d082ffff 488b00", "#PF", 5, 10n],
    ["a write where nothing is", "c7042500000000 01000000", "#PF", 6, 0n],
    ["a write to its own code", "c6042500004000 cc", "#PF", 7, 0n],
    ["a jump to nowhere", "6a00 c3", "#PF", 0x14, undefined],
    ["hlt", "f4", "#GP", 0, 0n],
    ["a gate of the hypervisor's", "0f01c1", "#UD", 0, 0n],
    ["int3", "cc", "#BP", 0, 0n],
    ["a division by zero", "31c9 f7f1", "#DE", 0, 2n],
    ["a stack that is not canonical", "48bc0000000000000080 50", "#SS", 0, 10n],
  ] as const;

  for (const [name, code, vector, error, offset] of FAULTS) {
    test(`${name}: ${vector}`, async () => {
      const machine = await boot();
      rewrite(machine, code);
      const { stop } = machine.run({ ns: 100_000n });
      assert.equal(stop, "time");
      const rip = offset === undefined ? 0n : GUEST_TEXT + offset;
      for (const { state, guestCrash, domain } of machine.stacks()) {
        assert.deepEqual([state, domain], ["idle", -1]);
        const { vector: v, error: e, rip: r, domain: d } = guestCrash ?? {};
        assert.deepEqual([v, e, r, d], [vector, error, rip, 1]);
      }
      assert.equal(machine.info().lostGuests, CPUS.length);
      assert.equal(machine.console().filter((line) => /^d1v\d is crashed on/.test(line)).length, 4);
    });
  }

  test("the others go on, and the CPU serves whoever calls it", async () => {
    const machine = await boot();
    while (machine.stacks()[2]?.state !== "guest") machine.run({ ns: 100n });
    assert.ok(machine.interrupt(2, abi.VECTOR_NMI));
    for (let i = 0; i < 100 && cpuStat(machine, 2, 4) === 0; i++) machine.run({ ns: 100n });
    crashOnly(machine, 2);
    machine.run({ ns: 50_000n });
    assert.deepEqual(
      crashes(machine).map((crash) => crash?.vector),
      [undefined, undefined, "#UD", undefined],
    );
    const line = /^d1v2 is crashed on CPU 2: vector 6, error code 0000, rip 0000000000400005,/;
    assert.match(machine.console().join("\n"), line);
    const before = machine.stacks().map(({ retired }) => retired);
    machine.run({ ns: 50_000n });
    machine.stacks().forEach(({ cpu, retired }) => {
      assert.equal(retired > (before[cpu] ?? 0n), cpu !== 2, `CPU ${cpu}`);
    });
    assert.equal(machine.hypercall("xen_version", [0], { cpu: 2 }).rax, 0x40006n);
    assert.equal(machine.stacks()[2]?.state, "idle");
    assert.ok(machine.interrupt(2, abi.VECTOR_NMI));
    machine.run({ ns: 10_000n });
    assert.equal(cpuStat(machine, 2, 4), 2, "an NMI before it, and one after it");
    assert.deepEqual(machine.schedules().violation(), {
      invariant: "guest-crash",
      cpu: 2,
      va: GUEST_TEXT + 5n,
    });
  });

  test("a snapshot keeps it, and so does a CPU that goes and comes back", async () => {
    const machine = await boot();
    crashOnly(machine, 1);
    machine.run({ ns: 50_000n });
    const crash = crashes(machine)[1];
    const other = await createMachine({ snapshot: machine.snapshot() });
    assert.deepEqual(crashes(other)[1], crash);
    assert.equal(other.info().lostGuests, 1);
    other.setOnline(1, false);
    other.setOnline(1, true);
    other.run({ ns: 50_000n });
    assert.deepEqual(crashes(other)[1], crash);
    assert.equal(other.stacks()[1]?.state, "idle");
  });

  for (const image of ["image", "machine"] as const) {
    for (const quiesce of ["guest-entry", "rendezvous"] as const) {
      test(`R224: guests that fault at once hold nothing off (${image}, ${quiesce})`, async () => {
        const machine = await boot({ quiesce, entries: image });
        machine.write(GUEST_TEXT, new Uint8Array(0x400).fill(0xcc), { domain: 1 });
        const control = new XenControl(machine);
        await control.upload(ID, sample("xsa125"));
        await control.checkAndWait(ID);
        const { status } = await control.applyAndWait(ID, { timeMs: 1 });
        assert.equal(status, abi.XSPLICE_STATUS_APPLIED);
        assert.equal(machine.info().lostGuests, CPUS.length);
        await control.revertAndWait(ID, { timeMs: 1 });
        await control.unload(ID);
        assert.deepEqual(machine.map(), []);
      });
    }
  }

  test("of who has begun a hypercall: that ends, and the CPU is none the worse", async () => {
    const machine = await boot();
    machine.run({ ns: 20_000n });
    // The domain's code is gone but for the storm's loop of two instructions.
    machine.write(GUEST_TEXT, new Uint8Array(0x400).fill(0xcc), { domain: 0 });
    rewrite(machine, "49ffc4 ebfb");
    for (let i = 0; i < 100 && machine.stacks()[1]?.state !== "guest"; i++)
      machine.run({ instructions: 50n });
    const begun = machine.begin(17, [0, 0], { cpu: 1 });
    machine.run({ ns: 20_000n });
    const result = begun?.collect();
    assert.deepEqual([result?.stop, result?.fault?.vector], ["fault", "#BP"]);
    assert.ok(crashes(machine).every((crash) => crash === undefined));
    const before = machine.stacks()[1]?.registers[12] ?? 0n;
    machine.run({ ns: 20_000n });
    assert.ok((machine.stacks()[1]?.registers[12] ?? 0n) > before, "its guest goes on");
    assert.equal(machine.schedules().violation(), undefined);
  });

  test("R224: ... nor does one that faults while everybody is called together", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const machine = await boot({ seed });
      machine.run({ ns: 30_000n });
      const control = new XenControl(machine);
      await control.upload(ID, sample("xsa125"));
      await control.checkAndWait(ID);
      await control.apply(ID, { timeMs: 1 });
      crashOnly(machine, seed % 4);
      const { status } = await control.wait(ID);
      assert.equal(status, abi.XSPLICE_STATUS_APPLIED, `seed ${seed}`);
    }
  });
});

describe("a fault of the hypervisor", () => {
  test("stops the run, and is told apart", async () => {
    const machine = await boot({});
    machine.write("do_xen_version", hex("0f0b"));
    assert.equal(machine.run({ ns: 100_000n }).stop, "fault");
    const [broken, ...more] = machine.stacks().filter(({ fault }) => fault);
    assert.deepEqual(more, []);
    assert.deepEqual([broken?.fault?.vector, broken?.symbol], ["#UD", "do_xen_version"]);
    assert.ok(crashes(machine).every((crash) => crash === undefined));
    assert.equal(machine.info().lostGuests, 0);
    assert.equal(machine.schedules().violation()?.invariant, "hypervisor-fault");
  });

  test("also at a guest's pointer that the exception table does not cover", async () => {
    const machine = await boot({});
    // mov (%rsi),%rax; ret: at the guest's address, in ring 0
    machine.write("do_xen_version", hex("488b06c3"));
    rewrite(machine, "b811000000 be00000070 0f05 ebfe");
    assert.equal(machine.run({ ns: 100_000n }).stop, "fault");
    assert.equal(machine.info().lostGuests, 0);
  });

  test("of a call of the host's ends the call alone", async () => {
    const machine = await boot({});
    const { stop, fault } = machine.call("do_probe+3", [GUEST_DATA]);
    assert.ok(stop !== "return" || fault === undefined);
    assert.ok(crashes(machine).every((crash) => crash === undefined));
    assert.equal(machine.run({ ns: 10_000n }).stop, "time");
  });
});
