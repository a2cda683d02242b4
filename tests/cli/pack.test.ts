// `pack`: objects built here, field by field, and, where gcc is installed, objects that it
// compiles from plain C in the shape of the RFC's own test file (R64, K7): structures without
// section attributes, a main() and a call of puts() in between.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as elf from "../../host/elf/constants.js";
import { FileError } from "../../host/elf/error.js";
import { pack } from "../../host/elf/pack.js";
import { type ElfFile, readElf } from "../../host/elf/reader.js";
import { type OutRela, type OutSection, type OutSymbol, writeElf } from "../../host/elf/writer.js";
import { inRoot } from "../support/root.js";
import { scratch } from "./support.js";

const DIRECTORY = scratch();
const GCC = spawnSync("gcc", ["--version"]).status === 0;
const needsGcc = { skip: GCC ? false : "gcc is not installed" };

/** A plain source: everything that a payload needs, nothing where a payload has it. */
const PLAIN = `
#include "xsplice.h"
int puts(const char *);
char replacement[64] = { 0x31, 0xc0, 0xc3 };
static struct xsplice_symbol symbol = { .name = "victim", .label = "victim+<0x0>" };
struct xsplice_reloc_howto howto = XSPLICE_HOWTO_TRAMPOLINE;
struct xsplice_reloc relocs[1] = { { .symbol = &symbol, .howto = &howto, .isns_added = -4 } };
struct xsplice_section sections[1] = {
    { .symbol = &symbol, .size = 64, .flags = XSPLICE_SECTION_TEXT } };
struct xsplice_patch patches[1] = {
    { .type = XSPLICE_PATCH_RELOC_TEXT, .size = 64, .content = CONTENT } };
struct xsplice_code code = { .relocs = relocs, .n_relocs = 1, .sections = sections,
    .n_sections = 1, .patches = patches, .n_patches = 1 };
struct xsplice root = { .name = "plain", .id = "Xen 4.6", .new = &code };
int main(void) { return puts(root.name); }
`;

function compile(name: string, source: string, flags: readonly string[]): Uint8Array {
  const [from, to] = [join(DIRECTORY, `${name}.c`), join(DIRECTORY, `${name}.o`)];
  writeFileSync(from, source);
  const args = ["-c", "-w", ...flags, "-I", inRoot("include"), "-o", to, from];
  const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return readFileSync(to);
}

const plain = (flags: readonly string[]): Uint8Array =>
  compile("plain", PLAIN, ["-DCONTENT=replacement", ...flags]);

function sectionOf(file: ElfFile, symbol: string): string {
  const found = file.symbols.find(({ name }) => name === symbol);
  assert.ok(found, `${symbol} is kept`);
  return file.sections[found.shndx]?.name ?? "";
}

function refused(reason: string, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FileError, String(error));
    assert.equal(error.reason, reason);
    assert.match(error.message, text);
    return true;
  };
}

describe("R64: a plain object, compiled", needsGcc, () => {
  for (const flags of [["-O0"], ["-O2"], ["-O2", "-fno-pie"], ["-O2", "-fdata-sections"]]) {
    test(flags.join(" "), () => {
      const packed = pack(plain(flags));
      assert.equal(packed.name, "plain");
      assert.equal(packed.patches, 1);
      assert.deepEqual(packed.dropped, ["main"]);
      const file = readElf(packed.bytes);
      assert.equal(file.sections.find(({ name }) => name === ".xsplice")?.size, 72);
      assert.equal(sectionOf(file, "code"), ".xsplice.code");
      assert.equal(sectionOf(file, "patches"), ".xsplice.patches");
      assert.equal(sectionOf(file, "replacement"), ".text.xsplice.replacement");
      const names = file.symbols.map(({ name }) => name);
      assert.ok(!names.includes("puts") && !names.includes("main"));
      assert.ok(!file.sections.some(({ name }) => /eh_frame|comment|note/.test(name)));
    });
  }

  test("the same object gives the same bytes, and packing again changes nothing", () => {
    const once = pack(plain(["-O2"])).bytes;
    assert.deepEqual(Buffer.from(pack(plain(["-O2"])).bytes), Buffer.from(once));
    assert.deepEqual(Buffer.from(pack(once).bytes), Buffer.from(once));
  });

  test("a function is taken along with what it calls, and references stay right", () => {
    const source = `${PLAIN}
      static int table[4] = { 1, 2, 3, 4 };
      __attribute__((noinline)) static int helper(int i) { return table[i] + puts("in"); }
      int unused(int i) { return helper(i) + 1; }
      int fix(int i) { return helper(i) * 2; }`;
    const bytes = compile(
      "fn",
      source.replace("char replacement", "int fix(int); char replacement"),
      [
        "-O1",
        "-fPIE",
        "-fno-plt",
        "-fvisibility=hidden",
        "-fno-reorder-functions",
        "-DCONTENT=fix",
        "-DOLD",
      ],
    );
    const { dropped, bytes: out } = pack(bytes);
    assert.deepEqual([...dropped].sort(), ["main", "replacement", "unused"]);
    const file = readElf(out);
    assert.equal(sectionOf(file, "fix"), ".text");
    assert.equal(sectionOf(file, "helper"), ".text");
    const fix = file.symbols.find(({ name }) => name === "fix");
    const text = file.sections[fix?.shndx ?? 0];
    const call = file.relas
      .get(text?.index ?? 0)
      ?.find(({ offset }) => text?.data[offset - 1] === 0xe8 && offset >= Number(fix?.value));
    const target = file.symbols[call?.symbol ?? 0];
    const helper = file.symbols.find(({ name }) => name === "helper");
    assert.equal((target?.value ?? 0n) + (call?.addend ?? 0n) + 4n, helper?.value);
  });

  test("a GOT load becomes a direct one: a payload has no GOT", () => {
    const source = `extern int elsewhere; ${PLAIN} int *fix(void) { return &elsewhere; }`;
    const declared = source.replace("char replacement", "int *fix(void); char replacement");
    const bytes = compile("got", declared, ["-O2", "-fPIC", "-DCONTENT=fix"]);
    const before = [...readElf(bytes).relas.values()].flat().map(({ type }) => type);
    assert.ok(before.includes(elf.R_REX_GOTPCRELX));
    const file = readElf(pack(bytes).bytes);
    const after = [...file.relas.values()].flat();
    assert.ok(after.every(({ type }) => elf.LOADABLE_RELOCS.has(type)));
    const load = after.find(({ symbol }) => file.symbols[symbol]?.name === "elsewhere");
    const text = file.sections.find(({ name }) => name === ".text");
    assert.equal(text?.data[(load?.offset ?? 0) - 2], 0x8d, "lea");
  });
});

describe("refusals, exactly", () => {
  const data = (bytes: Uint8Array, name = ".data"): OutSection & { relas: OutRela[] } => ({
    name,
    type: elf.SHT_PROGBITS,
    flags: elf.SHF_ALLOC | elf.SHF_WRITE,
    align: 8,
    size: bytes.length,
    data: bytes,
    relas: [],
  });
  const object = (
    name: string,
    section: OutSection | number,
    value: bigint,
    size: bigint,
  ): OutSymbol => ({
    name,
    value,
    size,
    type: 1,
    bind: 1,
    other: 0,
    section,
  });
  /** Root at 0, code at 72, a string at 144. */
  function build(change: (bytes: Uint8Array, relas: OutRela[]) => void): Uint8Array {
    const bytes = new Uint8Array(160);
    bytes.set(Buffer.from("built\0"), 144);
    const section = data(bytes);
    const root = object("root", section, 0n, 72n);
    const code = object("code", section, 72n, 72n);
    const name = object("text", section, 144n, 16n);
    section.relas.push({ offset: 8, type: elf.R_64, symbol: name, addend: 0n });
    section.relas.push({ offset: 32, type: elf.R_64, symbol: code, addend: 0n });
    change(bytes, section.relas);
    return writeElf([section], [root, code, name]);
  }

  test("the built object itself packs", () => {
    assert.equal(pack(build(() => {})).name, "built");
  });

  test("not ELF, cut short, another class, another type", () => {
    const good = build(() => {});
    const patch = (at: number, value: number): Uint8Array => {
      const bytes = good.slice();
      bytes[at] = value;
      return bytes;
    };
    assert.throws(() => pack(new Uint8Array(0)), refused("elf-truncated", /0 bytes/));
    assert.throws(() => pack(patch(0, 0)), refused("elf-magic", /not an ELF/));
    assert.throws(() => pack(patch(4, 1)), refused("elf-unsupported-class", /64-bit/));
    assert.throws(() => pack(patch(18, 3)), refused("elf-unsupported-machine", /machine 3/));
    assert.throws(() => pack(patch(16, 2)), refused("elf-unsupported-type", /relocatable/));
    const short = good.subarray(0, good.length - 70);
    assert.throws(() => pack(short), refused("elf-section-table", /outside/));
  });

  test("no root: a version that is not 0, a pad that is not zero, no `new`", () => {
    const versioned = build((bytes) => {
      bytes[0] = 1;
    });
    assert.throws(() => pack(versioned), refused("root-missing", /no root: root, code/));
    const padded = build((bytes) => {
      bytes[50] = 1;
    });
    assert.throws(() => pack(padded), refused("root-missing", /72 bytes/));
    const without = build((_, relas) => {
      relas.pop();
    });
    assert.throws(() => pack(without), refused("root-missing", /72 bytes/));
  });

  test("an array that does not fit, or points nowhere", () => {
    const many = build((bytes, relas) => {
      bytes[72 + 8] = 9;
      relas.push({ ...(relas[0] as OutRela), offset: 72 });
    });
    assert.throws(() => pack(many), refused("struct-size", /new.relocs: 9 of 64 bytes/));
  });

  test("a relocation that no payload can have", () => {
    const odd = build((_, relas) => {
      relas.push({ ...(relas[0] as OutRela), offset: 150, type: 23 });
    });
    assert.throws(() => pack(odd), refused("elf-unsupported-reloc", /text\+0x6: R_X86_64_TPOFF32/));
  });

  test("any damaged byte gives a result or a refusal, never anything else", () => {
    const good = build(() => {});
    let refusals = 0;
    for (let at = 0; at < good.length; at++) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] as number) ^ 0xff;
      try {
        pack(bytes);
      } catch (error) {
        assert.ok(error instanceof FileError, `byte ${at}: ${(error as Error).stack}`);
        refusals += 1;
      }
    }
    assert.ok(refusals > 50);
  });
});
