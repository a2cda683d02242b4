// Defects that Xen's own live patching once had, by the commit that mended each: a test for those
// that no other file pins. Here the hypervisor and its RFC door; history_today has today's door,
// history_tools the tools. The others are found by their commit ids in the tests that pin them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { type ImageSymbol, type Machine, XenError } from "../../host/index.js";
import { BUILD_ID, buildPayload, hex, inline, type Place, trampoline } from "../engine/payload.js";
import { Bench, LOADED, REVERTED, refused, sample } from "../engine/support.js";
import { Dice, mutated } from "../fuzz/mutate.js";
import { renamed } from "./support.js";

const PAGE = 4096n;
const NOWHERE = 0xffff82d0a0000000n;
const WRITE_TO_READ_ONLY = 3;
const { XSPLICE_SECTION_RODATA: RODATA } = abi;

/** Code of the hypervisor writes the byte that is there: whether it may. */
function mayWrite(machine: Machine, va: bigint): boolean {
  const [byte = 0] = machine.read(va, 1);
  const { stop, fault } = machine.call("memset", [va, byte, 1n]);
  if (stop === "return") return true;
  assert.deepEqual([fault?.vector, fault?.error, fault?.va], ["#PF", WRITE_TO_READ_ONLY, va]);
  return false;
}

/** Pages from `start` to `end` that code of the hypervisor may write to; holes are left out. */
function writablePages(machine: Machine, start: bigint, end: bigint): bigint[] {
  const found: bigint[] = [];
  for (let va = start & ~(PAGE - 1n); va < end; va += PAGE) {
    try {
      machine.read(va, 1);
    } catch (error) {
      assert.ok(error instanceof XenError);
      continue;
    }
    if (mayWrite(machine, va)) found.push(va);
  }
  return found;
}

const imagePages = (machine: Machine): bigint[] => {
  const { imageStart, imageEnd } = machine.info();
  return writablePages(machine, imageStart, imageEnd);
};

/** Bytes of a string in .rodata, in place. */
const banner: Place = {
  type: abi.XSPLICE_PATCH_INLINE_DATA,
  symbol: "console_banner",
  size: 32,
  flags: RODATA | abi.XSPLICE_SECTION_STRING,
  target: 0n,
  at: 0n,
  inside: "rodata",
  content: hex("58595a"),
};

describe("write protection (R178, R217; 92167e9430, 8676092a0f, b083b1c393)", () => {
  test("a stray write faults in every state; .rodata is writable only while patched", async () => {
    const b = await Bench.boot();
    const before = imagePages(b.machine);
    const text = b.machine.symbols.resolve("check_even");
    const rodata = b.machine.symbols.resolve("console_banner");
    const data = b.machine.symbols.resolve("boot_count");
    for (const [va, may] of [
      [text, false],
      [rodata, false],
      [data, true],
    ] as const) {
      assert.equal(before.includes(va & ~(PAGE - 1n)), may);
    }
    const same = (when: string): void => assert.deepEqual(imagePages(b.machine), before, when);
    await b.upload("p", { places: [trampoline("check_even", 24), banner] });
    same("uploaded");
    await b.xc.checkAndWait("p");
    same("checked");
    await b.xc.applyAndWait("p");
    assert.equal(b.machine.read(rodata, 1)[0], 0x58);
    same("applied");
    await b.xc.revertAndWait("p");
    same("reverted");
    await b.xc.applyAndWait("p");
    same("applied again");
    // failures: what is to be taken back is not what was written, then the same of what was there
    b.machine.write(rodata + 1n, hex("00"));
    await refused(b.xc.revertAndWait("p"), abi.EILSEQ, "foreign-bytes");
    same("a REVERT that failed");
    b.machine.write(rodata + 1n, hex("59"));
    await b.xc.revertAndWait("p");
    const old = { ...banner, content: b.machine.read(rodata, 3).slice() };
    await b.upload("q", { name: "q", places: [banner], old: [old] });
    await b.xc.checkAndWait("q");
    b.machine.write(rodata + 2n, hex("00"));
    await refused(b.xc.applyAndWait("q"), abi.EILSEQ, "old-code");
    same("an APPLY that failed");
  });

  test("of a payload only its data is writable, from UPLOAD on; R213: no state in it", async () => {
    const b = await Bench.boot();
    const memory = (): Uint8Array => {
      const [p] = b.machine.payloads();
      assert.ok(p && p.textSize > 0n && p.dataSize > 0n && p.rodataSize > 0n);
      const pages = (size: bigint): bigint => (size + PAGE - 1n) / PAGE;
      const rw = p.baseVa + PAGE * pages(p.textSize);
      const ro = rw + PAGE * pages(p.dataSize);
      const end = ro + PAGE * pages(p.rodataSize);
      assert.deepEqual(writablePages(b.machine, p.baseVa, end), [rw]);
      const parts = [
        [p.baseVa, rw],
        [ro, end],
      ] as const;
      return Buffer.concat(parts.map(([from, to]) => b.machine.read(from, Number(to - from))));
    };
    await b.upload("p", sample("new-data"));
    // 82182ad7b4: what is read-only is what was uploaded, whatever becomes of the payload
    const uploaded = memory();
    await b.xc.checkAndWait("p");
    await b.xc.applyAndWait("p");
    assert.deepEqual(memory(), uploaded);
    b.call("account_last", 0n);
    await b.xc.revertAndWait("p");
    assert.deepEqual(memory(), uploaded);
  });
});

describe("order of checks", () => {
  /** Each is wrong in a way of its own, which is told for the right build. */
  const WRONG: readonly (readonly [reason: string, places: readonly Place[]])[] = [
    ["sym-missing", [trampoline("no_such_function", 16)]],
    ["sym-ambiguous", [trampoline("backlog", 13)]],
    ["addr-symbol", [{ ...trampoline("check_even", 24), relocAddr: 0x1000n }]],
    [
      "not-mapped",
      [{ ...banner, symbol: undefined, address: NOWHERE, relocAddr: NOWHERE, at: NOWHERE }],
    ],
    ["patch-address", [{ ...inline("check_even", 24, 0, hex("c3")), at: 0x100000n }]],
    ["wrong-section", [{ ...trampoline("check_even", 24), flags: RODATA }]],
    ["init-text", [trampoline("start_xen", 47)]],
    ["size", [trampoline("check_even", 25)]],
    ["too-small", [trampoline("tiny_4", 4)]],
    ["self-patch", [trampoline("do_sysctl", 9)]],
    ["overlap", [inline("check_even", 24, 0, hex("9090")), inline("check_even", 24, 1, hex("c3"))]],
  ];
  for (const [reason, places] of WRONG) {
    test(`fa49f4be41, R24: another build's payload is that before it is ${reason}`, async () => {
      const b = await Bench.boot();
      for (const [id, said] of [
        [BUILD_ID, reason],
        [BUILD_ID.replace("9", "8"), "build-id"],
      ]) {
        await b.upload("p", { places, id: id as string });
        await b.xc.checkAndWait("p").then(
          () => assert.fail(`${reason} is accepted`),
          (error: XenError) => assert.equal(error.reason, said),
        );
        await b.xc.unload("p");
      }
    });
  }
});

describe("bad payloads", () => {
  const SEED = Number(process.env.HISTORY_SEED ?? 20_150_713);
  const ODD = [0n, 1n, 4n, 8n, 0x1000n, 0xffffffffn, 0xffff82d080113f00n, NOWHERE, -1n];
  const FLAGS = [1, 0x201, 0x801, 2, 10, 4, 0x400, 0];

  /** A place of a form that a compiler could give, with a few odd things about it. */
  function anyPlace(dice: Dice, symbols: readonly ImageSymbol[]): Place {
    const { name, size } = dice.pick(symbols);
    const odd = <T>(usual: T, other: () => T): T => (dice.below(5) === 0 ? other() : usual);
    const type = 1 + dice.below(3);
    const at = dice.below(Number(size) + 2);
    const content = new Uint8Array(odd(1 + dice.below(8), () => 1 + dice.below(64))).fill(0x90);
    const place =
      type === 3
        ? trampoline(name, Number(size), content)
        : {
            ...inline(name, Number(size), at, content),
            type,
            ...(type === 2 && { flags: RODATA }),
          };
    const inside = dice.below(2) === 0 ? "text" : "rodata";
    const field = { size: 1 << dice.below(4), flag: dice.below(4), mask: 0xffffffffn };
    return {
      ...place,
      inside: type === 2 ? inside : odd("text", () => inside),
      size: odd(Number(size), () => Number(size) + dice.below(3) - 1),
      flags: odd(place.flags ?? 1, () => dice.pick(FLAGS)),
      address: odd(0n, () => dice.pick(ODD)),
      relocAddr: odd(0n, () => dice.pick(ODD)),
      howto: type === 3 ? (place.howto ?? {}) : odd(place.howto ?? {}, () => field),
    };
  }

  /** What was put in place may be the way that hypercalls take: nobody can take it off then. */
  function stopped({ machine }: Bench, booted: Uint8Array, error: unknown): string {
    assert.ok(error instanceof XenError && error.reason === "stopped", String(error));
    machine.restore(booted);
    return error.reason;
  }

  /** As far as it gets, to the end of its life; why it got no further. */
  async function outcome(b: Bench, file: Uint8Array): Promise<string> {
    let uploaded = false;
    try {
      await b.upload("f", file);
      uploaded = true;
      await b.xc.checkAndWait("f");
      await b.xc.applyAndWait("f");
      await b.xc.revertAndWait("f");
      await b.xc.unload("f");
      return "unloaded";
    } catch (error) {
      assert.ok(error instanceof XenError, String(error)); // whatever traps in the core is none
      assert.notEqual(error.reason, "none", error.message);
      if (uploaded) await b.xc.unload("f");
      return error.reason;
    }
  }

  test(`aa5a06d5d6: never an assertion, also of those that pass; seed ${SEED}`, async () => {
    const dice = new Dice(SEED);
    const b = await Bench.boot();
    const before = b.machine.stateHash();
    const booted = b.machine.snapshot();
    const symbols = [...b.machine.symbols].filter(({ size }) => size > 0n);
    const names = ["xsa125", "callers", "string-new", "old-exact", "inline-text", "endbr"];
    const files = names.map(sample);
    const seen = new Map<string, number>();
    for (let run = 0; run < 1500; run++) {
      const places = Array.from({ length: 1 + dice.below(2) }, () => anyPlace(dice, symbols));
      const made = run % 2 === 0 ? buildPayload({ places }) : mutated(dice, dice.pick(files));
      const why = await outcome(b, made).catch((error) => stopped(b, booted, error));
      seen.set(why, (seen.get(why) ?? 0) + 1);
      assert.equal(b.machine.stateHash(), before, `seed ${SEED}, run ${run}: ${why}`);
    }
    const applied = seen.get("unloaded") ?? 0;
    assert.ok(applied > 100 && seen.size > 35, `${applied} applied, ${seen.size} outcomes`);
  });
});

describe("loaded, not applied (a57b4074ab, d2daa40fb3)", () => {
  test("R195, R196: its names and its exception table count from UPLOAD to UNLOAD", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("ex-table"));
    assert.deepEqual([await b.status("p"), b.machine.map()], [LOADED, []]);
    const { baseVa = 0n, textSize = 0n } = b.machine.payloads()[0] ?? {};
    let at = baseVa;
    const reader = "new_safe_read_u64 [p]";
    while (b.machine.symbols.nameOf(at) !== reader) assert.ok(++at < baseVa + textSize, "named");
    const reads = (): unknown => {
      const { stop, rax } = b.machine.call(at, [0xdead_0000n, 0n]);
      return [stop, BigInt.asIntN(64, rax)];
    };
    assert.deepEqual(reads(), ["return", -61n]);
    await b.xc.unload("p");
    assert.equal(b.machine.symbols.nameOf(at), undefined);
    assert.equal(b.machine.call(at, [0xdead_0000n, 0n]).fault?.va, at, "nor is it there");
  });
});

describe("dump (75dfe7c566)", () => {
  test("R138: more than 64 payloads, one of more than 64 places; again and again", async () => {
    const b = await Bench.boot();
    const names = Array.from({ length: 130 }, (_, i) => `p${String(i).padStart(5, "0")}`);
    for (const name of names) await b.upload(name, renamed(sample("xsa125"), "xsa125", name));
    const byte = b.machine.read("do_xen_version", 1).slice();
    const at = Array.from({ length: 70 }, (_, i) => 16 * i + 600);
    const places = at.map((offset) => inline("do_xen_version", 1728, offset, byte));
    await b.load("many", { name: "many", places });
    assert.equal(b.machine.map().length, 70);
    await b.xc.check("p00064");
    const dump = (): string[] => {
      const from = b.printed.length;
      assert.ok(b.machine.key("x"));
      return b.printed.slice(from).join("").split("\n").slice(0, -1);
    };
    const lines = names.map((name) => ` id=${name} status=LOADED(1,old=0): `);
    lines[64] = " id=p00064 status=PROGRESS(2,old=1): ";
    lines.push(" id=many status=APPLIED(8,old=4): ");
    assert.deepEqual([dump(), dump()], [lines, lines]);
    // and whatever it held while it printed is free again
    b.machine.run();
    await b.xc.revertAndWait("many");
    lines[64] = " id=p00064 status=CHECKED(4,old=1): ";
    lines[130] = " id=many status=REVERTED(16,old=8): ";
    assert.deepEqual(dump(), lines);
    assert.equal(await b.status("many"), REVERTED);
  });
});
