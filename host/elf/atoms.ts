// Cuts an object file into the pieces that can be moved: one per symbol extent, one per string of
// a mergeable string section, one per entry of an exception table, and the rest between symbols
// as it is (jump tables, anonymous constants). A plain object keeps unrelated things in one
// section, so a tool that moves by section would drag along what nobody asked for.

import { EINVAL, EOPNOTSUPP } from "../../assembly/abi.js";
import { SHF_STRINGS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, STT_SECTION } from "./constants.js";
import { FileError } from "./error.js";
import type { ElfFile, ElfSection, ElfSymbol } from "./reader.js";

export interface Atom {
  readonly section: ElfSection;
  readonly start: number;
  readonly end: number;
  /** The symbols that lie in it, in the file's order; section symbols left out. */
  readonly symbols: readonly ElfSymbol[];
}

/** What a person calls it: `do_xen_version_new_code`, or `.rodata+0x24`. */
export function atomName(atom: Atom): string {
  const named = atom.symbols.find((symbol) => symbol.size > 0n) ?? atom.symbols[0];
  if (named) return named.name;
  return atom.start === 0 ? atom.section.name : `${atom.section.name}+0x${atom.start.toString(16)}`;
}

const EXTABLE_ENTRY = 8;
export const isExtable = (section: ElfSection): boolean => /^(\.|__)ex_table/.test(section.name);

function extentOf(symbol: ElfSymbol, section: ElfSection): [number, number] {
  const end = symbol.value + symbol.size;
  if (end > BigInt(section.size))
    throw new FileError(EINVAL, "elf-symbol", `${symbol.name} reaches past ${section.name}`);
  return [Number(symbol.value), Number(end)];
}

/** Ends of the pieces of a section without symbols. */
function anonymousEnds(section: ElfSection): number[] {
  if (isExtable(section)) {
    const count = Math.ceil(section.size / EXTABLE_ENTRY);
    return Array.from({ length: count }, (_, i) => Math.min((i + 1) * EXTABLE_ENTRY, section.size));
  }
  if ((section.flags & SHF_STRINGS) === 0 || section.entsize > 1) return [section.size];
  const ends: number[] = [];
  for (const [at, byte] of section.data.entries()) if (byte === 0) ends.push(at + 1);
  return ends.at(-1) === section.size ? ends : [...ends, section.size];
}

/** [start, end) of every piece: extents that overlap are one, what lies between them is one. */
function cut(section: ElfSection, symbols: readonly ElfSymbol[]): [number, number][] {
  if (section.size === 0) return [];
  const extents = symbols
    .filter((symbol) => symbol.size > 0n)
    .map((symbol) => extentOf(symbol, section))
    .sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const pieces: [number, number][] = [];
  let at = 0;
  for (const [start, end] of extents) {
    const last = pieces.at(-1);
    if (start < at && last) {
      last[1] = Math.max(last[1], end);
    } else {
      if (start > at) pieces.push([at, start]);
      pieces.push([start, end]);
    }
    at = Math.max(at, end);
  }
  if (extents.length === 0) {
    for (const end of anonymousEnds(section)) {
      pieces.push([at, end]);
      at = end;
    }
  } else if (at < section.size) {
    pieces.push([at, section.size]);
  }
  return pieces;
}

export class Atoms {
  private readonly bySection: readonly (readonly Atom[])[];

  constructor(elf: ElfFile) {
    const symbols = elf.symbols.filter((symbol) => symbol.type !== STT_SECTION);
    this.bySection = elf.sections.map((section) => {
      const inside = symbols.filter(
        (symbol) => symbol.shndx === section.index && section.index > 0,
      );
      return cut(section, inside).map(([start, end]) => ({
        section,
        start,
        end,
        symbols: inside.filter(({ value }) => value >= BigInt(start) && value < BigInt(end)),
      }));
    });
  }

  of(section: ElfSection): readonly Atom[] {
    return this.bySection[section.index] ?? [];
  }

  /** All, in the file's order. */
  all(): readonly Atom[] {
    return this.bySection.flat();
  }

  /** The piece at an offset; the end of a section belongs to its last piece. */
  at(section: number, offset: number): Atom | undefined {
    const atoms = this.bySection[section] ?? [];
    const found = atoms.find(({ start, end }) => offset >= start && offset < end);
    const last = atoms.at(-1);
    return found ?? (last && offset === last.end ? last : undefined);
  }

  /** The piece that a defined symbol names; undefined for an undefined or absolute one. */
  ofSymbol(symbol: ElfSymbol): Atom | undefined {
    if (symbol.shndx === SHN_COMMON)
      throw new FileError(
        EOPNOTSUPP,
        "elf-unsupported-symbol",
        `${symbol.name} is a common symbol: compile with -fno-common`,
      );
    if (symbol.shndx === SHN_UNDEF || symbol.shndx >= SHN_LORESERVE) return undefined;
    return this.at(symbol.shndx, Number(symbol.value));
  }
}
