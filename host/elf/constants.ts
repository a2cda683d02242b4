// ELF64 numbers that the file tools use (System V gABI, chapter 4; x86-64 psABI, table 4.9). The
// core has its own overlays: it must judge hostile bytes, these only have to name what is in
// them.

export const EHDR_SIZE = 64;
export const PHDR_SIZE = 56;
export const SHDR_SIZE = 64;
export const SYM_SIZE = 24;
export const RELA_SIZE = 24;

export const ET_REL = 1;
export const EM_X86_64 = 62;

export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHT_GROUP = 17;
export const SHT_SYMTAB_SHNDX = 18;

export const SHF_WRITE = 0x1;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
export const SHF_MERGE = 0x10;
export const SHF_STRINGS = 0x20;
export const SHF_INFO_LINK = 0x40;
export const SHF_TLS = 0x400;

export const SHN_UNDEF = 0;
export const SHN_LORESERVE = 0xff00;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;

export const STB_LOCAL = 0;
export const STT_SECTION = 3;
export const STT_FILE = 4;

export const R_NONE = 0;
export const R_64 = 1;
export const R_PC32 = 2;
export const R_PLT32 = 4;
export const R_GOTPCREL = 9;
export const R_32 = 10;
export const R_32S = 11;
export const R_PC64 = 24;
export const R_GOTPCRELX = 41;
export const R_REX_GOTPCRELX = 42;

/** What the hypervisor's loader knows (the same list as xsplice.h promises). */
export const LOADABLE_RELOCS: ReadonlyMap<number, string> = new Map([
  [R_NONE, "R_X86_64_NONE"],
  [R_64, "R_X86_64_64"],
  [R_PC32, "R_X86_64_PC32"],
  [R_PLT32, "R_X86_64_PLT32"],
  [R_32, "R_X86_64_32"],
  [R_32S, "R_X86_64_32S"],
  [R_PC64, "R_X86_64_PC64"],
]);

const OTHER_RELOCS: ReadonlyMap<number, string> = new Map([
  [3, "R_X86_64_GOT32"],
  [R_GOTPCREL, "R_X86_64_GOTPCREL"],
  [12, "R_X86_64_16"],
  [13, "R_X86_64_PC16"],
  [14, "R_X86_64_8"],
  [15, "R_X86_64_PC8"],
  [19, "R_X86_64_TLSGD"],
  [20, "R_X86_64_TLSLD"],
  [22, "R_X86_64_GOTTPOFF"],
  [23, "R_X86_64_TPOFF32"],
  [25, "R_X86_64_GOTOFF64"],
  [R_GOTPCRELX, "R_X86_64_GOTPCRELX"],
  [R_REX_GOTPCRELX, "R_X86_64_REX_GOTPCRELX"],
]);

export function relocName(type: number): string {
  return LOADABLE_RELOCS.get(type) ?? OTHER_RELOCS.get(type) ?? `relocation type ${type}`;
}
