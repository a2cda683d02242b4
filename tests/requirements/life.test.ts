// Payloads in a hypervisor that works meanwhile (requirements A1, A5-A8): what runs goes on,
// what is under way can be seen, what cannot be done in time is not done at all.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { signPayload } from "../../host/elf/sign.js";
import { readCertificates } from "../../host/index.js";
import { payload as file, Session, scratch } from "../cli/support.js";
import { buildPayload, hex, inline, trampoline } from "../engine/payload.js";
import { checked, replace, stuck } from "../engine/stuck.js";
import { APPLIED, Bench, CHECKED, LOADED, REVERTED, refused, sample } from "../engine/support.js";
import { inRoot } from "../support/root.js";
import { action, witness } from "./support.js";

const PROGRESS = abi.XSPLICE_STATUS_PROGRESS;
const MS = 1_000_000n;

/** The image's code; its data changes while guests run. */
const code = (b: Bench): Uint8Array[] =>
  b.machine.textRanges().map(({ start, end }) => b.machine.read(start, Number(end - start)));

/** CPU 1 is stuck at `offset` of `arch_long_loop`; `p` is about other functions, `q` about it. */
async function stuckPair(offset: bigint, quiesce: "guest-entry" | "rendezvous") {
  const { b, free } = await stuck({ quiesce }, offset);
  const places = (names: string[]) => names.map((name) => replace(b.machine, name));
  await checked(b, "p", places(["check_even", "clamp_request"]));
  await checked(b, "q", places(["tiny_1", "arch_long_loop"]));
  return { b, free };
}

describe("a hypervisor that runs", () => {
  test("R1: guests go on while code under them is replaced and put back", async () => {
    const b = await Bench.boot({ cpus: 4, workload: "storm", seed: 11 });
    const before = code(b);
    const retired = (): bigint[] => b.machine.stacks().map((cpu) => cpu.retired);
    let last = retired();
    const works = (): void => {
      b.machine.run({ ns: 2n * MS });
      const now = retired();
      assert.ok(
        now.every((count, cpu) => count > (last[cpu] as bigint)),
        "every CPU works",
      );
      last = now;
    };
    works();
    await b.upload("p", sample("xsa125"));
    works();
    await b.xc.checkAndWait("p");
    await b.xc.applyAndWait("p");
    assert.equal(b.machine.map().length, 1);
    works();
    await b.xc.revertAndWait("p");
    works();
    await b.xc.unload("p");
    assert.deepEqual(code(b), before);
    assert.doesNotMatch(b.printed.join(""), /panic|fault|crash/i);
  });

  test("R93, R92: while work is under way everything else is answered", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("xsa125"));
    await b.xc.check("p");
    assert.equal(await b.status("p"), PROGRESS);
    assert.equal(b.machine.hypercall(17, [0n]).rax, 0x40006n);
    await b.upload("q", sample("nop-out"));
    assert.deepEqual(
      (await b.xc.listAll()).map(({ status }) => status),
      [PROGRESS, LOADED],
    );
    await b.xc.check("q");
    await b.xc.unload("q").then(
      () => assert.fail("it is scheduled"),
      (error) => assert.equal(error.reason, "busy"),
    );
    b.machine.run();
    assert.deepEqual(
      (await b.xc.listAll()).map(({ status }) => status),
      [CHECKED, CHECKED],
    );
  });

  test("R134: one action at a time of one payload; of several, each gets its turn", async () => {
    const b = await Bench.boot();
    const names = ["inline-text", "nop-out", "jump-table", "endbr", "new-data"];
    for (const name of names) await b.upload(name, sample(name));
    for (const end of [CHECKED, APPLIED, REVERTED]) {
      const cmd = { [CHECKED]: 1, [APPLIED]: 4, [REVERTED]: 3 }[end] as number;
      for (const name of names) assert.equal(action(b.machine, name, cmd), 0);
      for (const name of names) {
        for (const other of [1, 2, 3, 4]) {
          assert.equal(action(b.machine, name, other), -abi.EBUSY, "K43");
        }
      }
      b.machine.run();
      for (const name of names) assert.equal(await b.status(name), end);
    }
  });

  test("R132: a payload's record: id, state, the state before, file and place", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("xsa125"));
    await b.xc.check("p");
    const [record] = b.machine.payloads();
    assert.deepEqual([record?.id, record?.status, record?.oldStatus], ["p", PROGRESS, LOADED]);
    assert.equal(record?.fileSize, BigInt(sample("xsa125").length));
    assert.equal(record?.name, "xsa125");
  });
});

describe("in time, or not at all", () => {
  test("R136: neither hypercall nor tasklet does APPLY: every CPU has to come", async () => {
    const { b, free } = await stuckPair(0n, "guest-entry");
    assert.equal(action(b.machine, "p", 4), 0);
    for (let i = 0; i < 5; i++) {
      b.machine.run({ ns: MS });
      assert.equal(b.machine.payloads()[0]?.status, PROGRESS, "no bound: it waits");
      assert.deepEqual(b.machine.map(), [], "and nothing is changed meanwhile");
    }
    free();
    await b.xc.wait("p");
    assert.equal(b.machine.map().length, 2);
  });

  test("R117, R118, R224: a CPU that does not come: -EBUSY, unchanged, try again", async () => {
    const { b, free } = await stuckPair(0n, "guest-entry");
    const before = code(b);
    const apply = async (done: number): Promise<void> => {
      assert.equal(action(b.machine, "p", done, 3n), 0, "R119: accepted all the same");
      b.machine.run({ ns: 8n * MS });
    };
    await apply(4);
    const [record] = b.machine.payloads();
    assert.deepEqual([record?.status, record?.oldStatus], [-abi.EBUSY, CHECKED]);
    assert.deepEqual([b.machine.map(), code(b)], [[], before]);
    const refusal = b.machine.refusalOf("p");
    assert.ok(refusal);
    assert.equal(b.machine.errorOf(refusal).reason, "timeout");
    free();
    b.machine.run({ ns: MS });
    assert.equal((await b.xc.applyAndWait("p", { timeMs: 30 })).status, APPLIED);
  });

  test("R117, R224: one that waits for another's turn gives up by itself", async () => {
    const { b, free } = await stuckPair(0n, "guest-entry");
    const status = (): (number | undefined)[] => b.machine.payloads().map((one) => one.status);
    assert.equal(action(b.machine, "p", 4), 0);
    b.machine.run({ ns: MS });
    assert.equal(action(b.machine, "q", 4, 3n), 0);
    b.machine.run({ ns: 2n * MS });
    assert.deepEqual(status(), [PROGRESS, PROGRESS]);
    // No hypercall is made meanwhile: a saved machine that goes on elsewhere behaves the same.
    b.machine.restore(b.machine.snapshot());
    b.machine.run({ ns: 2n * MS });
    assert.deepEqual(status(), [PROGRESS, -abi.EBUSY]);
    const refusal = b.machine.refusalOf("q");
    assert.ok(refusal);
    assert.equal(b.machine.errorOf(refusal).reason, "timeout");
    free();
    await b.xc.wait("p");
    assert.deepEqual(status(), [APPLIED, -abi.EBUSY]);
    await b.xc.applyAndWait("q");
  });

  test("R192: how long CPUs stand still is told under load, too", async () => {
    // Without load nobody waits; a CPU that comes late makes all the others stand until then.
    for (const late of [0n, 2n * MS]) {
      const { b, free } = await stuckPair(0n, "guest-entry");
      if (late === 0n) free();
      b.machine.run({ ns: MS });
      const before = b.machine.info().timeNs;
      assert.equal(action(b.machine, "p", 4, 50n), 0);
      if (late !== 0n) {
        b.machine.run({ ns: late });
        free();
      }
      await b.xc.wait("p");
      const { stopNs, timeNs } = b.machine.info();
      assert.ok(stopNs > 0n && stopNs <= timeNs - before, `${stopNs} of ${timeNs - before}`);
      if (late === 0n) assert.ok(stopNs < MS / 10n, `${stopNs}`);
      else assert.ok(stopNs > late - MS / 2n, `${stopNs} for ${late}`);
    }
  });

  test("R19, R117: one of the functions on a stack: a clean failure that says where", async () => {
    const { b, free } = await stuckPair(0x28n, "rendezvous");
    const before = code(b);
    assert.equal(action(b.machine, "q", 4, 3n), 0);
    b.machine.run({ ns: 8n * MS });
    assert.equal(b.machine.payloads()[1]?.status, -abi.EBUSY);
    assert.deepEqual([b.machine.map(), code(b)], [[], before]);
    const refusal = b.machine.refusalOf("q");
    assert.ok(refusal);
    const error = b.machine.errorOf(refusal);
    assert.equal(error.reason, "on-stack");
    assert.match(error.message, /^CPU 1 .*arch_long_loop\+0x28/);
    free();
    b.machine.run({ ns: MS });
    await b.xc.applyAndWait("q", { timeMs: 30 });
    assert.equal(b.machine.map().length, 2);
  });
});

describe("states", () => {
  test("R126: LOADED is checked first, and applied only then", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("xsa125"));
    const same = witness(b.machine);
    await refused(b.xc.apply("p"), abi.EINVAL, "wrong-state");
    await refused(b.xc.revert("p"), abi.EINVAL, "wrong-state");
    same();
    await b.xc.checkAndWait("p");
    await b.xc.applyAndWait("p");
  });

  test("R128: CHECK of what is CHECKED looks again", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("old-exact"));
    await b.xc.checkAndWait("p");
    const va = b.machine.symbols.resolve("account_tick") + 3n;
    const was = b.machine.read(va, 1).slice();
    b.machine.write(va, hex("07"));
    await refused(b.xc.checkAndWait("p"), abi.EILSEQ, "old-code");
    b.machine.write(va, was);
    await b.xc.checkAndWait("p");
    assert.equal(await b.status("p"), CHECKED);
  });

  test("R10, R16: what is loaded, what is applied and where, and back", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.load("fix", sample("xsa125"));
    await b.upload("later", sample("nop-out"));
    assert.deepEqual(await b.xc.listAll(), [
      { id: "fix", status: APPLIED },
      { id: "later", status: LOADED },
    ]);
    assert.deepEqual(
      b.machine.map().map(({ owner, va }) => [owner, va]),
      [["fix", b.machine.symbols.resolve("do_xen_version")]],
    );
    await b.xc.revertAndWait("fix");
    assert.deepEqual([b.machine.map(), b.image()], [[], image]);
  });

  test("R17: a bad one is known by its error and can go; one that is in use stays", async () => {
    const b = await Bench.boot();
    await b.upload("bad", sample("too-small"));
    await b.load("live", sample("xsa125"));
    await refused(b.xc.checkAndWait("bad"), abi.ENOSPC, "too-small");
    assert.deepEqual(
      (await b.xc.listAll()).filter(({ status }) => status < 0),
      [{ id: "bad", status: -abi.ENOSPC }],
    );
    await b.xc.unload("bad");
    const same = witness(b.machine);
    await refused(b.xc.unload("live"), abi.EINVAL, "still-applied");
    same();
  });

  test("R94: several for one function may be loaded; one is applied", async () => {
    const b = await Bench.boot();
    for (const name of ["xsa125", "rfc-example"]) {
      await b.upload(name, sample(name));
      await b.xc.checkAndWait(name);
    }
    await b.upload("third", buildPayload({ places: [trampoline("do_xen_version", 1728)] }));
    await b.xc.checkAndWait("third");
    await b.xc.applyAndWait("third");
    assert.equal(b.machine.hypercall(17, [0n]).rax, 42n);
    for (const other of ["xsa125", "rfc-example"]) {
      await refused(b.xc.applyAndWait(other), abi.EEXIST, "already-patched");
    }
    await b.xc.revertAndWait("third");
    await b.xc.applyAndWait("rfc-example");
    assert.deepEqual([...new Set(b.machine.map().map(({ owner }) => owner))], ["rfc-example"]);
  });
});

describe("what a payload has to be", () => {
  test("R7: its author chooses how: at the entry, or at every caller", async () => {
    const kinds: string[][] = [];
    for (const name of ["old-exact", "callers"]) {
      const b = await Bench.boot();
      const entry = b.machine.read("account_tick", 5).slice();
      await b.load("p", sample(name));
      kinds.push(b.machine.map().map(({ kind }) => kind));
      const touched = Buffer.compare(entry, b.machine.read("account_tick", 5)) !== 0;
      assert.equal(touched, name === "old-exact", name);
    }
    assert.deepEqual(kinds[0], ["trampoline"]);
    assert.deepEqual([...new Set(kinds[1])], ["field"]);
  });

  test("R68, R69: old code, build-id, place, new code, signature: all looked at", async () => {
    const key = createPrivateKey(readFileSync(inRoot("tests/cli/keys/author.key")));
    const keys = await readCertificates(readFileSync(inRoot("tests/cli/keys/author.crt")));
    const b = await Bench.boot({ keys, requireSignature: true });
    const sign = (bytes: Uint8Array) => signPayload(bytes, { key, hash: "sha256" });
    const old = { ...inline("account_tick", 5, 0, b.machine.read("account_tick", 5).slice()) };
    const place = trampoline("account_tick", 5, hex("b82b000000c3"));
    const whole = { places: [place], old: [old], buildId: hex("00112233445566778899") };
    const image = b.image();
    const good = buildPayload(whole);
    await refused(b.upload("p", good), abi.ENODATA, "sig-missing");
    const spoilt = sign(good);
    spoilt[good.length - 1] = 1 ^ (spoilt[good.length - 1] as number);
    await refused(b.upload("p", spoilt), abi.EPERM, "sig-bad");
    const wrong: [Parameters<typeof buildPayload>[0], number, string][] = [
      [{ ...whole, id: "92dd05a61556c554155b1508c9cf67d993336d29" }, abi.EINVAL, "build-id"],
      [{ ...whole, old: [{ ...old, content: hex("488d4702c3") }] }, abi.EILSEQ, "old-code"],
      [
        { ...whole, places: [{ ...place, relocAddr: 0xffff82d080113f00n }] },
        abi.EINVAL,
        "addr-symbol",
      ],
    ];
    for (const [spec, errno, reason] of wrong) {
      await b.upload("p", sign(buildPayload(spec)));
      await refused(b.xc.checkAndWait("p"), errno, reason);
      await b.xc.unload("p");
    }
    await b.load("p", sign(good));
    assert.equal(b.call("account_tick", 1n), 43n);
    await b.xc.revertAndWait("p");
    assert.deepEqual(b.image(), image);
  });

  test("R71: the id that a payload carries is what tools take it by", async () => {
    const s = new Session(scratch());
    for (const [name, id] of [
      ["rfc-example", "xsa125"],
      ["nop-out", "nop-out"],
    ] as const) {
      const { value } = await s.json("load", file(name));
      assert.equal((value as { id: string }).id, id);
    }
    const rows = (await s.json("list")).value as { id: string }[];
    assert.deepEqual(
      rows.map(({ id }) => id),
      ["xsa125", "nop-out"],
    );
  });
});
