// Where each kept piece of a packed object goes: the root alone into `.xsplice`, structures into
// `.xsplice.<kind>`, code that a trampoline reaches into an executable section, everything else
// into a section of the name it came from. References are rewritten to the new places. Spec: RFC
// "Design of payload format" (section names), System V gABI chapter 4 (alignment).

import { type Atom, atomName } from "./atoms.js";
import * as elf from "./constants.js";
import type { ElfSymbol } from "./reader.js";
import type { References } from "./references.js";
import type { Role, Structures } from "./structures.js";
import type { OutRela, OutSection, OutSymbol } from "./writer.js";

interface Bin {
  readonly name: string;
  readonly atoms: Atom[];
  flags: number;
  type: number;
  align: number;
  size: number;
}

interface Spot {
  readonly bin: Bin;
  readonly at: number;
}

interface Destination {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
}

const INT3 = 0xcc;
const KEPT_FLAGS = elf.SHF_WRITE | elf.SHF_ALLOC | elf.SHF_EXECINSTR;

function destination(atom: Atom, role: Role | undefined): Destination {
  const { section } = atom;
  const writable = section.flags & elf.SHF_WRITE;
  const structure = { type: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | writable };
  if (role === "root") return { ...structure, name: ".xsplice" };
  if (role === "text") {
    const name = atomName(atom).replace(/^\.+/, "");
    const already = (section.flags & elf.SHF_EXECINSTR) !== 0;
    return {
      name: already ? section.name : `.text.xsplice.${name}`,
      type: elf.SHT_PROGBITS,
      flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR,
    };
  }
  if (role !== undefined) return { ...structure, name: `.xsplice.${role}` };
  return { name: section.name, type: section.type, flags: section.flags & KEPT_FLAGS };
}

/** The alignment that a piece is known to have had: its section's, as far as its offset allows. */
function alignmentOf(atom: Atom): number {
  if (atom.start === 0) return atom.section.align;
  return Math.min(atom.section.align, atom.start & -atom.start);
}

function assign(atoms: readonly Atom[], { roles, rooms }: Structures): Map<Atom, Spot> {
  const bins = new Map<string, Bin>();
  const spots = new Map<Atom, Spot>();
  const ordered = [...atoms].sort((a, b) => rank(roles.get(a)) - rank(roles.get(b)));
  for (const atom of ordered) {
    const { name, type, flags } = destination(atom, roles.get(atom));
    const bin = bins.get(name) ?? { name, atoms: [], flags, type, align: 1, size: 0 };
    bins.set(name, bin);
    const align = alignmentOf(atom);
    const at = Math.ceil(bin.size / align) * align;
    bin.atoms.push(atom);
    bin.flags |= flags;
    bin.align = Math.max(bin.align, align);
    bin.size = at + Math.max(atom.end - atom.start, rooms.get(atom) ?? 0);
    // Where zeros and bytes meet under one name, zeros are written out.
    if (type !== elf.SHT_NOBITS) bin.type = type;
    spots.set(atom, { bin, at });
  }
  return spots;
}

const RANKS: readonly (Role | undefined)[] = [
  "root",
  "code",
  "relocs",
  "sections",
  "patches",
  "symbols",
  "howtos",
  "text",
  undefined,
];
const rank = (role: Role | undefined): number => RANKS.indexOf(role);

function contentOf(bin: Bin, spots: ReadonlyMap<Atom, Spot>, refs: References): Uint8Array {
  if (bin.type === elf.SHT_NOBITS) return new Uint8Array(0);
  // Nothing shall run into what lies between two functions.
  const filler = (bin.flags & elf.SHF_EXECINSTR) !== 0 ? INT3 : 0;
  const data = new Uint8Array(bin.size).fill(filler);
  for (const atom of bin.atoms) {
    const at = spots.get(atom)?.at ?? 0;
    const own = atom.section.data.subarray(atom.start, atom.end);
    data.set(own, at);
    for (const { edit } of refs.from(atom)) {
      if (edit) data.set(edit.bytes, at + edit.offset - atom.start);
    }
  }
  return data;
}

type Section = Omit<OutSection, "relas"> & { relas: OutRela[] };

/** Lays the pieces out and returns what `writeElf` takes. */
export function layOut(
  atoms: readonly Atom[],
  structures: Structures,
  refs: References,
): { sections: OutSection[]; symbols: OutSymbol[] } {
  const spots = assign(atoms, structures);
  const bins = [...new Set([...spots.values()].map(({ bin }) => bin))];
  const sectionOf = new Map<Bin, Section>(
    bins.map((bin) => {
      const { name, type, flags, align, size } = bin;
      return [
        bin,
        { name, type, flags, align, size, data: contentOf(bin, spots, refs), relas: [] },
      ];
    }),
  );
  const symbols: OutSymbol[] = [];
  const anchors = new Map<Section, OutSymbol>();
  for (const section of sectionOf.values()) {
    const anchor = {
      name: "",
      value: 0n,
      size: 0n,
      type: elf.STT_SECTION,
      bind: elf.STB_LOCAL,
      other: 0,
      section,
    };
    anchors.set(section, anchor);
    symbols.push(anchor);
  }
  const named = new Map<ElfSymbol, OutSymbol>();
  const place = (symbol: ElfSymbol, section: Section | number, value: bigint): OutSymbol => {
    const { name, size, type, bind, other } = symbol;
    const made = { name, value, size, type, bind, other, section };
    named.set(symbol, made);
    symbols.push(made);
    return made;
  };
  for (const [atom, { bin, at }] of spots) {
    const section = sectionOf.get(bin) as Section;
    for (const symbol of atom.symbols)
      place(symbol, section, symbol.value - BigInt(atom.start) + BigInt(at));
  }
  for (const [atom, { bin, at }] of spots) {
    for (const ref of refs.from(atom)) {
      const offset = at + ref.offset - atom.start;
      const to = ref.target ? spots.get(ref.target) : undefined;
      const { symbol: by, type } = ref;
      const symbol = by
        ? (named.get(by) ?? place(by, by.shndx, by.value))
        : (anchors.get(sectionOf.get(to?.bin as Bin) as Section) as OutSymbol);
      const moved = by ? 0n : BigInt((to?.at ?? 0) - (ref.target?.start ?? 0));
      sectionOf.get(bin)?.relas.push({ offset, type, symbol, addend: ref.addend + moved });
    }
  }
  return { sections: [...sectionOf.values()], symbols };
}
