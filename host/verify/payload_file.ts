// What a payload's file tells beyond what the hypervisor does with it: notes, the symbols it
// needs, the names it brings, which of its functions anything refers to. A file that cannot be
// read so far has no such view; why it is bad is the hypervisor's to say.

import * as elf from "../elf/constants.js";
import { FileError } from "../elf/error.js";
import { type ElfFile, type ElfSection, type ElfSymbol, readElf } from "../elf/reader.js";
import { hexBytes } from "./row.js";

const STT_FUNC = 2;
const FUNC_SIZE = 104;
const NEW_ADDR = 8;
const NOTE_NAME = 12;

export interface PayloadFile {
  readonly format: "xsplice" | "livepatch" | "unknown";
  /** Absent when the tables cannot be read. */
  readonly elf?: ElfFile;
}

/** The door that a file is for, by its section names; anything that is no ELF file is unknown. */
export function readPayloadFile(bytes: Uint8Array): PayloadFile {
  try {
    const file = readElf(bytes, { lenient: true });
    const has = (wanted: (name: string) => boolean): boolean =>
      file.sections.some(({ name }) => wanted(name));
    if (has((name) => name === ".xsplice")) return { format: "xsplice", elf: file };
    const today = has((name) => name.startsWith(".livepatch."));
    return { format: today ? "livepatch" : "unknown", elf: file };
  } catch (error) {
    if (!(error instanceof FileError) && !(error instanceof RangeError)) throw error;
    // The names may be there although a table is broken.
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (text.includes("\0.xsplice\0")) return { format: "xsplice" };
    return { format: text.includes(".livepatch.") ? "livepatch" : "unknown" };
  }
}

/** The description of a build-id note, in hex; empty when there is none. */
export function noteOf(file: ElfFile, section: string): string {
  const note = file.sections.find(({ name }) => name === section)?.data;
  if (!note || note.length <= NOTE_NAME) return "";
  const view = new DataView(note.buffer, note.byteOffset, note.byteLength);
  const at = NOTE_NAME + ((view.getUint32(0, true) + 3) & ~3);
  return hexBytes(note.subarray(at, at + view.getUint32(4, true)));
}

const isLoaded = (section: ElfSection | undefined): section is ElfSection =>
  section !== undefined && (section.flags & elf.SHF_ALLOC) !== 0;

const isCode = (section: ElfSection | undefined): section is ElfSection =>
  isLoaded(section) && (section.flags & elf.SHF_EXECINSTR) !== 0;

/** Symbols that the payload needs from elsewhere, and whether a relocation uses each. */
export function needed(file: ElfFile): { readonly name: string; readonly used: boolean }[] {
  const used = new Set<number>();
  for (const [target, relas] of file.relas) {
    if (!isLoaded(file.sections[target])) continue;
    for (const { symbol, type } of relas) if (type !== elf.R_NONE) used.add(symbol);
  }
  return file.symbols
    .filter(({ shndx, name, index }) => index > 0 && shndx === elf.SHN_UNDEF && name !== "")
    .map(({ name, index }) => ({ name, used: used.has(index) }));
}

/** Calls and jumps of the payload to a symbol from elsewhere. */
export function branchesTo(file: ElfFile): { readonly name: string; readonly place: string }[] {
  const found: { name: string; place: string }[] = [];
  for (const [target, relas] of file.relas) {
    const section = file.sections[target];
    if (!isCode(section)) continue;
    for (const { symbol, type, offset, addend } of relas) {
      const opcode = section.data[offset - 1] ?? 0;
      const near = opcode === 0xe8 || opcode === 0xe9;
      const relative = type === elf.R_PC32 || type === elf.R_PLT32;
      const to = file.symbols[symbol];
      if (!near || !relative || addend !== -4n || to?.shndx !== elf.SHN_UNDEF) continue;
      found.push({ name: to.name, place: `${section.name}+0x${(offset - 1).toString(16)}` });
    }
  }
  return found;
}

/** `section:offset` of each place that a symbol of the payload stands for. */
const placeKey = (shndx: number, value: bigint): string => `${shndx}:${value}`;

/** Replacement addresses of `.livepatch.funcs`. */
function replacements(file: ElfFile): Set<string> {
  const funcs = file.sections.find(({ name }) => name === ".livepatch.funcs");
  const found = new Set<string>();
  for (const { offset, symbol, addend } of file.relas.get(funcs?.index ?? -1) ?? []) {
    const to = file.symbols[symbol];
    if (offset % FUNC_SIZE === NEW_ADDR && to) found.add(placeKey(to.shndx, to.value + addend));
  }
  return found;
}

/** Names that must be new to the hypervisor and to all loaded payloads. */
export function newNames(file: ElfFile): string[] {
  const overriding = replacements(file);
  const names = file.symbols.filter(({ name, shndx, value, type }) => {
    const section = file.sections[shndx];
    if (name === "" || shndx === 0 || !isLoaded(section) || type === elf.STT_FILE) return false;
    if (name.startsWith(".L") && (section.flags & elf.SHF_MERGE) !== 0) return false;
    return type !== elf.STT_SECTION && !overriding.has(placeKey(shndx, value));
  });
  return [...new Set(names.map(({ name }) => name))];
}

/** Objects in writable memory that the payload brings along, by name. */
export function ownData(file: ElfFile): ElfSymbol[] {
  return file.symbols.filter(({ name, shndx, type }) => {
    const section = file.sections[shndx];
    const writable = isLoaded(section) && (section.flags & elf.SHF_WRITE) !== 0;
    return writable && type === 1 && name !== "" && !section.name.startsWith(".livepatch.");
  });
}

/** Whether 4 bytes of a section are the displacement of a branch to `value` in the same section. */
function branchedTo({ data }: ElfSection, value: number, own: readonly [number, number]): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at + 4 <= data.length; at++) {
    if (at >= own[0] && at < own[1]) continue;
    if (at + 4 + view.getInt32(at, true) === value) return true;
    if (at > 0 && at + 1 + view.getInt8(at) === value) return true;
  }
  return false;
}

/** Functions of the payload that nothing in it refers to: they are carried along in vain. */
export function unreached(file: ElfFile): ElfSymbol[] {
  const reached: { shndx: number; value: number }[] = [];
  for (const [target, relas] of file.relas) {
    const section = file.sections[target];
    if (!isLoaded(section) || section.name === ".eh_frame") continue;
    const quirk = isCode(section) ? 4n : 0n;
    for (const { symbol, type, addend } of relas) {
      const to = file.symbols[symbol];
      if (!to) continue;
      const near = type === elf.R_PC32 || type === elf.R_PLT32 ? quirk : 0n;
      reached.push({ shndx: to.shndx, value: Number(to.value + addend + near) });
      reached.push({ shndx: to.shndx, value: Number(to.value + addend) });
    }
  }
  return file.symbols.filter(({ type, shndx, value, size, name }) => {
    const section = file.sections[shndx];
    if (type !== STT_FUNC || !isCode(section) || name === "") return false;
    const start = Number(value);
    const end = start + Math.max(Number(size), 1);
    if (reached.some((to) => to.shndx === shndx && to.value >= start && to.value < end)) {
      return false;
    }
    return !branchedTo(section, start, [start, end]);
  });
}

const KNOWN = new Set(
  [
    "funcs",
    "depends",
    "xen_depends",
    ...["load", "unload", "preapply", "apply", "postapply"].map((hook) => `hooks.${hook}`),
    ...["prerevert", "revert", "postrevert"].map((hook) => `hooks.${hook}`),
  ].map((name) => `.livepatch.${name}`),
);

/** Sections that look as if they meant something to Xen 4.17, and do not. */
export function unknownSections(file: ElfFile): string[] {
  const names = file.sections.filter(isLoaded).map(({ name }) => name);
  return names.filter(
    (name) =>
      (name.startsWith(".livepatch.") && !KNOWN.has(name)) ||
      name === ".alt_call_sites" ||
      /^\.(fini|init)(_array)?$/.test(name) ||
      /^\.[cd]tors$/.test(name),
  );
}

/** The payload's functions when its code is loaded at `base`: sections one after the other,
 *  aligned. */
export function functionsAt(file: ElfFile, base: bigint): Map<bigint, string> {
  const starts = new Map<number, bigint>();
  let end = base;
  for (const section of file.sections.filter(isCode)) {
    const align = BigInt(section.align);
    const start = ((end + align - 1n) / align) * align;
    starts.set(section.index, start);
    end = start + BigInt(section.size);
  }
  const found = new Map<bigint, string>();
  for (const { name, type, shndx, value } of file.symbols) {
    const start = starts.get(shndx);
    if (type === STT_FUNC && start !== undefined && name !== "") found.set(start + value, name);
  }
  return found;
}
