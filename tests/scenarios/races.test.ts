// The races of live patching that need a run of the machine's own scheduler, each as a scenario
// that holds with its guard in place and fails once it is taken out (requirements.md, section E,
// and R181, R193, R218, R222-R224, K61). Those that are searched for are in search/guards.test.ts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine } from "../../host/create.js";
import { XenError } from "../../host/error.js";
import type { Machine } from "../../host/machine.js";
import { XenControl } from "../../host/xc.js";
import { cpuStat, endlessDomctl, ID, PAYLOAD, sample, working } from "./support.js";

const SEEDS = 12;

/** How often `broken` says so over the seeds. */
async function count(broken: (seed: number) => Promise<boolean>): Promise<number> {
  let times = 0;
  for (let seed = 1; seed <= SEEDS; seed++) if (await broken(seed)) times += 1;
  return times;
}

describe("stack check at the tail of the rendezvous (R181, R219, ca4cd36682)", () => {
  /** Revert and unload while others are interrupted anywhere: does one return into nothing? */
  const breaks =
    (guards: number) =>
    async (seed: number): Promise<boolean> => {
      const { machine, control } = await working({ seed, quiesce: "rendezvous", cpus: 16 });
      machine.schedules().withoutGuards(guards);
      try {
        await control.applyAndWait(ID, { timeMs: 20 });
        machine.run({ ns: 20_000n });
        await control.revert(ID, { timeMs: 20 });
        // Straight from the record: a hypercall would let everybody go on.
        const status = () => machine.payloads()[0]?.status;
        while (status() === abi.XSPLICE_STATUS_PROGRESS) machine.run({ ns: 100n });
        await control.unload(ID);
      } catch (error) {
        assert.ok(error instanceof XenError, String(error));
        // A CPU that has crashed in the middle of it is the very thing that is looked for.
        assert.ok(error.errno === "EBUSY" || guards !== 0, String(error));
      }
      machine.run({ ns: 60_000n });
      return machine.schedules().violation() !== undefined;
    };

  test("nobody ever returns into code that is gone", async () => {
    assert.equal(await count(breaks(0)), 0);
  });

  test("without it somebody does", async () => {
    assert.ok((await count(breaks(abi.GUARD_STACK))) > 0);
  });
});

describe("K61, f9bf994d81: work that is scheduled keeps its payload", () => {
  const race = async (guards: number) => {
    const machine = await createMachine({ cpus: 2, workload: "idle" });
    const control = new XenControl(machine);
    await control.upload(ID, PAYLOAD);
    await control.checkAndWait(ID);
    await control.apply(ID);
    machine.schedules().withoutGuards(guards);
    return { machine, control };
  };

  test("UNLOAD is -EBUSY while APPLY is in progress", async () => {
    const { control } = await race(0);
    await assert.rejects(control.unload(ID), { errno: "EBUSY", reason: "busy" });
    assert.equal((await control.wait(ID)).status, abi.XSPLICE_STATUS_APPLIED);
  });

  test("without it the payload is gone when its work begins", async () => {
    const { control } = await race(abi.GUARD_BUSY);
    await control.unload(ID);
    await assert.rejects(control.get(ID), { errno: "ENOENT" });
  });
});

describe("NMI at the patch point (R223, c5ed88110c)", () => {
  /** CPU 0 waits, the others are not let run; an NMI comes. NMIs served before and after the
   *  patch. */
  const served = async (guards: number): Promise<readonly [number, number]> => {
    const { machine, control } = await working({ cpus: 2, workload: "idle" });
    await control.apply(ID);
    const moves = machine.schedules();
    for (let i = 0; i < 40; i++) moves.step(0, 16);
    moves.withoutGuards(guards);
    assert.ok(machine.interrupt(0, abi.VECTOR_NMI));
    for (let i = 0; i < 40; i++) moves.step(0, 16);
    const early = cpuStat(machine, 0, 4);
    moves.withoutGuards(0);
    await control.wait(ID);
    machine.run({ ns: 100_000n });
    return [early, cpuStat(machine, 0, 4)];
  };

  test("it is masked while a CPU waits, and served afterwards, once", async () => {
    assert.deepEqual(await served(0), [0, 1]);
  });

  test("without the mask it runs at the patch point", async () => {
    assert.deepEqual(await served(abi.GUARD_NMI_MASK), [1, 1]);
  });
});

describe("serialisation (R218): a patched instruction is never executed stale", () => {
  /** Bytes of stale stack that a guest gets from xen_version after the fix was applied. */
  const leaks = async (guards: number): Promise<boolean> => {
    const { machine, control } = await working({ seed: 4 });
    const ask = (): boolean => {
      const buffer = new Uint8Array(1024);
      machine.hypercall("xen_version", [9, buffer], { domain: 1 });
      return buffer.subarray(buffer.indexOf(0)).some((byte) => byte !== 0);
    };
    assert.ok(ask(), "the leak is there before");
    machine.schedules().withoutGuards(guards);
    await control.applyAndWait(ID);
    return ask();
  };

  test("a loop of hypercalls on other CPUs goes through the new code at once", async () => {
    assert.equal(await leaks(0), false);
  });

  test("without it the old code is executed on", async () => {
    assert.equal(await leaks(abi.GUARD_SERIALISE), true);
  });
});

describe("the upper bound `time` (R193, R224)", () => {
  /** A domctl on CPU 1 that computes for 50 ms. */
  const attempt = async (guards: number) => {
    const made = await working({ cpus: 4, workload: "mixed", seed: 2 });
    endlessDomctl(made.machine);
    made.machine.run({ ns: 3_000_000n });
    const hash = made.machine.stateHash();
    made.machine.schedules().withoutGuards(guards);
    await made.control.apply(ID, { timeMs: 1 });
    made.machine.run({ ns: 3_000_000n });
    return { ...made, hash };
  };

  test("it ends the wait: -EBUSY timeout names the CPU and where it is", async () => {
    const { machine, control } = await attempt(0);
    await assert.rejects(control.wait(ID), (error: XenError) => {
      assert.equal(error.errno, "EBUSY");
      assert.equal(error.reason, "timeout");
      assert.match(error.message, /CPU 1 .*arch_long_loop/);
      return true;
    });
    assert.deepEqual(machine.map(), []);
    const before = machine.stacks().map(({ retired }) => retired);
    machine.run({ ns: 200_000n });
    machine.stacks().forEach(({ retired, cpu }) => {
      assert.ok(retired > (before[cpu] ?? 0n), `CPU ${cpu} was released`);
    });
  });

  test("without it the request hangs", async () => {
    const { control, machine } = await attempt(abi.GUARD_DEADLINE);
    assert.equal((await control.get(ID)).status, abi.XSPLICE_STATUS_PROGRESS);
    assert.equal(machine.schedules().violation()?.invariant, "late");
  });

  test("a hostile guest that never enters the hypervisor cannot hold it off", async () => {
    const { machine, control } = await working({ workload: "spin", cpus: 4 });
    const { status } = await control.applyAndWait(ID, { timeMs: 1 });
    assert.equal(status, abi.XSPLICE_STATUS_APPLIED);
    assert.equal(machine.map().length, 1);
  });
});

describe("c5ed88110c, R193, R223: an abort leaves everything as it was", () => {
  /** CPU 1 does not come in time; CPU 0 waits, and an NMI comes. What CPU 0 has done afterwards. */
  const after = async (guards: number) => {
    const { machine, control } = await working({ cpus: 2, workload: "mixed", seed: 2 });
    endlessDomctl(machine);
    machine.run({ ns: 3_000_000n });
    const before = code(machine);
    machine.schedules().withoutGuards(guards);
    await control.apply(ID, { timeMs: 1 });
    machine.run({ ns: 500_000n });
    assert.equal(machine.payloads()[0]?.status, abi.XSPLICE_STATUS_PROGRESS);
    assert.ok(machine.interrupt(0, abi.VECTOR_NMI));
    machine.run({ ns: 100_000n });
    assert.equal(cpuStat(machine, 0, 4), 0, "masked while it waits");
    machine.run({ ns: 3_000_000n });
    assert.equal(machine.payloads()[0]?.status, -abi.EBUSY);
    const retired = machine.stacks()[0]?.retired ?? 0n;
    machine.run({ ns: 300_000n });
    const went = (machine.stacks()[0]?.retired ?? 0n) > retired;
    assert.deepEqual(code(machine), before, "no byte of code has changed");
    return { nmis: cpuStat(machine, 0, 4), went, machine };
  };
  const code = (machine: Machine): Uint8Array[] =>
    machine.textRanges().map(({ start, end }) => machine.read(start, Number(end - start)));

  test("who waited goes on, the NMI is served, the payload can go", async () => {
    const { nmis, went, machine } = await after(0);
    assert.deepEqual({ nmis, went }, { nmis: 1, went: true });
    assert.deepEqual(machine.map(), []);
    await new XenControl(machine).unload(ID);
  });

  test("without the release it stands there for ever, NMIs masked", async () => {
    const { nmis, went } = await after(abi.GUARD_RELEASE);
    assert.deepEqual({ nmis, went }, { nmis: 0, went: false });
  });
});

describe("98b728a7b2, 66d3f83db6, R127: a second life begins with fresh data", () => {
  const sums = async (guards: number) => {
    const machine = await createMachine({ cpus: 2, workload: "idle" });
    const control = new XenControl(machine);
    await control.upload("data", sample("new-data"));
    await control.checkAndWait("data");
    machine.schedules().withoutGuards(guards);
    const life = async () => {
      await control.applyAndWait("data");
      const values = [1, 2].map(() => machine.call("account_last", [0n]).rax);
      await control.revertAndWait("data");
      return values;
    };
    return [await life(), await life()];
  };

  test("the new code counts from the start again", async () => {
    const [first, second] = await sums(0);
    assert.notEqual(first?.[0], first?.[1], "it does count");
    assert.deepEqual(second, first);
  });

  test("without that it goes on where the first life ended", async () => {
    const [first, second] = await sums(abi.GUARD_REINIT);
    assert.notDeepEqual(second, first);
  });
});

describe("a CPU goes and comes back while work is pending (R222)", () => {
  const works =
    (guards: number) =>
    async (seed: number): Promise<boolean> => {
      const { machine, control } = await working({ seed, quiesce: "rendezvous", cpus: 4 });
      machine.schedules().withoutGuards(guards);
      try {
        await control.apply(ID, { timeMs: 3 });
        machine.run({ ns: 4_000n });
        machine.setOnline(2, false);
        await control.wait(ID);
        await control.revert(ID, { timeMs: 3 });
        machine.setOnline(2, true);
        await control.wait(ID);
        machine.run({ ns: 50_000n });
        return machine.stacks()[2]?.state !== "offline" && !machine.schedules().violation();
      } catch (error) {
        // Old code on a stack until the deadline is an answer, hanging is not.
        return error instanceof XenError && error.reason === "on-stack";
      }
    };

  test("nobody hangs, nobody is skipped", async () => {
    assert.equal(await count(works(0)), SEEDS);
  });

  test("without it somebody waits for a CPU that is gone", async () => {
    assert.ok((await count(works(abi.GUARD_HOTPLUG))) < SEEDS);
  });
});
