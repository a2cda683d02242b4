// Every way to patch (R2-R6, R176-R179, R184, R185, R195), by the sample payloads compiled from C:
// what a caller sees before, while and after, and that nothing of it is left in the machine (R213,
// A14).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { hex, inline } from "./payload.js";
import { APPLIED, Bench, CHECKED, LOADED, REVERTED, refused, sample } from "./support.js";

interface Row {
  payload: string;
  call: string;
  args: bigint[];
  before: bigint;
  after: bigint;
}

const EFFECTS: readonly Row[] = [
  { payload: "inline-text", call: "clamp_request", args: [5000n], before: 1000n, after: 5000n },
  { payload: "nop-out", call: "check_even", args: [9n], before: -22n, after: 11n },
  { payload: "callers", call: "do_account", args: [7n], before: 1077n, after: 1977n },
  { payload: "jump-table", call: "vm_assist", args: [3n, 100n], before: 93n, after: 1100n },
  { payload: "endbr", call: "endbr_apply", args: [1n, 6n, 7n], before: 42n, after: 43n },
  { payload: "tail-padding", call: "shadow_index", args: [1n, 5n], before: 5n, after: 105n },
  { payload: "old-exact", call: "account_tick", args: [1n], before: 2n, after: 12n },
  { payload: "old-relaxed", call: "account_last", args: [0n], before: 1001n, after: 2002n },
  { payload: "new-data", call: "account_last", args: [0n], before: 1001n, after: 4010n },
  { payload: "cumulative-v1", call: "account_last", args: [0n], before: 1001n, after: 1101n },
  { payload: "stack-1", call: "account_last", args: [0n], before: 1001n, after: 1301n },
  { payload: "overlap-1", call: "account_last", args: [0n], before: 1001n, after: 2001n },
];

describe("every way to patch", () => {
  for (const row of EFFECTS) {
    test(`${row.payload}: ${row.call} ${row.before} -> ${row.after} -> ${row.before}`, async () => {
      const b = await Bench.boot();
      const image = b.image();
      assert.equal(b.call(row.call, ...row.args), row.before);
      const empty = b.machine.stateHash();
      await b.upload("p", sample(row.payload));
      assert.equal(await b.status("p"), LOADED);
      await b.xc.checkAndWait("p");
      assert.equal(await b.status("p"), CHECKED);
      assert.deepEqual(b.image(), image, "CHECK changes nothing");
      await b.xc.applyAndWait("p");
      assert.equal(await b.status("p"), APPLIED);
      assert.notDeepEqual(b.image(), image);
      assert.equal(b.call(row.call, ...row.args), row.after);
      await b.xc.revertAndWait("p");
      assert.equal(await b.status("p"), REVERTED);
      assert.deepEqual(b.image(), image, "REVERT restores every byte");
      assert.equal(b.call(row.call, ...row.args), row.before);
      await b.xc.unload("p");
      assert.equal(b.machine.stateHash(), empty, "nothing is left");
    });
  }

  test("R127; 98b728a7b2, 66d3f83db6: APPLY after REVERT starts from fresh data", async () => {
    const b = await Bench.boot();
    await b.load("p", sample("new-data"));
    const first = [1, 2, 3].map(() => b.call("account_last", 0n));
    await b.xc.revertAndWait("p");
    await b.xc.applyAndWait("p");
    assert.deepEqual(
      [1, 2, 3].map(() => b.call("account_last", 0n)),
      first,
    );
    assert.notEqual(first[0], first[1], "the data does change");
  });

  test("R195: a fault in the payload's code recovers through its own exception table", async () => {
    const b = await Bench.boot();
    const probe = (): bigint => BigInt.asIntN(64, b.machine.hypercall(55, [0xdead000n]).rax);
    assert.equal(probe(), -14n);
    await b.load("p", sample("ex-table"));
    assert.equal(probe(), -61n);
    await b.xc.revertAndWait("p");
    assert.equal(probe(), -14n);
  });

  test("R4: slots of three pointer tables; do_xen_version itself is not touched", async () => {
    const b = await Bench.boot();
    const code = b.machine.read("do_xen_version", 16);
    const version = (): bigint => b.machine.hypercall(17, [0n]).rax;
    assert.equal(version(), 0x40006n);
    await b.load("p", sample("pointer-table"));
    assert.equal(version(), 0x40007n);
    assert.deepEqual(b.machine.read("do_xen_version", 16), code);
    assert.equal(b.machine.map().length, 3);
    await b.xc.revertAndWait("p");
    assert.equal(version(), 0x40006n);
  });

  test("R179: a new string for every user; R176: one in place, its other users told", async () => {
    const b = await Bench.boot();
    const texts = (): string[] =>
      ["text_refused", "text_denied", "text_banner"].map((name) =>
        b.machine.readString(b.machine.call(name).rax),
      );
    const before = texts();
    await b.load("new", sample("string-new"));
    assert.match(texts()[0] as string, /neither would it be/);
    assert.equal(texts()[0], texts()[1]);
    await b.xc.revertAndWait("new");
    await b.load("inline", sample("string-inline"));
    assert.match(texts()[2] as string, /1 patch/);
    assert.match(b.printed.join(""), /inline: string at ffff82d08024b000 has 2 users/);
    await b.load("merged", sample("string-merged"));
    assert.equal(texts()[0], "operation refused");
    assert.match(b.printed.join(""), /merged: string at ffff82d08024b860 has 3 users/);
    await b.xc.revertAndWait("merged");
    await b.xc.revertAndWait("inline");
    assert.deepEqual(texts(), before);
  });

  test("R184: beyond 2 GB through an island, which goes with the payload", async () => {
    const b = await Bench.boot({ payloadBase: 0xffff900000000000n });
    const empty = b.machine.stateHash();
    await b.load("p", sample("old-exact"));
    assert.equal(b.call("account_tick", 1n), 12n);
    const [place] = b.machine.map();
    assert.equal(place?.target, b.machine.payloads()[0]?.baseVa);
    const jump = new DataView((place as { new: Uint8Array }).new.buffer);
    const offset = (place as { new: Uint8Array }).new.byteOffset;
    const island = (place?.va ?? 0n) + 5n + BigInt(jump.getInt32(offset + 1, true));
    const distance = island - (place?.va ?? 0n);
    assert.ok(
      distance > 0x7fff0000n - 0x200000n && distance < 0x80000000n,
      "at the limit of its reach",
    );
    assert.deepEqual([...b.machine.read(island, 6)], [0xff, 0x25, 0, 0, 0, 0]);
    await b.xc.revertAndWait("p");
    assert.throws(() => b.machine.read(island, 1), /.*/, "the island is gone");
    await b.xc.unload("p");
    assert.equal(b.machine.stateHash(), empty);
  });

  test("K13: fields inside inline code that refer to the hypervisor", async () => {
    const b = await Bench.boot();
    const at = b.machine.symbols.resolve("check_even");
    // call account_tick; ret, over the beginning of check_even
    const code = inline("check_even", 24, 0, hex("e800000000 c3"));
    const rel32 = { flag: abi.XSPLICE_HOWTO_FLAG_PC_REL, size: 4, mask: 0xffffffffn };
    const fixup = { symbol: "account_tick", relocAddr: at + 1n, added: -4n, howto: rel32 };
    await b.load("p", { places: [code], fixups: [fixup] });
    assert.equal(b.call("check_even", 41n), 42n);
    await b.xc.revertAndWait("p");
    assert.equal(b.call("check_even", 9n), -22n);
    // only inside the new bytes
    await b.upload("q", { places: [code], fixups: [{ ...fixup, relocAddr: at + 3n }] });
    await refused(b.xc.checkAndWait("q"), abi.EINVAL, "patch-address");
    await b.upload("r", { places: [code], fixups: [{ ...fixup, symbol: "nobody" }] });
    await refused(b.xc.checkAndWait("r"), abi.ENOENT, "sym-missing");
  });

  test("R13, K23: the BUG trampoline catches who gets into the dead body", async () => {
    const b = await Bench.boot({ bugTrampoline: true });
    const va = b.machine.symbols.resolve("do_xen_version");
    await b.load("p", sample("xsa125"));
    assert.deepEqual(
      b.machine.map().map((place) => [place.kind, place.va - va, place.size]),
      [
        ["trampoline", 0n, 5],
        ["bug", 5n, 5],
      ],
    );
    const errant = b.machine.call(va + 5n);
    assert.deepEqual([errant.stop, errant.fault?.vector], ["fault", "#UD"]);
    await b.xc.revertAndWait("p");
    await b.xc.unload("p");
    // a function without room for a second jump goes without (K23)
    await b.load("small", sample("tail-padding"));
    assert.deepEqual(
      b.machine.map().map((place) => place.kind),
      ["trampoline"],
    );
  });
});
