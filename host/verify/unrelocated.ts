// Branches of a payload that lead to the next instruction because no relocation gave them a target:
// looked for when Xen passes over relocations.

import * as elf from "../elf/constants.js";
import type { ElfFile, ElfSection } from "../elf/reader.js";
import type { Finding } from "./row.js";

const STT_FUNC = 2;

/** Offsets of `e8 00000000` and `e9 00000000` without a relocation that Xen applies. */
function gaps(section: ElfSection, filled: ReadonlySet<number>): number[] {
  const { data } = section;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const found: number[] = [];
  for (let at = 0; at + 5 <= data.length; at++) {
    const branch = data[at] === 0xe8 || data[at] === 0xe9;
    if (branch && view.getInt32(at + 1, true) === 0 && !filled.has(at + 1)) found.push(at);
  }
  return found;
}

/** Fields that Xen fills in: entries as its own strides find them. */
function filledFields(file: ElfFile, target: number): Set<number> {
  const filled = new Set<number>();
  for (const section of file.sections) {
    if (section.type !== elf.SHT_RELA || section.info !== target) continue;
    const { data } = section;
    const stride = Math.max(section.entsize, elf.RELA_SIZE);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at + elf.RELA_SIZE <= data.length; at += stride) {
      if (view.getUint32(at + 8, true) === elf.R_NONE) continue;
      filled.add(Number(view.getBigUint64(at, true)));
    }
  }
  return filled;
}

export function branchesNowhere(file: ElfFile): Finding[] {
  const wanted = elf.SHF_ALLOC | elf.SHF_EXECINSTR;
  return file.sections.flatMap((section) => {
    if ((section.flags & wanted) !== wanted) return [];
    const hasCode = file.symbols.some(
      ({ shndx, type }) => shndx === section.index && type === STT_FUNC,
    );
    if (!hasCode) return [];
    return gaps(section, filledFields(file, section.index)).map((at) => ({
      id: "branch-unrelocated",
      severity: "error" as const,
      place: `${section.name}+0x${at.toString(16)}`,
      message:
        "A call or jump has no target: its relocation is skipped, and it leads to whatever comes " +
        "next.",
      hint: "Build the payload again; look at its relocations with readelf -r.",
    }));
  });
}
