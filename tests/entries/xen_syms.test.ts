// Debian's Xen under load: its own hypercalls, executed by several CPUs, patched in both formats,
// at both patch points (R189-R193, R213, R219, R222-R224). The image has not booted, and its own
// entries are not made for this machine: guests enter by the machine's (images/entries/README.md).

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { VECTOR_NMI } from "../../assembly/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { XenError } from "../../host/error.js";
import { LivepatchControl } from "../../host/livepatch.js";
import type { Machine } from "../../host/machine.js";
import { XenControl } from "../../host/xc.js";
import { hex } from "../engine/payload.js";
import { unpackPayloads } from "../livepatch/corpus.js";
import {
  CPUS,
  callForever,
  code,
  counter,
  extraVersion,
  type Loaded,
  replacing,
  returning,
  rewriteStorm,
  skip,
  unloadWhenFree,
  xenSyms,
} from "./support.js";

const WORKLOADS = ["idle", "storm", "domctl", "mixed", "spin", "block"];
const QUIESCE = ["guest-entry", "rendezvous"] as const;
const NEW = ".7-patched";
const ID = "extra";

const boot = (options: MachineOptions): Promise<Machine> =>
  createMachine({ image: xenSyms(), cpus: CPUS.length, workload: "storm", ...options });

/** A machine that has worked for a while, with a payload for xen_extra_version checked. */
async function working(options: MachineOptions = {}): Promise<Loaded> {
  const machine = await boot(options);
  machine.run({ ns: 100_000n });
  const control = new XenControl(machine);
  await control.upload(ID, replacing(machine, "xen_extra_version", returning(NEW)));
  await control.checkAndWait(ID);
  return { machine, control };
}

function answer(machine: Machine): string {
  const buffer = new Uint8Array(16);
  assert.equal(machine.hypercall("xen_version", [1, buffer]).rax, 0n);
  return Buffer.from(buffer).toString("latin1").replace(/\0.*$/s, "");
}

describe("Debian's Xen under load", { skip }, () => {
  for (const workload of WORKLOADS) {
    for (const quiesce of QUIESCE) {
      test(`${workload}, ${quiesce}: apply, revert, unload; every byte comes back`, async () => {
        const { machine, control } = await working({ workload, quiesce });
        const [before, hash] = [code(machine), machine.stateHash()];
        const old = answer(machine);
        assert.notEqual(old, NEW);
        await control.applyAndWait(ID, { timeMs: 100 });
        assert.equal(machine.map().length, 1);
        machine.run({ ns: 200_000n });
        assert.equal(answer(machine), NEW);
        const seen = workload === "storm" ? [...CPUS] : workload === "mixed" ? [0] : [];
        for (const cpu of seen) assert.equal(extraVersion(machine, cpu), NEW, `CPU ${cpu}`);
        await control.revertAndWait(ID, { timeMs: 100 });
        machine.run({ ns: 200_000n });
        assert.equal(answer(machine), old);
        for (const cpu of seen) assert.equal(extraVersion(machine, cpu), old, `CPU ${cpu}`);
        assert.deepEqual(machine.map(), []);
        assert.ok(code(machine).equals(before));
        if (workload === "idle") {
          await unloadWhenFree({ machine, control }, ID);
          await control.upload(ID, replacing(machine, "xen_extra_version", returning(NEW)));
          await control.checkAndWait(ID);
          assert.equal(machine.stateHash(), hash, "nobody but the patch has written anything");
        }
        assert.equal(machine.schedules().violation(), undefined);
        await unloadWhenFree({ machine, control }, ID);
        assert.equal(machine.run({ ns: 100_000n }).stop, "time");
        assert.deepEqual(
          machine.stacks().filter(({ fault, guestCrash }) => fault ?? guestCrash),
          [],
        );
      });
    }
  }

  const corpus = skip ? undefined : unpackPayloads();
  after(() => corpus?.remove());

  for (const quiesce of QUIESCE) {
    test(`a payload of today's format, ${quiesce}`, async () => {
      const machine = await boot({ quiesce });
      machine.run({ ns: 100_000n });
      const before = code(machine);
      const old = extraVersion(machine, 1);
      const control = new LivepatchControl(machine);
      control.upload("hello", (corpus as NonNullable<typeof corpus>).read("base/hello.livepatch"));
      control.apply("hello");
      assert.deepEqual(control.wait("hello"), { name: "hello", state: "APPLIED", rc: 0 });
      machine.run({ ns: 200_000n });
      for (const cpu of CPUS) assert.match(extraVersion(machine, cpu), /^xsplice was/);
      control.revert("hello");
      assert.equal(control.wait("hello")?.state, "CHECKED");
      machine.run({ ns: 200_000n });
      for (const cpu of CPUS) assert.equal(extraVersion(machine, cpu), old);
      assert.ok(code(machine).equals(before));
      control.unload("hello");
      assert.equal(machine.schedules().violation(), undefined);
    });
  }

  test("the same seed gives the same bytes, a snapshot goes on where the machine was", async () => {
    const run = async (seed: number) => {
      const machine = await boot({ workload: "mixed", seed });
      machine.run({ ns: 300_000n });
      return machine;
    };
    const [a, b, c] = [await run(5), await run(5), await run(6)];
    assert.ok(Buffer.compare(a.snapshot(), b.snapshot()) === 0);
    assert.ok(Buffer.compare(a.snapshot(), c.snapshot()) !== 0);
    const other = await createMachine({ snapshot: a.snapshot() });
    for (const machine of [b, other]) machine.run({ ns: 300_000n });
    assert.ok(Buffer.compare(b.snapshot(), other.snapshot()) === 0);
  });

  test("stacks name the image's functions and the machine's own entries", async () => {
    const machine = await boot({ workload: "domctl" });
    const inside = (name: string): boolean =>
      machine.stacks().some(({ frames }) => frames.some(({ symbol }) => symbol?.startsWith(name)));
    for (let i = 0; i < 200 && !inside("do_multicall+"); i++) machine.run({ ns: 3_000n });
    assert.ok(inside("do_multicall+"));
    assert.ok(inside("dispatch+0x13 [machine]"));
    assert.equal(machine.info().entries, "machine");
  });
});

describe("Debian's Xen: what may happen meanwhile", { skip }, () => {
  test("R223: NMIs are served in any code, none is lost or served twice at a patch", async () => {
    const { machine, control } = await working();
    await control.apply(ID, { timeMs: 100 });
    for (const cpu of CPUS) assert.ok(machine.interrupt(cpu, VECTOR_NMI));
    await control.wait(ID);
    machine.run({ ns: 100_000n });
    for (const cpu of CPUS) assert.equal(counter(machine, cpu, 8), 1, `CPU ${cpu}`);
    for (let i = 0; i < 20; i++) {
      assert.ok(machine.interrupt(i % 4, VECTOR_NMI));
      machine.run({ ns: 777n });
    }
    machine.run({ ns: 100_000n });
    for (const cpu of CPUS) assert.equal(counter(machine, cpu, 8), 6, `CPU ${cpu}`);
  });

  test("R190: once a virtual second all CPUs tick and meet in the time rendezvous", async () => {
    const machine = await boot({ workload: "idle" });
    machine.run({ ns: 2_500_000_000n });
    for (const cpu of CPUS) assert.equal(counter(machine, cpu, 12), 2);
    const view = machine.read(machine.info().entryStart + 0x1000n, 16);
    const [semaphore, total] = new Uint32Array(view.slice().buffer);
    assert.deepEqual([semaphore, total], [7, 4], "all came, and all left");
  });

  test("R222: a CPU goes and comes back, before, during and after", async () => {
    for (const quiesce of QUIESCE) {
      const { machine, control } = await working({ quiesce });
      machine.setOnline(3, false);
      await control.apply(ID, { timeMs: 100 });
      machine.run({ ns: 2_000n });
      machine.setOnline(2, false);
      machine.setOnline(3, true);
      await control.wait(ID);
      assert.equal(machine.map().length, 1);
      await control.revert(ID, { timeMs: 100 });
      machine.setOnline(2, true);
      await control.wait(ID);
      machine.run({ ns: 200_000n });
      assert.deepEqual(machine.map(), []);
      const states = machine.stacks().map(({ state }) => state);
      assert.ok(!states.includes("offline"), states.join());
      assert.equal(machine.schedules().violation(), undefined);
    }
  });

  /** A machine on which only CPU 0 ever comes out of do_xen_version again. */
  async function stuck(quiesce: (typeof QUIESCE)[number]): Promise<Loaded> {
    const machine = await boot({ quiesce });
    const control = new XenControl(machine);
    // mov %rsp,%rax; or $0x7fff,%rax; cmpl $0,-63(%rax): the CPU's number; pause; jmp
    const loop = hex("4889e0 480dff7f0000 8378c100 7506 b811000000 c3 f390 ebfc");
    await control.upload("stuck", replacing(machine, "xen_minor_version", loop));
    await control.checkAndWait("stuck");
    await control.applyAndWait("stuck", { timeMs: 100 });
    machine.run({ ns: 100_000n });
    return { machine, control };
  }

  test("R193: code that never comes back holds a patch off until its time is over", async () => {
    const { machine, control } = await stuck("guest-entry");
    const before = code(machine);
    await control.upload(ID, replacing(machine, "xen_extra_version", returning(NEW)));
    await control.checkAndWait(ID);
    await assert.rejects(control.applyAndWait(ID, { timeMs: 1 }), (error: XenError) => {
      assert.deepEqual([error.errno, error.reason], ["EBUSY", "timeout"]);
      assert.match(error.message, /CPU 1 at 0x[0-9a-f]+ and 2 more missing/);
      return true;
    });
    assert.ok(code(machine).equals(before));
    assert.deepEqual(
      machine.map().map(({ owner }) => owner),
      ["stuck"],
    );
  });

  test("R181, R219: code on a stack is neither patched nor taken back", async () => {
    const { machine, control } = await stuck("rendezvous");
    await control.upload("version", replacing(machine, "do_xen_version", hex("31c0c3")));
    await control.checkAndWait("version");
    const before = code(machine);
    for (const action of [
      () => control.applyAndWait("version", { timeMs: 1 }),
      () => control.revertAndWait("stuck", { timeMs: 1 }),
    ]) {
      await assert.rejects(action(), (error: XenError) => {
        assert.deepEqual([error.errno, error.reason], ["EBUSY", "on-stack"]);
        assert.match(error.message, /CPU [123]/);
        return true;
      });
      assert.ok(code(machine).equals(before));
    }
  });

  test("a hypercall that needs what only booting makes stops its CPU, and says where", async () => {
    const machine = await boot({});
    const SHUTDOWN = 2;
    rewriteStorm(machine, callForever(29, SHUTDOWN));
    const { stop } = machine.run({ ns: 1_000_000n });
    assert.equal(stop, "fault");
    const [broken, ...more] = machine.stacks().filter(({ fault }) => fault);
    assert.deepEqual(more, []);
    assert.equal(broken?.fault?.vector, "#PF");
    assert.match(broken?.symbol ?? "", /^vcpu_sleep_nosync\+/);
    assert.ok(broken?.frames.some(({ symbol }) => symbol?.startsWith("do_sched_op+")));
    assert.equal(machine.schedules().violation()?.invariant, "hypervisor-fault");
    assert.deepEqual(
      machine.stacks().filter(({ guestCrash }) => guestCrash),
      [],
    );
  });

  test("a guest whose IRETQ would go to a bad address is crashed", async () => {
    const machine = await boot({});
    const control = new XenControl(machine);
    // regs->rip = 1 << 63: mov %rsp,%rax; or $0x7fff,%rax; mov $…,%rcx; mov %rcx,-135(%rax)
    const bad = hex("4889e0 480dff7f0000 48b90000000000000080 48898879ffffff 31c0 c3");
    await control.upload(ID, replacing(machine, "do_nmi_op", bad));
    await control.checkAndWait(ID);
    await control.applyAndWait(ID, { timeMs: 100 });
    rewriteStorm(machine, callForever(28, 0));
    machine.run({ ns: 200_000n });
    for (const { guestCrash, state } of machine.stacks()) {
      assert.equal(state, "idle");
      assert.deepEqual([guestCrash?.vector, guestCrash?.rip], ["#GP", 1n << 63n]);
    }
    assert.equal(machine.info().lostGuests, CPUS.length);
  });

  test("forced to its own entries it stops at once, and says where", async () => {
    const machine = await boot({ entries: "image" });
    assert.equal(machine.run({ ns: 100_000n }).stop, "fault");
    const [broken] = machine.stacks().filter(({ fault }) => fault);
    assert.match(broken?.symbol ?? "", /^test_all_events/);
  });

  test("deep is refused, with what is missing", async () => {
    await assert.rejects(boot({ workload: "deep" }), (error: XenError) => {
      assert.deepEqual([error.errno, error.reason], ["EOPNOTSUPP", "workload-hypercall"]);
      assert.match(error.message, /deep .* hypercall 51/);
      return true;
    });
  });
});
