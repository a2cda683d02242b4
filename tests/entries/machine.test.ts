// The machine's own entries on images that every machine has: mini-Xen without its note, without
// its entries, and an image that has no hypercalls at all (images/entries/README.md; R189-R193,
// R222, R223).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { VECTOR_NMI } from "../../assembly/abi.js";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { XenError } from "../../host/error.js";
import type { Machine } from "../../host/machine.js";
import { WORKLOADS } from "../../host/workloads.js";
import { XenControl } from "../../host/xc.js";
import { hex } from "../engine/payload.js";
import { sample } from "../engine/support.js";
import { inRoot } from "../support/root.js";
import {
  CPUS,
  callForever,
  code,
  counter,
  miniXen,
  NOTE,
  replacing,
  rewriteStorm,
  unloadWhenFree,
} from "./support.js";

const BUSY = Object.keys(WORKLOADS).filter((name) => name !== "none");
const QUIESCE = ["guest-entry", "rendezvous"] as const;
const ID = "fix";
const UNKNOWN = miniXen(...NOTE);

const boot = (options: MachineOptions = {}): Promise<Machine> =>
  createMachine({ image: UNKNOWN, cpus: CPUS.length, workload: "storm", ...options });

async function working(options: MachineOptions = {}) {
  const machine = await boot(options);
  machine.run({ ns: 50_000n });
  const control = new XenControl(machine);
  await control.upload(ID, sample("xsa125"));
  await control.checkAndWait(ID);
  return { machine, control };
}

/** Stale bytes of a hypervisor stack that a guest gets from xen_version. */
function leaks(machine: Machine): boolean {
  const buffer = new Uint8Array(1024);
  machine.hypercall("xen_version", [9, buffer], { domain: 1 });
  return buffer.subarray(buffer.indexOf(0)).some((byte) => byte !== 0);
}

describe("an image without the contract's note", () => {
  for (const workload of BUSY) {
    for (const quiesce of QUIESCE) {
      test(`${workload}, ${quiesce}: apply, revert, unload; every byte comes back`, async () => {
        const { machine, control } = await working({ workload, quiesce });
        assert.equal(machine.info().entries, "machine");
        const before = code(machine);
        await control.applyAndWait(ID, { timeMs: 20 });
        machine.run({ ns: 100_000n });
        assert.equal(leaks(machine), false);
        await control.revertAndWait(ID, { timeMs: 20 });
        machine.run({ ns: 100_000n });
        assert.equal(machine.schedules().violation(), undefined);
        await unloadWhenFree({ machine, control }, ID);
        assert.ok(code(machine).equals(before));
        assert.equal(machine.run({ ns: 100_000n }).stop, "time");
        assert.deepEqual(machine.map(), []);
      });
    }
  }

  test("a blocked guest never sleeps over a patch, whatever the order of CPUs", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { machine, control } = await working({ workload: "block", seed });
      await control.applyAndWait(ID, { timeMs: 1 });
      assert.equal(machine.map().length, 1, `seed ${seed}`);
    }
  });

  test("the same seed gives the same bytes, a snapshot goes on where the machine was", async () => {
    const run = async (seed: number) => {
      const machine = await boot({ workload: "mixed", seed });
      machine.run({ ns: 200_000n });
      return machine;
    };
    const [a, b, c] = [await run(5), await run(5), await run(6)];
    assert.ok(Buffer.compare(a.snapshot(), b.snapshot()) === 0);
    assert.ok(Buffer.compare(a.snapshot(), c.snapshot()) !== 0);
    const other = await createMachine({ snapshot: a.snapshot() });
    for (const machine of [b, other]) machine.run({ ns: 200_000n });
    assert.ok(Buffer.compare(b.snapshot(), other.snapshot()) === 0);
  });

  test("256 CPUs, at both patch points", async () => {
    for (const quiesce of QUIESCE) {
      const { machine, control } = await working({ cpus: 256, quiesce, workload: "spin" });
      await control.applyAndWait(ID, { timeMs: 50 });
      assert.equal(machine.map().length, 1);
    }
  });

  test("R222, R223: CPUs go and come, NMIs are served, ticks are counted", async () => {
    const { machine, control } = await working({ quiesce: "rendezvous" });
    machine.setOnline(2, false);
    await control.apply(ID, { timeMs: 20 });
    assert.ok(machine.interrupt(1, VECTOR_NMI));
    machine.run({ ns: 3_000n });
    machine.setOnline(2, true);
    await control.wait(ID);
    machine.run({ ns: 100_000n });
    assert.equal(machine.map().length, 1);
    assert.equal(counter(machine, 1, 8), 1);
    const idle = await boot({ workload: "idle" });
    idle.run({ ns: 2_500_000_000n });
    for (const cpu of CPUS) assert.equal(counter(idle, cpu, 12), 2);
  });

  test("R221: the machine's own entries cannot be patched", async () => {
    const { machine, control } = await working();
    const { entryStart } = machine.info();
    const hash = machine.stateHash();
    await control.upload("own", replacing(machine, "account_tick", hex("31c0c3"), entryStart));
    await assert.rejects(control.checkAndWait("own"), (error: XenError) => {
      assert.match(error.reason, /^(not-mapped|addr-symbol|wrong-section)$/, error.message);
      return true;
    });
    await control.unload("own");
    assert.equal(machine.stateHash(), hash);
  });

  test("the code counts as state, what it writes does not", async () => {
    const machine = await boot({ workload: "spin" });
    const { entryStart } = machine.info();
    const hash = machine.stateHash();
    machine.write(entryStart + 0x1000n, new Uint8Array([1]));
    machine.write(entryStart + 0x2008n, new Uint8Array([1]));
    assert.equal(machine.stateHash(), hash);
    machine.write(entryStart, new Uint8Array([0x90]));
    assert.notEqual(machine.stateHash(), hash);
  });

  test("the machine answers a guest's sysctl, -ENOSYS what the image lacks", async () => {
    const machine = await boot();
    const answer = () => BigInt.asIntN(64, machine.stacks()[1]?.registers[0] ?? 0n);
    for (const [nr, rc] of [
      [35, -14n], // -EFAULT: no struct xen_sysctl at 0
      [62, -38n],
      [200, -38n],
    ] as const) {
      rewriteStorm(machine, callForever(nr, 0));
      machine.run({ ns: 20_000n });
      for (let i = 0; i < 500 && machine.stacks()[1]?.rip !== 0x400120n + 17n - 2n; i++)
        machine.run({ ns: 7n });
      assert.equal(answer(), rc, `hypercall ${nr}`);
    }
  });
});

describe("whose entries", () => {
  const entries = async (options: MachineOptions) => (await boot(options)).info().entries;

  test("the note decides, and an option overrules it", async () => {
    const known = miniXen();
    assert.equal(await entries({ image: known }), "image");
    assert.equal(await entries({ image: known, entries: "machine" }), "machine");
    assert.equal(await entries({}), "machine");
    assert.equal(await entries({ entries: "image" }), "image");
    // version 2 of the contract
    const other = miniXen("xsplice\0\x01", "xsplice\0\x02");
    assert.equal(await entries({ image: other }), "machine");
  });

  test("a note without the entries: refused by name; with the machine's it runs", async () => {
    const image = miniXen("\0lstar_enter\0", "\0other_enter\0");
    await assert.rejects(boot({ image }), (error: XenError) => {
      assert.deepEqual([error.errno, error.reason], ["EOPNOTSUPP", "entry-missing"]);
      assert.match(error.message, /lstar_enter/);
      return true;
    });
    const machine = await boot({ image, entries: "machine" });
    assert.equal(machine.run({ ns: 100_000n }).stop, "time");
    const none = await boot({ image, workload: "none" });
    assert.equal(none.call("xen_major_version").rax, 4n);
  });

  test("without a workload nothing is mapped, and no interrupt is served", async () => {
    const machine = await boot({ workload: "none" });
    assert.equal(machine.interrupt(1, VECTOR_NMI), false);
    assert.throws(() => machine.read(0xffff8300e0000000n, 1), { reason: "bad-address" });
    assert.equal(machine.info().entryStart, 0n);
  });

  test("an image without hypercalls: a storm of -ENOSYS; domctl and deep say why", async () => {
    const image = new Uint8Array(readFileSync(inRoot("images/bench/kernels")));
    const machine = await boot({ image });
    assert.equal(machine.run({ ns: 300_000n }).stop, "time");
    assert.ok(machine.stacks().every(({ registers }) => (registers[12] ?? 0n) > 0n));
    for (const [workload, nr] of [
      ["domctl", 13],
      ["deep", 51],
    ] as const) {
      await assert.rejects(boot({ image, workload }), (error: XenError) => {
        assert.deepEqual([error.errno, error.reason], ["EOPNOTSUPP", "workload-hypercall"]);
        assert.match(error.message, new RegExp(`${workload} .* ${nr},`));
        return true;
      });
    }
    const mixed = await boot({ image, workload: "mixed" });
    assert.equal(mixed.run({ ns: 300_000n }).stop, "time");
    assert.equal(mixed.schedules().violation(), undefined);
  });
});
