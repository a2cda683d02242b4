// The payload file under the loader's hands: where its tables are, and where its sections went.
// Specification: gABI chapters 4 and 5, AMD64 psABI chapter 4; requirements R65-R67, R225.
//
// One ElfFile exists at a time, in scratch memory: it is derived from the file and dropped when the
// load ends. Its fields are filled in by the passes of load.ts, in their order; a pass may rely on
// what the ones before it have established and on nothing else. Bytes of the file are hostile until
// elf_check.ts has passed them.

import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { SHN_ABS, Shdr, Sym } from "../hv/elf";
import { SCRATCH_OFF, SCRATCH_SIZE } from "../hv/layout";
import { refusal, refusal_name, refuse_at } from "../hv/refusal";
import { PLACE_ELF_SECTION, PLACE_ELF_SYMBOL } from "../reasons";

/** The loader's share of scratch memory: its second half. */
export const LOADER_SCRATCH_OFF: usize = SCRATCH_OFF + SCRATCH_SIZE / 2;
export const LOADER_SCRATCH_SIZE: usize = SCRATCH_SIZE / 2;

// Relocation types that a loader knows (psABI table 4.9).
export const R_X86_64_NONE: u32 = 0;
export const R_X86_64_64: u32 = 1;
export const R_X86_64_PC32: u32 = 2;
export const R_X86_64_PLT32: u32 = 4;
export const R_X86_64_32: u32 = 10;
export const R_X86_64_32S: u32 = 11;
export const R_X86_64_PC64: u32 = 24;


@unmanaged
export class ElfFile {
  file_off: usize; // the bytes as uploaded
  file_size: u32;
  elf_size: u32; // the ELF file proper: what a trailer stands behind
  // Tables, valid after elf_check.
  sections_off: usize; // Elf64_Shdr[shnum]
  sections_stride: u32;
  shnum: u32;
  shstrndx: u32;
  shstr_off: usize; // section names
  shstr_size: u32;
  symtab: u32; // section index
  symbols_off: usize; // Elf64_Sym[nsyms]
  symbols_stride: u32;
  nsyms: u32;
  names_off: usize; // symbol names
  names_size: u32;
  root: u32; // index of section `.xsplice`
  // Work tables in staging frames, one block.
  work_off: usize;
  work_pages: u32;
  places_off: usize; // SectionPlace[shnum]
  values_off: usize; // u64[nsyms]: value of each symbol after resolve, see NO_VALUE
}
if (offsetof<ElfFile>() > 1024) ERROR("ElfFile outgrows its KiB of scratch");

/** Where a section was put. mem_off 0: not loaded. */
@unmanaged
export class SectionPlace {
  va: u64;
  mem_off: usize;
  region: u32; // REGION_*
}
export const SECTION_PLACE_SIZE: usize = 16;
if (offsetof<SectionPlace>() != SECTION_PLACE_SIZE) ERROR("SectionPlace is 16 bytes");

/** Marks a symbol that relocations cannot use. See has_value for the exception. */
export const NO_VALUE: u64 = 0x5e1f0bad;


@inline
export function elf_file(): ElfFile {
  return changetype<ElfFile>(LOADER_SCRATCH_OFF);
}


@inline
export function section(e: ElfFile, index: u32): Shdr {
  return changetype<Shdr>(e.sections_off + <usize>index * e.sections_stride);
}


@inline
export function symbol(e: ElfFile, index: u32): Sym {
  return changetype<Sym>(e.symbols_off + <usize>index * e.symbols_stride);
}


@inline
export function section_place(e: ElfFile, index: u32): SectionPlace {
  return changetype<SectionPlace>(e.places_off + <usize>index * SECTION_PLACE_SIZE);
}
/** Linear offset of a section's bytes in the file. Not for SHT_NOBITS. */
@inline
export function section_bytes(e: ElfFile, s: Shdr): usize {
  return e.file_off + <usize>s.sh_offset;
}
/** Linear offset of a section's NUL-terminated name. */
@inline
export function section_name(e: ElfFile, s: Shdr): usize {
  return e.shstr_off + s.sh_name;
}


@inline
export function symbol_name(e: ElfFile, s: Sym): usize {
  return e.names_off + s.st_name;
}


@inline
export function value_of(e: ElfFile, index: u32): u64 {
  return load<u64>(e.values_off + ((<usize>index) << 3));
}

/**
 * False for symbols that a relocation must not use. An absolute symbol may have NO_VALUE's value.
 */
export function has_value(e: ElfFile, index: u32): bool {
  if (value_of(e, index) != NO_VALUE) return true;
  const s = symbol(e, index);
  return index != 0 && s.st_shndx == SHN_ABS && s.st_value == NO_VALUE;
}

export function string_length(off: usize): usize {
  let n: usize = 0;
  while (load<u8>(off + n) != 0) n++;
  return n;
}

/** Compares a NUL-terminated string with `len` static bytes. */
export function string_is(off: usize, bytes_off: usize, len: usize): bool {
  for (let i: usize = 0; i < len; i++) {
    if (load<u8>(off + i) != load<u8>(bytes_off + i)) return false;
  }
  return load<u8>(off + len) == 0;
}

/** Index of the first section with this name, from `from` on; 0 when there is none. */
export function find_section(e: ElfFile, from: u32, bytes_off: usize, len: usize): u32 {
  for (let i = from; i < e.shnum; i++) {
    if (string_is(section_name(e, section(e, i)), bytes_off, len)) return i;
  }
  return 0;
}

/** Frames for the tables that the passes share, given back by close_elf. False: there are none. */
export function open_work(e: ElfFile): bool {
  const places = <usize>e.shnum * SECTION_PLACE_SIZE;
  const values = <usize>e.nsyms * 8;
  e.work_pages = pages_for(<u64>(places + values));
  e.work_off = alloc_frames(e.work_pages, OWNER_STAGING);
  if (e.work_off == 0) e.work_pages = 0;
  e.places_off = e.work_off;
  e.values_off = e.work_off + places;
  return e.work_off != 0;
}

export function close_elf(e: ElfFile): void {
  if (e.work_pages != 0) free_frames(e.work_off, e.work_pages);
  memory.fill(changetype<usize>(e), 0, offsetof<ElfFile>());
}

/** Refuses because of a section; its name goes along once names are known to be good. */
export function refuse_section(e: ElfFile, errno: i32, reason: u32, index: u32): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_SECTION, index);
  if (e.shstr_off != 0 && index < e.shnum) {
    const s = section(e, index);
    if (s.sh_name < e.shstr_size) refusal_name(section_name(e, s), e.shstr_size - s.sh_name);
  }
  return rc;
}

/** Refuses because of a symbol. */
export function refuse_symbol(e: ElfFile, errno: i32, reason: u32, index: u32): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_SYMBOL, index);
  if (e.names_off != 0 && index < e.nsyms) {
    const s = symbol(e, index);
    if (s.st_name < e.names_size) refusal_name(symbol_name(e, s), e.names_size - s.st_name);
  }
  return rc;
}

/** What was found and what would have been right: two operands of the refusal under way. */
export function refused_value(value: u64, limit: u64): void {
  const r = refusal();
  r.value = value;
  r.limit = limit;
}
