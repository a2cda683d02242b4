// Reads an ELF64 little-endian x86-64 file into plain objects, every table checked against the
// file's size first. Spec: System V gABI chapter 4 (object files), x86-64 psABI 4.4. Used by the
// tools that work on files; the hypervisor never trusts this and reads the bytes again itself.

import { EINVAL, EOPNOTSUPP } from "../../assembly/abi.js";
import {
  EHDR_SIZE,
  EM_X86_64,
  PHDR_SIZE,
  RELA_SIZE,
  SHDR_SIZE,
  SHT_NOBITS,
  SHT_RELA,
  SHT_SYMTAB,
  SYM_SIZE,
} from "./constants.js";
import { FileError } from "./error.js";

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
  /** Empty for NOBITS. */
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  readonly type: number;
  readonly bind: number;
  readonly other: number;
  readonly shndx: number;
}

export interface ElfRela {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
  readonly addend: bigint;
}

export interface ElfFile {
  readonly type: number;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Relocations by the index of the section that they change. */
  readonly relas: ReadonlyMap<number, readonly ElfRela[]>;
  /** Where the ELF file ends: the furthest byte of header, tables and sections (K64). */
  readonly end: number;
}

interface Table {
  readonly at: number;
  readonly count: number;
  readonly entry: number;
}

const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A 64-bit file offset or size as a number; anything past the file is refused by the caller. */
function small(value: bigint): number {
  return value > 0xffffffffffffn ? Number.MAX_SAFE_INTEGER : Number(value);
}

function checkHeader(bytes: Uint8Array): void {
  if (bytes.length < EHDR_SIZE)
    throw new FileError(EINVAL, "elf-truncated", `${bytes.length} bytes are no ELF header`);
  const magic = [0x7f, 0x45, 0x4c, 0x46].every((byte, index) => bytes[index] === byte);
  if (!magic) throw new FileError(EINVAL, "elf-magic", "not an ELF file");
  if (bytes[4] !== 2 || bytes[5] !== 1)
    throw new FileError(EOPNOTSUPP, "elf-unsupported-class", "not a 64-bit little-endian ELF file");
  const machine = view(bytes).getUint16(18, true);
  if (machine !== EM_X86_64)
    throw new FileError(EOPNOTSUPP, "elf-unsupported-machine", `machine ${machine} is not x86-64`);
}

function table(bytes: Uint8Array, at: bigint, count: number, entry: number, what: string): Table {
  const start = small(at);
  if (start + count * entry > bytes.length)
    throw new FileError(EINVAL, "elf-section-table", `the ${what} table ends outside the file`);
  return { at: start, count, entry };
}

function stringAt(data: Uint8Array, offset: number, what: string): string {
  const end = data.indexOf(0, offset);
  if (offset >= data.length || end < 0)
    throw new FileError(EINVAL, "elf-string-table", `${what}: its name lies outside the names`);
  return Buffer.from(data.subarray(offset, end)).toString("utf8");
}

function readSections(bytes: Uint8Array, { at, count }: Table, names: number): ElfSection[] {
  const v = view(bytes);
  const raw = Array.from({ length: count }, (_, index) => {
    const o = at + index * SHDR_SIZE;
    const type = v.getUint32(o + 4, true);
    const offset = small(v.getBigUint64(o + 24, true));
    const size = small(v.getBigUint64(o + 32, true));
    const inFile = index > 0 && type !== SHT_NOBITS && type !== 0;
    if (inFile && offset + size > bytes.length)
      throw new FileError(EINVAL, "elf-section-bounds", `section ${index} ends outside the file`);
    return {
      index,
      nameAt: v.getUint32(o, true),
      type,
      flags: Number(v.getBigUint64(o + 8, true) & 0xffffffffn),
      offset,
      size,
      link: v.getUint32(o + 40, true),
      info: v.getUint32(o + 44, true),
      align: Math.max(1, small(v.getBigUint64(o + 48, true))),
      entsize: small(v.getBigUint64(o + 56, true)),
      data: inFile ? bytes.subarray(offset, offset + size) : new Uint8Array(0),
    };
  });
  const strings = raw[names]?.data ?? new Uint8Array(0);
  return raw.map(({ nameAt, ...section }) => ({
    ...section,
    name: section.index === 0 ? "" : stringAt(strings, nameAt, `section ${section.index}`),
  }));
}

function readSymbols(sections: readonly ElfSection[]): ElfSymbol[] {
  const symtab = sections.find((section) => section.type === SHT_SYMTAB);
  if (!symtab) return [];
  const strings = sections[symtab.link]?.data ?? new Uint8Array(0);
  const v = view(symtab.data);
  const count = Math.floor(symtab.data.length / SYM_SIZE);
  return Array.from({ length: count }, (_, index) => {
    const o = index * SYM_SIZE;
    const nameAt = v.getUint32(o, true);
    const info = v.getUint8(o + 4);
    return {
      index,
      name: nameAt === 0 ? "" : stringAt(strings, nameAt, `symbol ${index}`),
      value: v.getBigUint64(o + 8, true),
      size: v.getBigUint64(o + 16, true),
      type: info & 15,
      bind: info >> 4,
      other: v.getUint8(o + 5),
      shndx: v.getUint16(o + 6, true),
    };
  });
}

function readRelas(
  section: ElfSection,
  symbols: number,
  target: ElfSection,
  lenient: boolean,
): ElfRela[] {
  const v = view(section.data);
  const all = Array.from({ length: Math.floor(section.data.length / RELA_SIZE) }, (_, index) => {
    const o = index * RELA_SIZE;
    const rela = {
      offset: small(v.getBigUint64(o, true)),
      type: v.getUint32(o + 8, true),
      symbol: v.getUint32(o + 12, true),
      addend: v.getBigInt64(o + 16, true),
    };
    const outside = rela.offset >= target.size || rela.symbol >= symbols;
    if (outside && !lenient)
      throw new FileError(EINVAL, "elf-reloc", `${section.name}[${index}] points outside`);
    return outside ? undefined : rela;
  });
  return all.filter((rela) => rela !== undefined);
}

/** Reads headers, sections, symbols and RELA tables. `lenient`: relocations that point outside are
 *  left out, as a loader may pass over them. */
export function readElf(bytes: Uint8Array, { lenient = false } = {}): ElfFile {
  checkHeader(bytes);
  const v = view(bytes);
  const segments = table(
    bytes,
    v.getBigUint64(32, true),
    v.getUint16(56, true),
    PHDR_SIZE,
    "segment",
  );
  const count = v.getUint16(60, true);
  if (count > 0 && v.getUint16(58, true) !== SHDR_SIZE)
    throw new FileError(EINVAL, "elf-section-table", "section headers are not 64 bytes each");
  const headers = table(bytes, v.getBigUint64(40, true), count, SHDR_SIZE, "section");
  const sections = readSections(bytes, headers, v.getUint16(62, true));
  const symbols = readSymbols(sections);
  const relas = new Map<number, ElfRela[]>();
  for (const section of sections) {
    const target = sections[section.info];
    if (section.type !== SHT_RELA || !target || section.info === 0) continue;
    const found = readRelas(section, symbols.length, target, lenient);
    relas.set(target.index, [...(relas.get(target.index) ?? []), ...found]);
  }
  const extents = sections.map((s) =>
    s.type === SHT_NOBITS || s.index === 0 ? 0 : s.offset + s.size,
  );
  const tables = [segments, headers].map((t) => (t.count > 0 ? t.at + t.count * t.entry : 0));
  const end = Math.max(EHDR_SIZE, ...tables, ...extents);
  return { type: v.getUint16(16, true), sections, symbols, relas, end };
}
