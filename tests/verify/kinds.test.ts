// Every kind of finding about today's payloads is caused by a payload, and not by one that does it
// right. Payloads of the corpus (tests/oracle) with a few bytes changed, judged on Debian's Xen;
// what hooks leave behind, and code that nobody reaches, with payloads made for the embedded
// mini-Xen (tests/livepatch/payloads). Issue 5, item 5.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Finding, type VerifyRow, verify } from "../../host/index.js";
import { LivepatchControl } from "../../host/livepatch.js";
import { HAZARD_KINDS, hazardFindings } from "../../host/verify/hazards.js";
import { findLivepatch } from "../../host/verify/records.js";
import { findImage, unpackPayloads } from "../livepatch/corpus.js";
import { contents, section } from "../livepatch/sections.js";
import { inRoot } from "../support/root.js";
import { ids } from "./support.js";

/** struct livepatch_func. */
const FUNC_SIZE = 104;
const OLD_ADDR = 16;
const NEW_SIZE = 24;
const OLD_SIZE = 28;
/** Elf64_Shdr. */
const SH_ADDRALIGN = 48;
/** Where the RFC's examples have it, and mini-Xen. */
const DO_XEN_VERSION = 0xffff82d080112f9en;

const covered = new Set<string>();

function finding(row: VerifyRow | undefined, id: string): Finding {
  covered.add(id);
  return row?.findings.find((one) => one.id === id) ?? assert.fail(`${id}: only ${ids(row)}`);
}

describe("on the embedded mini-Xen", () => {
  const payload = (name: string): string =>
    inRoot("tests", "livepatch", "payloads", `${name}.livepatch`);

  /** Judges a payload and its counterpart that does it right. */
  async function both(
    id: string,
    bad: string,
    good: string,
  ): Promise<{ row: VerifyRow; found: Finding }> {
    const [row] = await verify(undefined, [payload(bad)]);
    const [right] = await verify(undefined, [payload(good)]);
    assert.equal(right?.verdict, "ok", right?.message);
    assert.ok(!ids(right).includes(id), `${good}: ${ids(right)}`);
    return { row: row ?? assert.fail("no row"), found: finding(row, id) };
  }

  test("never-reached: its callers have the function's code in them", async () => {
    const { row, found } = await both("never-reached", "inlined", "copy_shared");
    assert.equal(row.verdict, "ok", "Xen takes it, and it does nothing");
    assert.match(found.place, /^spin_unlock \(0x[0-9a-f]+\)$/);
  });

  test("pointer-survives-unload: danger, although every step works", async () => {
    const id = "pointer-survives-unload";
    const { row, found } = await both(id, "pointer", "pointer_taken_back");
    assert.deepEqual([row.verdict, row.code, row.reason], ["danger", 0, id]);
    assert.match(found.place, /^cpu_stat\+0x3ff8 /);
    assert.equal(found.severity, "error");
  });

  test("data-left-changed: the variable that was changed is named, not its neighbour", async () => {
    const { row, found } = await both("data-left-changed", "counter", "counter_put_back");
    assert.equal(row.verdict, "ok");
    assert.match(found.place, /^boot_count \(0x[0-9a-f]+\)$/);
  });

  test("code-left-changed", async () => {
    const { row, found } = await both("code-left-changed", "code", "code_put_back");
    assert.deepEqual([row.verdict, row.code], ["danger", 0]);
    assert.match(found.place, /^xen_minor_version\+0x1 /);
  });

  test("data-duplicated", async () => {
    const { row, found } = await both("data-duplicated", "copy", "copy_shared");
    assert.equal(row.verdict, "ok");
    assert.equal(found.place, "boot_count.0");
    assert.match(found.hint, /undefined symbol: boot_count\.$/);
  });

  test("already-patched: not for a payload that stands on the other one", async () => {
    const stack = [payload("copy_shared")];
    const [blind] = await verify(undefined, [payload("value_preapply_0")], { stack });
    assert.deepEqual([blind?.verdict, blind?.reason], ["refused", "dependency"]);
    finding(blind, "already-patched");
    const [above] = await verify(undefined, [payload("value_above_copy")], { stack });
    assert.equal(above?.verdict, "ok", above?.message);
    assert.ok(!ids(above).includes("already-patched"), `${ids(above)}`);
    const far = [...stack, payload("inlined_above_copy")];
    const [top] = await verify(undefined, [payload("value_above_inlined")], { stack: far });
    assert.equal(top?.verdict, "ok", top?.message);
    assert.ok(!ids(top).includes("already-patched"), "it stands on what is below that one");
    const [rfc] = await verify(undefined, [payload("value_preapply_0")], {
      stack: [inRoot("images", "payloads", "xsa125.xsplice")],
    });
    assert.ok(!ids(rfc).includes("already-patched"), "other bytes");
  });

  test("already-patched: by a payload of the RFC's format too", async () => {
    const bytes = Buffer.from(readFileSync(payload("copy_shared")));
    contents(bytes, ".livepatch.funcs").writeBigUInt64LE(DO_XEN_VERSION, OLD_ADDR);
    const [row] = await verify(undefined, [{ file: "f", bytes }], {
      stack: [inRoot("images", "payloads", "xsa125.xsplice")],
    });
    finding(row, "already-patched");
  });

  test("distance-edge: Xen's check lets pass what a jump does not reach", async () => {
    const bytes = Buffer.from(readFileSync(payload("inlined")));
    const place = 0xffff82d080101000n; // any page of code
    contents(bytes, ".livepatch.funcs").writeBigUInt64LE(place, OLD_ADDR);
    // The addend of the relocation of new_addr: two bytes into the payload.
    contents(bytes, ".rela.livepatch.funcs").writeBigInt64LE(2n, 24 + 16);
    const payloadBase = place - (1n << 31n) - 4096n; // a page that records the others
    const machine = await createMachine({ payloadBase });
    new LivepatchControl(machine).upload("edge", bytes);
    const loaded = findLivepatch(machine, "edge") ?? assert.fail("not loaded");
    assert.equal(loaded.funcs[0]?.newVa, payloadBase + 4098n);
    const found = hazardFindings(machine, loaded).map(({ id }) => id);
    covered.add("distance-edge");
    assert.ok(found.includes("distance-edge"), `${found}`);
    assert.throws(() => new LivepatchControl(machine).apply("edge"), /too far for a jump/);
  });
});

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";

type Change = (file: Buffer) => void;

const funcs =
  (change: (funcs: Buffer) => void): Change =>
  (file) =>
    change(contents(file, ".livepatch.funcs"));

/** Kind, payload of the corpus that shows it, and what is changed in it before. */
const CASES: readonly (readonly [id: string, file: string, change?: Change])[] = [
  ["same-function-twice", "mut/l32_same_function_twice"],
  [
    "patches-overlap",
    "base/two",
    // Three bytes into what the first one patches.
    funcs((all) => all.writeBigUInt64LE(0xffff82d040234b23n, FUNC_SIZE + OLD_ADDR)),
  ],
  [
    "nop-cuts-instruction",
    "base/nop5",
    funcs((all) => all.writeUInt32LE(all.readUInt32LE(OLD_SIZE) - 1, NEW_SIZE)),
  ],
  ["nop-removes-return", "mut/l21_nop_31_bytes"],
  ["old-not-at-start", "mut/l16_old_addr_mid_function"],
  ["changes-data", "mut/l14_old_addr_data"],
  ["old-size-differs", "mut/l04_old_size_5"],
  ["new-not-executable", "mut/l20d_new_addr_own_rodata"],
  ["new-empty", "mut/s46b_nobits_text_applied"],
  ["new-outside-payload", "mut/l20e_new_addr_other_xen_function"],
  [
    "new-not-at-symbol",
    "base/hello",
    // The addend of the relocation of new_addr.
    (file) => contents(file, ".rela.livepatch.funcs").writeBigInt64LE(7n, 24 + 16),
  ],
  ["relocation-skipped", "mut/r04_type_none"],
  ["branch-unrelocated", "mut/r04_type_none"],
  ["hook-null", "mut/k04_preapply_null_pointer"],
  ["section-ignored", "mut/k23_two_load_hook_sections_same_name"],
  [
    "sections-overlap",
    "base/two",
    // Both functions at the start of the text.
    (file) => file.writeBigUInt64LE(0n, section(file, ".text.xsp_two_minor").header + SH_ADDRALIGN),
  ],
  ["string-table-wraps", "mut/s44_strtab_size_wraps_last_byte_nul"],
  ["build-id-of-xen", "mut/d18_build_id_equals_xen"],
  [
    "exception-table-stray",
    "base/extable",
    (file) => {
      contents(file, ".rela.ex_table").writeBigInt64LE(0x100000n, 16);
    },
  ],
  [
    "bug-frame-stray",
    "base/bugframe",
    (file) => {
      contents(file, ".rela.bug_frames.1").writeBigInt64LE(0x100000n, 16);
    },
  ],
  ["alternative-ignored", "mut/a30_alt_priv_nonzero"],
  ["nothing-patched", "mut/l24_nop_size_0"],
  ["not-reappliable", "base/data"],
  ["old-too-small", "mut/l21_nop_31_bytes"],
  ["entered-midway", "mut/l21_nop_31_bytes"],
  ["symbol-in-init", "mut/y17_undefined_init_symbol"],
  ["branch-to-data", "mut/y15_undefined_data_symbol"],
  ["section-unknown", "mut/k24_load_hook_only"],
  ["new-never-reached", "base/hooks_two_load"],
];

describe("on Debian's Xen", { skip }, () => {
  let payloads: ReturnType<typeof unpackPayloads>;
  before(() => {
    payloads = unpackPayloads();
  });
  after(() => payloads?.remove());

  async function judge(file: string, change?: Change): Promise<VerifyRow> {
    const bytes = Buffer.from(payloads.read(`${file}.livepatch`));
    change?.(bytes);
    const [row] = await verify(IMAGE, [{ file, bytes }]);
    return row ?? assert.fail("no row");
  }

  test("a payload that does it right has none of them", async () => {
    assert.deepEqual(ids(await judge("base/hello")), []);
  });

  for (const [id, file, change] of CASES) {
    test(`${id}: ${file}${change ? ", changed" : ""}`, async () => {
      finding(await judge(file, change), id);
    });
  }

  test("changes-data: whoever reads it sees the jump, so `danger` is the word", async () => {
    const row = await judge("mut/l14_old_addr_data");
    assert.deepEqual([row.verdict, row.code, row.reason], ["danger", 0, "changes-data"]);
    assert.ok(!ids(row).includes("old-not-at-start"), "data has no function to miss the start of");
    const machine = await createMachine({ image: IMAGE ?? "" });
    // XENVER_commandline hands out the whole buffer, of which this payload patches an unused part.
    const seen = (): string => {
      const buffer = new Uint8Array(1024);
      assert.equal(machine.hypercall("xen_version", [9n, buffer]).rax, 0n);
      return Buffer.from(buffer.subarray(0x200, 0x205)).toString("hex");
    };
    const client = new LivepatchControl(machine);
    client.upload("l14", payloads.read("mut/l14_old_addr_data.livepatch"));
    assert.equal(seen(), "0000000000");
    client.apply("l14");
    assert.equal(client.wait("l14")?.state, "APPLIED");
    assert.match(seen(), /^e9(?!00000000)/);
    client.revert("l14");
    client.wait("l14");
    assert.equal(seen(), "0000000000");
  });

  test("old-init: NOPs over what is freed after boot", async () => {
    const machine = await createMachine({ image: IMAGE ?? "" });
    const [start] = machine.symbols.find("__start_xen");
    const va = start?.va ?? assert.fail("no __start_xen");
    const row = await judge(
      "base/nop5",
      funcs((all) => all.writeBigUInt64LE(va, OLD_ADDR)),
    );
    assert.deepEqual([row.verdict, row.reason], ["danger", "xen-crash-write"]);
    finding(row, "old-init");
  });

  test("expectation-boot-dependent: bytes that boot replaces by CPU", async () => {
    const machine = await createMachine({ image: IMAGE ?? "" });
    const va = machine.inside((core) => {
      assert.equal(core.invoke("hv_site_get", 0), 0);
      return core.record().getBigUint64(abi.SITE_VA, true);
    });
    const row = await judge(
      "base/expect",
      funcs((all) => all.writeBigUInt64LE(va - 2n, OLD_ADDR)),
    );
    finding(row, "expectation-boot-dependent");
  });

  test("symbol-of-other-payload, on top of the one that has it", async () => {
    const base = (file: string) => ({ file, bytes: payloads.read(`base/${file}.livepatch`) });
    const stack = [base("provider")];
    const [row] = await verify(IMAGE, [base("use_provider")], { stack });
    finding(row, "symbol-of-other-payload");
  });

  test("every kind that the core can tell is caused by a test of this file", () => {
    // Only after actions that verify does not do: tests/livepatch/names.test.ts.
    for (const id of ["replaced-with-old-data", "stuck-in-progress"]) covered.add(id);
    const missing = HAZARD_KINDS.filter(({ id }) => !covered.has(id));
    assert.deepEqual(
      missing.map(({ id }) => id),
      [],
    );
  });
});
