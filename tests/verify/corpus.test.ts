// verify against the corpus that a real Xen 4.17.7 has judged (tests/oracle): the right class for
// each case, the errno of what is refused, and every known danger in words. Issue 5, items 4 and 5.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type VerifyRow, verify } from "../../host/index.js";
import { cases, findImage, rows, unpackPayloads } from "../livepatch/corpus.js";
import { assertSchema, ids } from "./support.js";

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";

/** Cases that the real one accepts and that are damaged by it; the others it survives. */
const DAMAGE: Readonly<Record<string, string>> = {
  l13c_name_of_rodata_symbol_applied: "changes-data",
  l14_old_addr_data: "changes-data",
  l21b_nop_31_bytes_over_two_functions_applied: "nop-removes-return",
};

/** Uploaded there but not applied, because that would have run what is not code. */
const NOT_APPLIED: Readonly<Record<string, readonly [code: number, word: string]>> = {
  y15_undefined_data_symbol: [0, "branch-to-data"],
  y17_undefined_init_symbol: [0, "symbol-in-init"],
  y18_undefined_static_with_path: [0, "branch-to-data"],
  r04_type_none: [0, "branch-unrelocated"],
  r10_none_offset_past_end: [0, "branch-unrelocated"],
  r17_entsize_48: [0, "branch-unrelocated"],
  r20_info_past_end_skipped: [0, "branch-unrelocated"],
  l16_old_addr_mid_function: [-22, "xen-crash-mid-instruction"],
  l20d_new_addr_own_rodata: [-22, "xen-crash-new-addr"],
  l21_nop_31_bytes: [0, "nop-removes-return"],
};

/** Why each case crashed the real one, as the row's reason says it. */
const CRASHES: Readonly<Record<string, string>> = {
  k17: "xen-crash-partial-apply",
  k18: "xen-crash-partial-revert",
  k05: "xen-crash-hook-null",
  k06: "xen-crash-hook-address",
  k09: "xen-crash-hook-null",
  s16: "xen-crash-symtab-link",
  s39: "xen-crash-not-alloc",
  s43: "xen-crash-size-wrap",
  s32b: "xen-crash-new-addr",
  s46b: "xen-crash-new-code",
  r13: "xen-crash-name-pointer",
  r22: "xen-crash-reloc-info",
  r29: "xen-crash-name-pointer",
  l19: "xen-crash-old-addr",
  l20g: "xen-crash-new-addr",
  l32: "xen-crash-still-patched",
  a24b: "xen-crash-bug-recursion",
  a08: "xen-crash-modinfo-empty",
  a13: "xen-crash-alt-feature",
  a16: "xen-crash-alt-length",
  a29: "xen-crash-not-alloc",
  a31: "xen-crash-hook-fault",
};

function checkCrash(name: string, row: VerifyRow): void {
  assert.equal(row.verdict, "danger");
  assert.ok(row.code < 0, "refused here");
  assert.equal(row.reason, CRASHES[name.split("_")[0] ?? ""]);
  assert.match(row.message ?? "", /Xen itself would (crash|hang) here/);
  assert.notEqual(row.hint ?? "", "");
}

/** Compares a row with the class that verdicts.tsv gives. */
function checkClass(name: string, verdict: string, errno: string, row: VerifyRow): void {
  if (verdict === "UPLOAD-REFUSED" || verdict === "APPLY-REFUSED") {
    assert.equal(row.verdict, "refused");
    assert.equal(row.errno, errno);
    assert.equal(row.step, verdict === "UPLOAD-REFUSED" ? "upload" : "apply");
  } else if (verdict.startsWith("CRASH-")) checkCrash(name, row);
  else if (verdict === "APPLIED") {
    const damage = DAMAGE[name];
    assert.equal(row.verdict, damage ? "danger" : "ok", row.message);
    assert.equal(row.code, 0);
    if (damage) assert.equal(row.reason, damage);
  } else if (verdict === "UPLOAD-OK-NOT-APPLIED") {
    const [code, word] = NOT_APPLIED[name] ?? [0, ""];
    assert.equal(row.verdict, word === "" ? "ok" : "danger");
    assert.equal(row.code, code);
    if (word !== "") assert.ok(row.reason === word || ids(row).includes(word), `${row.reason}`);
  } else assert.equal(verdict, "SEQUENCE");
}

describe("the corpus of a real Xen 4.17.7", { skip }, () => {
  const corpus = cases();
  const classes = new Map(rows("verdicts.tsv").map(([name = "", ...rest]) => [name, rest]));
  const judged = new Map<string, VerifyRow>();
  let payloads: ReturnType<typeof unpackPayloads>;

  before(async () => {
    payloads = unpackPayloads();
    const files = [...new Set(corpus.map(({ file }) => file))];
    const sources = files.map((file) => ({ file, bytes: payloads.read(file) }));
    const found = await verify(IMAGE, sources, { cpuFeatures: "qemu-k8" });
    for (const row of found) judged.set(row.file, row);
  });
  after(() => payloads?.remove());

  test("every case has the class that the real one gave it", (t) => {
    const wrong: string[] = [];
    for (const { name, file } of corpus) {
      const [verdict = "", errno = ""] = classes.get(name) ?? [];
      const row = judged.get(file);
      assert.ok(row, name);
      try {
        checkClass(name, verdict, errno, row);
      } catch (error) {
        wrong.push(`${name}: ${(error as Error).message}`);
      }
    }
    t.diagnostic(`${corpus.length - wrong.length} of ${corpus.length} cases agree`);
    assert.deepEqual(wrong, []);
  });

  test("all rows are as published", () => assertSchema([...judged.values()]));

  test("every crash of the corpus is in the list above", () => {
    const crashed = [...classes].filter(([, [verdict]]) => verdict?.startsWith("CRASH-"));
    assert.equal(crashed.length, Object.keys(CRASHES).length);
  });

  test("a payload made for the one below it is judged on top of it", async () => {
    const base = (name: string) => ({
      file: name,
      bytes: payloads.read(`base/${name}.livepatch`),
    });
    const [alone] = await verify(IMAGE, [base("bye")]);
    const [stacked] = await verify(IMAGE, [base("bye")], { stack: [base("hello")] });
    assert.deepEqual([alone?.verdict, alone?.reason], ["refused", "dependency"]);
    assert.equal(stacked?.verdict, "ok", stacked?.message);
  });

  test("two that share a name of a local symbol fight", async () => {
    const twins = corpus.find(({ name }) => name.startsWith("g29_"));
    assert.ok(twins);
    const files = [twins.file, ...twins.steps.flatMap(({ file }) => file ?? [])];
    const sources = [...new Set(files)].map((file) => ({ file, bytes: payloads.read(file) }));
    const found = await verify(IMAGE, sources);
    assert.ok(
      found.every((row) => ids(row).includes("symbol-clash")),
      JSON.stringify(found.map(ids)),
    );
  });

  test("several images: image by image, rows say which", async () => {
    const hello = { file: "hello", bytes: payloads.read("base/hello.livepatch") };
    const bye = { file: "bye", bytes: payloads.read("base/bye.livepatch") };
    const found = await verify([IMAGE ?? "", IMAGE ?? ""], [hello, bye]);
    assert.deepEqual(
      found.map(({ file, image }) => [file, image]),
      [
        ["hello", IMAGE],
        ["bye", IMAGE],
        ["hello", IMAGE],
        ["bye", IMAGE],
      ],
    );
  });
});
