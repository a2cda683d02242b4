// The library on a real machine: the embedded mini-Xen, its own hypercalls, snapshots,
// the module behind it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { createMachine, encodeId, type Machine, MachineBug, XenControl } from "../../host/index.js";
import { inRoot } from "../support/root.js";
import { DO_XEN_VERSION, payload, refused, refusedLater, stale } from "./support.js";

describe("a machine", () => {
  test("boots the embedded image and tells about it", async () => {
    const info = (await createMachine({ cpus: 2, seed: 7 })).info();
    assert.equal(
      Buffer.from(info.buildId).toString("hex"),
      "92dd05a61556c554155b1508c9cf67d993336d28",
    );
    assert.equal(info.version, "Xen 4.6-unstable-g9348394");
    assert.deepEqual([info.cpus, info.seed, info.payloads, info.timeNs], [2, 7n, 0, 0n]);
    assert.ok(info.symbols > 100 && info.framesFree > 0);
  });

  test("knows its symbols by name, file, offset and address (R202, R206)", async () => {
    const { symbols } = await createMachine();
    assert.equal(symbols.resolve("do_xen_version"), DO_XEN_VERSION);
    assert.equal(symbols.nameOf(DO_XEN_VERSION + 0x534n), "do_xen_version+0x534");
    const [found] = symbols.find("do_xen_version");
    assert.deepEqual([found?.size, found?.type, found?.bind], [1728n, "func", "global"]);
    const twins = refused(() => symbols.resolve("domain_limit"));
    assert.equal(twins.reason, "sym-ambiguous");
    assert.equal(twins.operands.candidates.length, 2);
    const a = symbols.resolve("a/domain.c#domain_limit");
    assert.ok(twins.operands.candidates.includes(a));
    assert.notEqual(symbols.resolve("domain.c#domain_limit"), a);
  });

  test("reads and writes memory across pages, and refuses what is not mapped", async () => {
    const machine = await createMachine();
    const entry = machine.read("do_xen_version", 16);
    assert.equal(Buffer.from(entry).toString("hex"), "48c7c0daffffff83ff090f8724050000");
    assert.equal(machine.read("do_xen_version", 0).length, 0);
    const pattern = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
    machine.write(0x10000100n, pattern, { domain: 0 });
    assert.deepEqual(machine.read(0x10000100n, pattern.length, { domain: 0 }), pattern);
    assert.deepEqual(machine.read(0x10000100n, 4, { domain: 1 }), new Uint8Array(4));
    for (const va of [0n, 0x10000100n, 0x8000_0000_0000n, 0xffff_ffff_ffff_fffdn]) {
      const { errno, reason } = refused(() => machine.read(va, 8));
      assert.deepEqual([errno, reason], ["EFAULT", "bad-address"], `${va}`);
    }
    const edge = refused(() => machine.write("do_xen_version", new Uint8Array(1 << 20)));
    assert.equal(edge.reason, "bad-address");
    assert.equal(refused(() => machine.read(1n, 1, { domain: 9 })).reason, "no-such-domain");
  });

  test("calls functions with arguments, and says how they stopped", async () => {
    const machine = await createMachine();
    const even = machine.call("check_even", [8]);
    assert.deepEqual([even.stop, even.fault], ["return", undefined]);
    assert.equal(BigInt.asIntN(32, machine.call("check_even", [9]).rax), -22n);
    assert.equal(machine.call("arch_long_loop", [1n << 60n], { budget: 5000 }).stop, "budget");
    const fault = machine.call("hypercall_table");
    assert.equal(fault.stop, "fault");
    assert.equal(fault.fault?.vector, "#PF");
    assert.equal(fault.fault?.rip, machine.symbols.resolve("hypercall_table"));
    assert.equal(refused(() => machine.call("no_such_function")).reason, "sym-missing");
    const seven = refused(() => machine.call("wbinvd_ipi", [1, 2, 3, 4, 5, 6, 7]));
    assert.deepEqual([seven.errno, seven.reason], ["E2BIG", "arguments"]);
    assert.match(seven.message, /^7 arguments .* 6 /);
    assert.equal(machine.call("wbinvd_ipi").stop, "return", "and still works");
  });

  test("makes hypercalls by number and by name, with buffers in and out", async () => {
    const machine = await createMachine();
    assert.equal(machine.hypercall(17, [0]).rax, 0x40006n);
    assert.equal(machine.hypercall("xen_version", [0]).rax, 0x40006n);
    const extra = new Uint8Array(16);
    assert.equal(machine.hypercall("xen_version", [1, extra]).rax, 0n);
    assert.equal(Buffer.from(extra).toString("latin1"), "-unstable-g9348\0");
    assert.equal(BigInt.asIntN(64, machine.hypercall(17, [1, 0xdead0000]).rax), -14n);
    assert.equal(BigInt.asIntN(64, machine.hypercall(63).rax), -38n);
    assert.equal(refused(() => machine.hypercall("no_such")).reason, "no-hypercall");
    assert.equal(refused(() => machine.hypercall(17, [0], { domain: 5 })).reason, "no-such-domain");
  });

  test("a CPU or domain that cannot be is refused under the number that was given", async () => {
    const machine = await createMachine();
    for (const cpu of [99, -1, 4_294_967_295, 4_294_967_296, 2 ** 60, 0.5, Number.NaN]) {
      for (const work of [
        () => machine.call("wbinvd_ipi", [], { cpu }),
        () => machine.hypercall(17, [0], { cpu }),
        () => machine.setOnline(cpu, true),
      ]) {
        const { errno, reason, message } = refused(work);
        assert.deepEqual([errno, reason], ["EINVAL", "no-such-cpu"], String(cpu));
        assert.ok(message.startsWith(`There is no CPU ${cpu};`), message);
      }
      const domain = refused(() => machine.hypercall(17, [0], { domain: cpu }));
      assert.equal(domain.reason, "no-such-domain");
      assert.equal(domain.message, `There is no domain ${cpu}.`);
      if (cpu === -1) continue; // the hypervisor itself
      assert.equal(refused(() => machine.read(1n, 1, { domain: cpu })).reason, "no-such-domain");
    }
  });

  test("names that every object has are no names of ours", async () => {
    const machine = await createMachine();
    for (const name of ["constructor", "__proto__", "toString", "no_such"]) {
      const call = refused(() => machine.hypercall(name));
      assert.deepEqual([call.errno, call.reason], ["ENOSYS", "no-hypercall"]);
      assert.ok(call.message.includes(name), call.message);
      for (const options of [{ workload: name }, { cpuFeatures: name }]) {
        const { reason, message } = await refusedLater(createMachine(options));
        assert.equal(reason, "boot-parameter");
        assert.ok(message.includes(name), message);
      }
    }
    assert.equal(BigInt.asIntN(64, machine.hypercall(2n ** 64n - 1n).rax), -38n);
  });

  test("disassembles, with symbols at branches", async () => {
    const code = await (await createMachine()).decode("do_xen_version", 3);
    assert.deepEqual(
      code.map(({ va, text }) => [va, text.replaceAll(/ .*<|>/g, " ").trim()]),
      [
        [DO_XEN_VERSION, "mov $0xFFFFFFFFFFFFFFDA,%rax"],
        [DO_XEN_VERSION + 7n, "cmp $9,%edi"],
        [DO_XEN_VERSION + 10n, "ja do_xen_version+0x534"],
      ],
    );
  });

  test("has CPUs with stacks, keys and a console", async () => {
    const seen: string[] = [];
    const machine = await createMachine({ cpus: 3, onConsole: (text) => seen.push(text) });
    assert.deepEqual(
      machine.stacks().map(({ state }) => state),
      ["idle", "idle", "idle"],
    );
    machine.call("arch_long_loop", [1n << 60n], { cpu: 1, budget: 5000 });
    assert.ok(machine.key("h"));
    assert.ok(!machine.key("Z"));
    assert.match(machine.console().join("\n"), /key 'x' .*print splicing information/);
    assert.equal(`${machine.console().join("\n")}\n`, seen.join(""));
  });

  test("boot parameters that make no sense are refused", async () => {
    for (const options of [{ cpus: 257 }, { cpus: -1 }, { cpus: 1.5 }, { workload: "nothing" }]) {
      const error = await refusedLater(createMachine(options));
      assert.deepEqual([error.errno, error.reason], ["EINVAL", "boot-parameter"]);
    }
    assert.equal((await refusedLater(createMachine({ image: "/does/not/exist" }))).errno, "ENOENT");
  });
});

describe("snapshots", () => {
  test("the same calls give the same bytes; a small file; everything comes back", async () => {
    const work = async (): Promise<Machine> => {
      const machine = await createMachine({ seed: 3n });
      const xc = new XenControl(machine);
      await xc.upload("fix", payload("xsa125"));
      await xc.checkAndWait("fix");
      await xc.applyAndWait("fix");
      return machine;
    };
    const machine = await work();
    const file = machine.snapshot();
    assert.deepEqual(Buffer.compare(file, (await work()).snapshot()), 0);
    assert.ok((await createMachine()).snapshot().length < 2 * 1024 * 1024);
    const twin = await createMachine({ snapshot: file });
    assert.equal(twin.label, "mini-xen");
    assert.equal(twin.stateHash(), machine.stateHash());
    assert.equal(stale(twin), 0);
    await new XenControl(twin).revertAndWait("fix");
    assert.ok(stale(twin) > 0);
    assert.equal(Buffer.compare(machine.snapshot(), file), 0, "the first one is not touched");
  });

  test("work in progress goes on after a restore (R92)", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    await xc.upload("fix", payload("xsa125"));
    await xc.check("fix");
    const twin = await createMachine({ snapshot: machine.snapshot() });
    const other = new XenControl(twin);
    assert.equal((await other.get("fix")).status, 2);
    assert.equal((await other.wait("fix")).status, 4);
    assert.equal((await xc.get("fix")).status, 2);
  });

  test("a damaged file is refused and the machine stays as it was", async () => {
    const machine = await createMachine();
    const file = machine.snapshot();
    const before = machine.stateHash();
    const broken = file.slice();
    broken[file.length - 100] = 1 ^ (broken[file.length - 100] as number);
    assert.equal(refused(() => machine.restore(broken)).reason, "machine-file-corrupt");
    assert.equal(refused(() => machine.restore(file.slice(0, -5))).reason, "machine-file-short");
    assert.equal(refused(() => machine.restore(new Uint8Array(9))).reason, "machine-file-format");
    assert.equal(machine.stateHash(), before);
    const error = await refusedLater(createMachine({ snapshot: broken }));
    assert.equal(error.reason, "machine-file-corrupt");
  });
});

describe("the core as a module", () => {
  /** A module that only says this ABI version. */
  const versioned = (version: number): Uint8Array => {
    const name = [...new TextEncoder().encode("hv_abi_version")];
    const type = [1, 5, 1, 0x60, 0, 1, 0x7f];
    const code = [10, 6, 1, 4, 0, 0x41, version, 0x0b];
    const exported = [7, name.length + 4, 1, name.length, ...name, 0, 0];
    return new Uint8Array([
      0,
      0x61,
      0x73,
      0x6d,
      1,
      0,
      0,
      0,
      ...type,
      3,
      2,
      1,
      0,
      ...exported,
      ...code,
    ]);
  };

  test("another ABI version is refused", async () => {
    await assert.rejects(createMachine({ wasm: versioned(63) }), /ABI version 63/);
  });

  test("its bytes, its URL or a compiled module do as well", async () => {
    const bytes = readFileSync(inRoot("dist/core.wasm"));
    const url = new URL(`file://${inRoot("dist/core.wasm")}`);
    for (const wasm of [bytes, url, new WebAssembly.Module(bytes)]) {
      assert.equal((await createMachine({ wasm })).info().cpus, 4);
    }
  });

  test("a trap is a MachineBug for ever, until a snapshot is restored", async () => {
    const machine = await createMachine();
    const file = machine.snapshot();
    // The firmware is the one import through which a test can make the core fail from outside.
    const core = Reflect.get(machine, "core") as { exports: Record<string, unknown> };
    const exports = Reflect.get(core, "exports") as Record<string, unknown>;
    const failing = () => {
      throw new WebAssembly.RuntimeError("unreachable");
    };
    Reflect.set(core, "exports", { ...exports, hv_run: failing });
    assert.throws(() => machine.run(), MachineBug);
    assert.throws(
      () => machine.info(),
      (error) => error instanceof MachineBug && error.where === "hv_run",
    );
    machine.restore(file);
    assert.equal(machine.info().cpus, 4);
    assert.equal(machine.run().stop, "idle");
  });

  test("ids are bounded everywhere", async () => {
    const xc = new XenControl(await createMachine());
    const long = "x".repeat(40);
    await xc.upload(long, payload("xsa125"));
    assert.deepEqual(
      (await xc.listAll()).map(({ id }) => id),
      [long],
    );
    assert.equal((await xc.get(long)).status, 1);
    assert.equal(encodeId(`${long}x`), undefined);
  });
});
