/*
 * Does mini-Xen have the addresses, sizes and bytes that the RFC's examples show (requirements
 * R206-R211 and mini-xen/README.md)? Read from the ELF file alone. `node images/verify.mjs [ELF]`
 * prints one line per fact; a test imports verifyMiniXen.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const MINI_XEN = join(dirname(fileURLToPath(import.meta.url)), "mini-xen", "mini-xen");

const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHF_ALLOC = 2n;

/** The parts of an ELF64 file that the facts below ask about. */
export function readImage(bytes) {
  const elf = Buffer.from(bytes);
  const name = (strings, at) => elf.toString("latin1", strings + at, elf.indexOf(0, strings + at));
  const sections = [];
  const count = elf.readUInt16LE(60);
  for (
    let i = 0, at = Number(elf.readBigUInt64LE(40));
    i < count;
    i++, at += elf.readUInt16LE(58)
  ) {
    sections.push({
      nameAt: elf.readUInt32LE(at),
      type: elf.readUInt32LE(at + 4),
      flags: elf.readBigUInt64LE(at + 8),
      va: elf.readBigUInt64LE(at + 16),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
    });
  }
  const names = sections[elf.readUInt16LE(62)].offset;
  for (const s of sections) s.name = name(names, s.nameAt);

  const table = sections.find((s) => s.type === SHT_SYMTAB);
  const strings = sections[table.link].offset;
  const symbols = [];
  for (let at = table.offset; at < table.offset + table.size; at += 24) {
    symbols.push({
      name: name(strings, elf.readUInt32LE(at)),
      type: elf[at + 4] & 15,
      section: elf.readUInt16LE(at + 6),
      va: elf.readBigUInt64LE(at + 8),
      size: Number(elf.readBigUInt64LE(at + 16)),
    });
  }
  const sectionAt = (va) =>
    sections.find((s) => (s.flags & SHF_ALLOC) !== 0n && va >= s.va && va < s.va + BigInt(s.size));
  return {
    sections,
    symbols,
    sectionAt,
    symbol: (wanted) => symbols.find((s) => s.name === wanted),
    bytes(va, length) {
      const s = sectionAt(va);
      const at = s ? s.offset + Number(va - s.va) : 0;
      return s ? elf.subarray(at, at + length).toString("hex") : "";
    },
    contents: (s) => elf.subarray(s.offset, s.offset + s.size),
  };
}

/** Little-endian bytes of an address, as a table in memory holds it. */
function pointer(va) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(va);
  return b.toString("hex");
}

/** The build-id, and the function of the RFC's main example. */
function versionFacts(image) {
  const va = (name) => image.symbol(name)?.va;
  const size = (name) => image.symbol(name)?.size;
  const note = image.sections.find((s) => s.type === SHT_NOTE);
  const contract = image.contents(image.sections.find((s) => s.name === ".note.xsplice"));
  return [
    [
      "build-id",
      "92dd05a61556c554155b1508c9cf67d993336d28",
      image.contents(note).toString("hex", 16),
    ],
    ["build-id section", ".note.gnu.build-id", note.name],
    ["the contract's note", "7873706c69636500" + "01000000", contract.toString("hex", 12)],
    ["do_xen_version", 0xffff82d080112f9en, va("do_xen_version")],
    ["do_xen_version size", 1728, size("do_xen_version")],
    [
      "R211 do_xen_version bytes",
      "48c7c0daffffff83ff090f8724050000",
      image.bytes(0xffff82d080112f9en, 16),
    ],
    [
      "R206 target of ja",
      0xffff82d0801134d2n,
      0xffff82d080112fa8n +
        6n +
        BigInt(Buffer.from(image.bytes(0xffff82d080112faan, 4), "hex").readInt32LE()),
    ],
  ];
}

/** The hypercall tables and their slots. */
function tableFacts(image) {
  const va = (name) => image.symbol(name)?.va;
  const size = (name) => image.symbol(name)?.size;
  const slot = (table, nr) => image.bytes(va(table) + BigInt(8 * nr), 8);
  return [
    ["hypercall_table", 0xffff82d08024b270n, va("hypercall_table")],
    ["R207 slot 17", "9e2f1180d082ffff", image.bytes(0xffff82d08024b2f8n, 8)],
    ["slot 35", pointer(va("do_sysctl")), slot("hypercall_table", 35)],
    ["slot 36", pointer(va("do_domctl")), slot("hypercall_table", 36)],
    ["R208 slot", "79301080d082ffff", image.bytes(0xffff82d08024d490n, 8)],
    [
      "R208 is slot 36 of hvm_hypercall64_table",
      0xffff82d08024d490n - 36n * 8n,
      va("hvm_hypercall64_table"),
    ],
    ["slot 17 of hvm_hypercall64_table", "9e2f1180d082ffff", slot("hvm_hypercall64_table", 17)],
    ["slot 17 of compat_hypercall_table", "9e2f1180d082ffff", slot("compat_hypercall_table", 17)],
    [
      "tables in .rodata",
      ".rodata .rodata .rodata",
      ["hypercall_table", "compat_hypercall_table", "hvm_hypercall64_table"]
        .map((t) => image.sectionAt(va(t)).name)
        .join(" "),
    ],
    [
      "tables of 64",
      3 * 512,
      size("hypercall_table") + size("compat_hypercall_table") + size("hvm_hypercall64_table"),
    ],
  ];
}

/** The RFC's other functions, and where code lies. */
function codeFacts(image) {
  const va = (name) => image.symbol(name)?.va;
  const size = (name) => image.symbol(name)?.size;
  const whole = (name) => image.bytes(va(name), size(name));
  return [
    ["do_domctl", 0xffff82d080103079n, va("do_domctl")],
    ["R209 call in do_domctl", "e84bb10500", image.bytes(0xffff82d080104a69n, 5)],
    ["R209 call lies in do_domctl", true, size("do_domctl") >= 0x19f0 + 5],
    ["arch_do_domctl", 0xffff82d08015fbb9n, va("arch_do_domctl")],
    ["R210 arch_do_domctl contains", true, whole("arch_do_domctl").includes("4889e048250080ffff")],
    ["wbinvd_ipi", "0f09c3", whole("wbinvd_ipi")],
    ["shadow_l1_index", "89f8c3", whole("shadow_l1_index")],
    [
      "text sections",
      ".text .text .text .text",
      ["do_xen_version", "do_domctl", "arch_do_domctl", "wbinvd_ipi"]
        .map((f) => image.sectionAt(va(f)).name)
        .join(" "),
    ],
  ];
}

/** What the rest of the design needs of the image. */
function linkFacts(image) {
  const va = (name) => image.symbol(name)?.va;
  const exTable = [];
  for (let at = va("__start___ex_table"); at < va("__stop___ex_table"); at += 8n) {
    exTable.push(at + BigInt(Buffer.from(image.bytes(at, 4), "hex").readInt32LE()));
  }
  return [
    ["exception table sorted", true, exTable.every((at, i) => i === 0 || exTable[i - 1] < at)],
    ["two domain_limit", 2, image.symbols.filter((s) => s.name === "domain_limit").length],
    [
      "their files",
      "a/domain.c domain.c",
      image.symbols
        .filter((s) => s.type === 4 && /(^|\/)domain\.c$/.test(s.name))
        .map((s) => s.name)
        .sort()
        .join(" "),
    ],
    [
      "no undefined symbol",
      "",
      image.symbols
        .filter((s, i) => i > 0 && s.section === 0)
        .map((s) => s.name)
        .join(" "),
    ],
  ];
}

/** Every fact: what it is, what it has to be, what it is in this file. */
export function miniXenFacts(bytes) {
  const image = readImage(bytes);
  return [versionFacts, tableFacts, codeFacts, linkFacts]
    .flatMap((facts) => facts(image))
    .map(([fact, expected, found]) => ({ fact, expected, found }));
}

/** The facts that do not hold; empty when all do. */
export function verifyMiniXen(bytes = readFileSync(MINI_XEN)) {
  return miniXenFacts(bytes).filter(({ expected, found }) => expected !== found);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const show = (v) => (typeof v === "bigint" ? `0x${v.toString(16)}` : String(v));
  let wrong = 0;
  for (const { fact, expected, found } of miniXenFacts(readFileSync(process.argv[2] ?? MINI_XEN))) {
    const ok = expected === found;
    wrong += ok ? 0 : 1;
    console.log(
      `${ok ? "ok  " : "BAD "} ${fact}: ${show(found)}${ok ? "" : ` (not ${show(expected)})`}`,
    );
  }
  process.exitCode = wrong ? 1 : 0;
}
