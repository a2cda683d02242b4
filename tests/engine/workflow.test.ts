// What an administrator and an author do with all of it: several mechanisms in one payload, places
// named in every way, what is loaded and applied, in which order, and the way back (RFC
// "Workflow").

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { hex, inline, type PayloadSpec, type Place, trampoline } from "./payload.js";
import { APPLIED, Bench, CHECKED, LOADED, REVERTED, refused, sample } from "./support.js";

const RODATA = abi.XSPLICE_SECTION_RODATA;
const REL32 = { flag: 3, size: 4, mask: 0xffffffffn };

/** The slot of a table in .rodata that shall lead to `code`. */
function slot(table: string, size: number, at: number, code: Uint8Array): Place {
  return {
    type: abi.XSPLICE_PATCH_INLINE_DATA,
    symbol: table,
    size,
    flags: RODATA,
    target: BigInt(at),
    at: BigInt(at),
    howto: { size: 8, mask: 0xffffffffffffffffn },
    content: code,
  };
}

/** Sites of `account_tick` in the image: function, its size, offset of the displacement. */
async function sites(b: Bench): Promise<{ name: string; size: number; at: number }[]> {
  const found: { name: string; size: number; at: number }[] = [];
  const tick = b.machine.symbols.resolve("account_tick");
  for (const { name, va, size } of b.machine.symbols) {
    if (!name.startsWith("account_") || size === 0n) continue;
    for (const insn of await b.machine.decode(va, 12)) {
      if (insn.va >= va + size || !/^(call|jmp)/.test(insn.text) || insn.bytes.length !== 5)
        continue;
      if (BigInt(/0x[0-9a-f]+/i.exec(insn.text)?.[0] ?? 0) !== tick) continue;
      found.push({ name, size: Number(size), at: Number(insn.va - va) + 1 });
    }
  }
  return found;
}

describe("one payload", () => {
  test("R6, R7, R29: any mix of mechanisms, many places, code and data", async () => {
    const b = await Bench.boot();
    const image = b.image();
    const [first] = await sites(b);
    assert.ok(first);
    const mixed: PayloadSpec = {
      places: [
        trampoline("check_even", 24),
        inline("clamp_request", 13, 0, hex("4889f8c3")),
        {
          ...inline(first.name, first.size, first.at, hex("488d4765c3")),
          added: -4n,
          howto: REL32,
        },
        slot("endbr_ops", 16, 8, hex("488d0437c3")), // lea (%rdi,%rsi),%rax; ret
      ],
    };
    await b.load("mixed", mixed);
    const kinds = b.machine.map().map((place) => place.kind);
    assert.deepEqual(kinds.sort(), ["field", "field", "text", "trampoline"]);
    assert.equal(b.call("check_even", 9n), 42n);
    assert.equal(b.call("clamp_request", 5000n), 5000n);
    assert.equal(b.call("endbr_apply", 1n, 6n, 7n), 13n);
    assert.notEqual(b.call("do_account", 7n), 1077n);
    await b.xc.revertAndWait("mixed");
    assert.deepEqual(b.image(), image);
  });

  test("R3, R19: callers; one site that cannot be patched, and none is", async () => {
    const b = await Bench.boot();
    const image = b.image();
    const all = await sites(b);
    assert.ok(all.length >= 3, `${all.length} sites`);
    const code = hex("488d4765c3"); // lea 101(%rdi),%rax; ret
    const place = (site: (typeof all)[number]): Place => ({
      ...inline(site.name, site.size, site.at, code),
      added: -4n, // R34
      howto: REL32,
    });
    const places = all.map(place);
    const spoilt = [...places.slice(0, -1), { ...(places.at(-1) as Place), size: 1 }];
    await b.upload("spoilt", { places: spoilt });
    await refused(b.xc.checkAndWait("spoilt"), abi.ERANGE, "size");
    assert.deepEqual(b.image(), image);
    await b.load("callers", { places });
    assert.equal(b.machine.map().length, all.length);
    assert.equal(b.call("account_tick", 1n), 2n, "the callee itself is not touched");
    assert.notEqual(b.call("do_account", 7n), 1077n);
  });

  test("R12, R31, R33, R59: a place by symbol and offset, by address, by both", async () => {
    const b = await Bench.boot();
    const va = b.machine.symbols.resolve("check_even");
    const code = inline("check_even", 24, 0, hex("b801000000c3"));
    const same: Place[] = [
      code,
      { ...code, at: va },
      { ...code, at: va, relocAddr: va, address: va },
      { ...code, symbol: undefined, at: va, relocAddr: va, address: va },
    ];
    for (const place of same) {
      await b.load("p", { places: [place] });
      assert.equal(b.call("check_even", 9n), 1n);
      await b.xc.revertAndWait("p");
      await b.xc.unload("p");
    }
    // and a trampoline in the middle of a function: behind the frame that stays
    const inside = { ...trampoline("check_even", 24), relocAddr: va + 8n, target: 8n };
    await b.load("p", { places: [inside] });
    assert.equal(b.machine.map()[0]?.va, va + 8n);
  });

  test("R51, R54: flags that relax the checks may be combined", async () => {
    const b = await Bench.boot();
    const flags =
      abi.XSPLICE_SECTION_TEXT |
      abi.XSPLICE_SECTION_TEXT_INLINE |
      abi.XSPLICE_SECTION_MATCH_EXACT |
      abi.XSPLICE_SECTION_NO_STACKCHECK;
    await b.load("p", { places: [{ ...inline("check_even", 24, 0, hex("90")), flags }] });
    assert.equal(b.machine.map().length, 1);
  });

  test("R58, R2: what ends inside an old instruction is filled to its end with NOPs", async () => {
    const b = await Bench.boot();
    const [first] = await b.machine.decode("clamp_request", 1);
    const length = (first as { bytes: Uint8Array }).bytes.length;
    assert.equal(length, 5);
    await b.load("p", { places: [inline("clamp_request", 13, 0, hex("4889f8c3"))] });
    const [place] = b.machine.map();
    assert.deepEqual([place?.size, ...(place?.new ?? [])], [5, 0x48, 0x89, 0xf8, 0xc3, 0x90]);
    // bytes that are no whole instruction belong to the old ones behind them
    await b.load("q", { places: [inline("check_even", 24, 0, hex("40"))] });
    assert.equal(b.machine.map().find((one) => one.owner === "q")?.size, 1);
  });
});

describe("workflow", () => {
  test("R1, R10, R14-R17: upload, query, apply while calls go on, mark bad, take off", async () => {
    const b = await Bench.boot();
    for (const id of ["inline-text", "nop-out", "old-exact"]) await b.upload(id, sample(id));
    const list = async (): Promise<number[]> =>
      (await b.xc.listAll()).map((summary) => summary.status);
    assert.deepEqual(await list(), [LOADED, LOADED, LOADED]);
    await b.xc.checkAndWait("nop-out");
    await b.xc.applyAndWait("nop-out");
    await b.xc.checkAndWait("old-exact");
    assert.deepEqual(await list(), [LOADED, APPLIED, CHECKED]);
    assert.deepEqual(
      b.machine.map().map(({ owner, kind, order }) => [owner, kind, order]),
      [["nop-out", "text", 1n]],
    );
    assert.equal(b.call("check_even", 9n), 11n);
    assert.equal(b.call("clamp_request", 5000n), 1000n);
    await b.xc.revertAndWait("nop-out");
    await b.xc.unload("nop-out");
    assert.deepEqual(await list(), [LOADED, CHECKED]);
    assert.equal(b.call("check_even", 9n), -22n);
  });

  test("R18: the order of activation is measured", async () => {
    const chain = async (order: string[]): Promise<string> => {
      const b = await Bench.boot();
      for (const id of order) await b.load(id, sample(id));
      await b.xc.revertAndWait(order.at(-1) as string);
      const lines = b.printed
        .join("")
        .split("\n")
        .filter((line) => line.includes("chain"));
      assert.equal(lines.length, order.length + 1);
      assert.match(
        lines[0] as string,
        new RegExp(`^xsplice: 1: applied ${order[0]} \\([0-9a-f]{32}\\)`),
      );
      assert.match(lines.at(-1) as string, / reverted /);
      return (lines[order.length - 1] as string).slice(-16);
    };
    const forward = await chain(["inline-text", "nop-out"]);
    assert.equal(await chain(["inline-text", "nop-out"]), forward);
    assert.notEqual(await chain(["nop-out", "inline-text"]), forward);
  });

  test("R94: several payloads for one function may be loaded; one is applied", async () => {
    const b = await Bench.boot();
    await b.upload("a", { name: "a", places: [trampoline("check_even", 24)] });
    await b.upload("b", { name: "b", places: [trampoline("check_even", 24)] });
    await b.xc.checkAndWait("a");
    await b.xc.checkAndWait("b");
    await b.xc.applyAndWait("a");
    await refused(b.xc.applyAndWait("b"), abi.EEXIST, "already-patched");
    await b.xc.revertAndWait("a");
    await b.xc.applyAndWait("b");
    assert.deepEqual([await b.status("a"), await b.status("b")], [REVERTED, APPLIED]);
  });
});

describe("the RFC's numbers in the image (A12)", () => {
  test("R207, R208, R210: table slots and the bytes of XSA-132", async () => {
    const { machine } = await Bench.boot();
    assert.deepEqual([...machine.read(0xffff82d08024b2f8n, 8)], [...hex("9e2f1180d082ffff")]);
    assert.deepEqual([...machine.read(0xffff82d08024d490n, 8)], [...hex("79301080d082ffff")]);
    const domctl = Buffer.from(machine.read("arch_do_domctl", 358));
    assert.ok(domctl.includes(Buffer.from(hex("4889e0 48250080ffff"))));
  });
});
