// Writes an ELF64 x86-64 relocatable file from sections, symbols and relocations. The same input
// gives the same bytes: nothing depends on time, environment or hash order. Spec: System V gABI
// chapter 4.

import {
  EHDR_SIZE,
  EM_X86_64,
  ET_REL,
  RELA_SIZE,
  SHDR_SIZE,
  SHF_INFO_LINK,
  SHT_NOBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
  SYM_SIZE,
} from "./constants.js";

export interface OutRela {
  readonly offset: number;
  readonly type: number;
  readonly symbol: OutSymbol;
  readonly addend: bigint;
}

export interface OutSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  /** For NOBITS, where `data` is empty; otherwise its length. */
  readonly size: number;
  readonly data: Uint8Array;
  readonly relas: readonly OutRela[];
}

export interface OutSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  readonly type: number;
  readonly bind: number;
  readonly other: number;
  /** A section of this file, or a reserved index (0 = undefined). */
  readonly section: OutSection | number;
}

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
  readonly size: number;
  readonly data: Uint8Array;
}

/** A string table; equal names share one entry. */
class Strings {
  private readonly at = new Map<string, number>([["", 0]]);
  private length = 1;

  add(name: string): number {
    const known = this.at.get(name);
    if (known !== undefined) return known;
    const offset = this.length;
    this.at.set(name, offset);
    this.length += Buffer.byteLength(name) + 1;
    return offset;
  }

  bytes(): Uint8Array {
    return Buffer.from([...this.at.keys()].map((name) => `${name}\0`).join(""), "utf8");
  }
}

function symbolTable(
  symbols: readonly OutSymbol[],
  strings: Strings,
  indexOf: (section: OutSection) => number,
): Uint8Array {
  const bytes = Buffer.alloc((symbols.length + 1) * SYM_SIZE);
  for (const [index, symbol] of symbols.entries()) {
    const o = (index + 1) * SYM_SIZE;
    const shndx = typeof symbol.section === "number" ? symbol.section : indexOf(symbol.section);
    bytes.writeUInt32LE(strings.add(symbol.name), o);
    bytes.writeUInt8((symbol.bind << 4) | symbol.type, o + 4);
    bytes.writeUInt8(symbol.other, o + 5);
    bytes.writeUInt16LE(shndx, o + 6);
    bytes.writeBigUInt64LE(symbol.value, o + 8);
    bytes.writeBigUInt64LE(symbol.size, o + 16);
  }
  return bytes;
}

function relaTable(relas: readonly OutRela[], numberOf: Map<OutSymbol, number>): Uint8Array {
  const bytes = Buffer.alloc(relas.length * RELA_SIZE);
  for (const [index, rela] of relas.entries()) {
    const o = index * RELA_SIZE;
    bytes.writeBigUInt64LE(BigInt(rela.offset), o);
    bytes.writeUInt32LE(rela.type, o + 8);
    bytes.writeUInt32LE(numberOf.get(rela.symbol) ?? 0, o + 12);
    bytes.writeBigInt64LE(rela.addend, o + 16);
  }
  return bytes;
}

function assemble(headers: readonly Header[], names: Strings): Uint8Array {
  let end = EHDR_SIZE;
  const offsets = headers.map(({ align, data }, index) => {
    if (index === 0) return 0;
    const at = Math.ceil(end / align) * align;
    end = at + data.length;
    return at;
  });
  const tableAt = Math.ceil(end / 8) * 8;
  const bytes = new Uint8Array(tableAt + headers.length * SHDR_SIZE);
  const file = Buffer.from(bytes.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(ET_REL, 16);
  file.writeUInt16LE(EM_X86_64, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(tableAt), 40);
  file.writeUInt16LE(EHDR_SIZE, 52);
  file.writeUInt16LE(SHDR_SIZE, 58);
  file.writeUInt16LE(headers.length, 60);
  file.writeUInt16LE(headers.length - 1, 62);
  for (const [index, header] of headers.entries()) {
    const o = tableAt + index * SHDR_SIZE;
    const at = offsets[index] ?? 0;
    file.set(header.data, at);
    if (index === 0) continue;
    file.writeUInt32LE(names.add(header.name), o);
    file.writeUInt32LE(header.type, o + 4);
    file.writeBigUInt64LE(BigInt(header.flags), o + 8);
    file.writeBigUInt64LE(BigInt(at), o + 24);
    file.writeBigUInt64LE(BigInt(header.size), o + 32);
    file.writeUInt32LE(header.link, o + 40);
    file.writeUInt32LE(header.info, o + 44);
    file.writeBigUInt64LE(BigInt(header.align), o + 48);
    file.writeBigUInt64LE(BigInt(header.entsize), o + 56);
  }
  return bytes;
}

const EMPTY = new Uint8Array(0);
const NULL_HEADER: Header = {
  name: "",
  type: 0,
  flags: 0,
  link: 0,
  info: 0,
  align: 0,
  entsize: 0,
  size: 0,
  data: EMPTY,
};

/** The file. `symbols` without the null symbol; locals are put first, as the gABI wants. */
export function writeElf(
  sections: readonly OutSection[],
  symbols: readonly OutSymbol[],
): Uint8Array {
  const ordered = [
    ...symbols.filter((symbol) => symbol.bind === STB_LOCAL),
    ...symbols.filter((symbol) => symbol.bind !== STB_LOCAL),
  ];
  const numberOf = new Map(ordered.map((symbol, index) => [symbol, index + 1]));
  const indexOf = (section: OutSection): number => sections.indexOf(section) + 1;
  const relocated = sections.filter((section) => section.relas.length > 0);
  const symtabIndex = sections.length + relocated.length + 1;
  const strings = new Strings();
  const symtab = symbolTable(ordered, strings, indexOf);
  const strtab = strings.bytes();
  const headers: Header[] = [NULL_HEADER];
  for (const { name, type, flags, align, size, data } of sections) {
    const content = type === SHT_NOBITS ? EMPTY : data;
    headers.push({ name, type, flags, link: 0, info: 0, align, entsize: 0, size, data: content });
  }
  for (const section of relocated) {
    const data = relaTable(section.relas, numberOf);
    const [link, info] = [symtabIndex, indexOf(section)];
    const name = `.rela${section.name}`;
    const size = data.length;
    headers.push({
      name,
      type: SHT_RELA,
      flags: SHF_INFO_LINK,
      link,
      info,
      align: 8,
      entsize: RELA_SIZE,
      size,
      data,
    });
  }
  const locals = ordered.findIndex((symbol) => symbol.bind !== STB_LOCAL);
  const info = (locals < 0 ? ordered.length : locals) + 1;
  const plain = { flags: 0, link: 0, info: 0, align: 1, entsize: 0, type: SHT_STRTAB };
  headers.push({
    name: ".symtab",
    type: SHT_SYMTAB,
    flags: 0,
    link: symtabIndex + 1,
    info,
    align: 8,
    entsize: SYM_SIZE,
    size: symtab.length,
    data: symtab,
  });
  headers.push({ ...plain, name: ".strtab", size: strtab.length, data: strtab });
  const names = new Strings();
  for (const header of headers) names.add(header.name);
  names.add(".shstrtab");
  const shstrtab = names.bytes();
  headers.push({ ...plain, name: ".shstrtab", size: shstrtab.length, data: shstrtab });
  return assemble(headers, names);
}
