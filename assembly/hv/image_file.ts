// The hypervisor's image as a file: checks every table before anything is taken from it, and
// changes nothing. ELF64 x86-64, ET_EXEC or ET_DYN linked to its final addresses in the
// hypervisor's half, with PT_LOAD segments (ascending, gABI ch. 5) and a symbol table. e_entry is
// never used. What passes here can be loaded without further bounds checks.

import { EINVAL, EOPNOTSUPP } from "../abi";
import {
  PLACE_ELF_HEADER,
  PLACE_ELF_SECTION,
  PLACE_ELF_SEGMENT,
  PLACE_ELF_SYMBOL,
  REASON_ELF_HEADER,
  REASON_ELF_MAGIC,
  REASON_ELF_SECTION_BOUNDS,
  REASON_ELF_SECTION_NAME,
  REASON_ELF_SECTION_TABLE,
  REASON_ELF_SEGMENT,
  REASON_ELF_STRING_TABLE,
  REASON_ELF_SYMBOL,
  REASON_ELF_SYMBOL_TABLE,
  REASON_ELF_TRUNCATED,
  REASON_ELF_UNSUPPORTED_CLASS,
  REASON_ELF_UNSUPPORTED_MACHINE,
  REASON_ELF_UNSUPPORTED_TYPE,
  REASON_ELF_UNSUPPORTED_VERSION,
  REASON_IMAGE,
} from "../reasons";
import {
  EHDR_SIZE,
  EI_CLASS,
  EI_DATA,
  EI_VERSION,
  ELFCLASS64,
  ELFDATA2LSB,
  ELF_MAGIC,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  EV_CURRENT,
  Ehdr,
  PHDR_SIZE,
  PT_LOAD,
  Phdr,
  SHDR_SIZE,
  SHT_NOBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  SYM_SIZE,
  Shdr,
  ehdr_at,
  is_inside,
  phdr_at,
  shdr_at,
  sym_at,
} from "./elf";
import { HYPERVISOR_VA, IMAGE_FILE_OFF, MACHINE_HI_VA, MACHINE_LO_VA } from "./layout";
import { IMAGE_PAGES_MAX, PAGE_SHIFT, PAGE_SIZE, STRINGS_MAX, SYMBOLS_MAX } from "./param";
import { refusal, refuse_at } from "./refusal";

/** What a check found; valid until the next. */
@unmanaged
export class ImageFile {
  off: usize;
  size: u32;
  phdrs: usize;
  phnum: u32;
  shdrs: usize;
  shnum: u32;
  names: usize; // section names
  names_size: u32;
  symtab: usize;
  symbols: u32;
  strings: usize;
  strings_size: u32;
  lo_va: u64; // lowest and one past the highest byte of all segments
  hi_va: u64;


  @inline section_name(s: Shdr): usize {
    return this.names + <usize>s.sh_name;
  }


  @inline section_name_limit(s: Shdr): usize {
    return <usize>(this.names_size - s.sh_name);
  }
}


@inline
export function image_file(): ImageFile {
  return changetype<ImageFile>(IMAGE_FILE_OFF);
}

function header_refused(errno: i32, reason: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_HEADER, 0);
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

function refused(reason: u32, place: u32, index: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(EINVAL, reason, place, index);
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

function check_ident(e: Ehdr, size: u32): i32 {
  if (<usize>size < EHDR_SIZE) return header_refused(EINVAL, REASON_ELF_TRUNCATED, size, EHDR_SIZE);
  if (e.magic != ELF_MAGIC) {
    return header_refused(EINVAL, REASON_ELF_MAGIC, e.magic, ELF_MAGIC);
  }
  if (e.ident(EI_CLASS) != ELFCLASS64 || e.ident(EI_DATA) != ELFDATA2LSB) {
    return header_refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS, e.ident(EI_CLASS), ELFCLASS64);
  }
  if (e.ident(EI_VERSION) != <u8>EV_CURRENT || e.e_version != EV_CURRENT) {
    return header_refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION, e.e_version, EV_CURRENT);
  }
  if (e.e_machine != EM_X86_64) {
    return header_refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_MACHINE, e.e_machine, EM_X86_64);
  }
  if (e.e_type != ET_EXEC && e.e_type != ET_DYN) {
    return header_refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, e.e_type, ET_EXEC);
  }
  return 0;
}

function check_tables(f: ImageFile, e: Ehdr): i32 {
  if (e.e_phentsize != PHDR_SIZE || e.e_phnum == 0) {
    return header_refused(EINVAL, REASON_ELF_HEADER, e.e_phentsize, PHDR_SIZE);
  }
  if (!is_inside(e.e_phoff, <u64>e.e_phnum * PHDR_SIZE, f.size)) {
    return refused(REASON_ELF_TRUNCATED, PLACE_ELF_SEGMENT, 0, e.e_phoff, f.size);
  }
  if (e.e_shentsize != SHDR_SIZE || e.e_shnum == 0 || e.e_shstrndx >= e.e_shnum) {
    return refused(REASON_ELF_SECTION_TABLE, PLACE_ELF_SECTION, e.e_shstrndx, e.e_shnum, 0);
  }
  if (!is_inside(e.e_shoff, <u64>e.e_shnum * SHDR_SIZE, f.size)) {
    return refused(REASON_ELF_TRUNCATED, PLACE_ELF_SECTION, 0, e.e_shoff, f.size);
  }
  f.phdrs = f.off + <usize>e.e_phoff;
  f.phnum = e.e_phnum;
  f.shdrs = f.off + <usize>e.e_shoff;
  f.shnum = e.e_shnum;
  return 0;
}

/** A string table lies in the file and ends with a NUL, so that every name in it ends. */
function check_strings(f: ImageFile, index: u32): i32 {
  const s = shdr_at(f.shdrs, index);
  const inside = s.sh_type == SHT_STRTAB && is_inside(s.sh_offset, s.sh_size, f.size);
  if (!inside || s.sh_size == 0 || s.sh_size > STRINGS_MAX) {
    return refused(REASON_ELF_STRING_TABLE, PLACE_ELF_SECTION, index, s.sh_size, f.size);
  }
  if (load<u8>(f.off + <usize>(s.sh_offset + s.sh_size - 1)) != 0) {
    return refused(REASON_ELF_STRING_TABLE, PLACE_ELF_SECTION, index, s.sh_size, f.size);
  }
  return 0;
}

function check_sections(f: ImageFile, names: u32): i32 {
  const rc = check_strings(f, names);
  if (rc != 0) return rc;
  const s = shdr_at(f.shdrs, names);
  f.names = f.off + <usize>s.sh_offset;
  f.names_size = <u32>s.sh_size;
  for (let i: u32 = 1; i < f.shnum; i++) {
    const t = shdr_at(f.shdrs, i);
    if (t.sh_name >= f.names_size) {
      return refused(REASON_ELF_SECTION_NAME, PLACE_ELF_SECTION, i, t.sh_name, f.names_size);
    }
    if (t.sh_type == SHT_NOBITS) continue;
    if (!is_inside(t.sh_offset, t.sh_size, f.size)) {
      return refused(REASON_ELF_SECTION_BOUNDS, PLACE_ELF_SECTION, i, t.sh_offset, f.size);
    }
  }
  return 0;
}

function check_segment(f: ImageFile, p: Phdr, i: u32): i32 {
  if (!is_inside(p.p_offset, p.p_filesz, f.size)) {
    return refused(REASON_ELF_TRUNCATED, PLACE_ELF_SEGMENT, i, p.p_offset, f.size);
  }
  if (p.p_filesz > p.p_memsz) {
    return refused(REASON_ELF_SEGMENT, PLACE_ELF_SEGMENT, i, p.p_filesz, p.p_memsz);
  }
  // The end must not reach the last page, so that no sum with it wraps.
  const room = p.p_vaddr > ~(<u64>0xfff) ? 0 : ~(<u64>0xfff) - p.p_vaddr;
  const machine = p.p_vaddr < MACHINE_HI_VA && p.p_vaddr + p.p_memsz > MACHINE_LO_VA;
  if (p.p_vaddr < HYPERVISOR_VA || p.p_memsz > room || machine) {
    const rc = refused(REASON_IMAGE, PLACE_ELF_SEGMENT, i, p.p_memsz, HYPERVISOR_VA);
    refusal().va = p.p_vaddr;
    return rc;
  }
  if (f.hi_va != 0 && p.p_vaddr < f.hi_va) {
    const rc = refused(REASON_ELF_SEGMENT, PLACE_ELF_SEGMENT, i, p.p_vaddr, f.hi_va);
    refusal().va = p.p_vaddr;
    return rc;
  }
  return 0;
}

function check_segments(f: ImageFile): i32 {
  let pages: u64 = 0;
  for (let i: u32 = 0; i < f.phnum; i++) {
    const p = phdr_at(f.phdrs, i);
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    const rc = check_segment(f, p, i);
    if (rc != 0) return rc;
    pages += (p.p_memsz + (p.p_vaddr & (PAGE_SIZE - 1)) + (PAGE_SIZE - 1)) >> PAGE_SHIFT;
    if (pages > IMAGE_PAGES_MAX) {
      return refused(REASON_ELF_SEGMENT, PLACE_ELF_SEGMENT, i, pages, IMAGE_PAGES_MAX);
    }
    if (f.hi_va == 0) f.lo_va = p.p_vaddr;
    f.hi_va = p.p_vaddr + p.p_memsz;
  }
  if (f.hi_va != 0) return 0;
  return refused(REASON_ELF_SEGMENT, PLACE_ELF_SEGMENT, f.phnum, 0, 1);
}

function check_symbols(f: ImageFile): i32 {
  let index: u32 = 1;
  while (index < f.shnum && shdr_at(f.shdrs, index).sh_type != SHT_SYMTAB) index++;
  if (index >= f.shnum) {
    return refused(REASON_ELF_SYMBOL_TABLE, PLACE_ELF_SECTION, 0, 0, 1);
  }
  const s = shdr_at(f.shdrs, index);
  const count = s.sh_size / SYM_SIZE;
  if (s.sh_entsize != SYM_SIZE || s.sh_size % SYM_SIZE != 0 || s.sh_link >= f.shnum) {
    return refused(REASON_ELF_SYMBOL_TABLE, PLACE_ELF_SECTION, index, s.sh_entsize, SYM_SIZE);
  }
  if (count > SYMBOLS_MAX) {
    return refused(REASON_ELF_SYMBOL_TABLE, PLACE_ELF_SECTION, index, count, SYMBOLS_MAX);
  }
  const rc = check_strings(f, s.sh_link);
  if (rc != 0) return rc;
  const strings = shdr_at(f.shdrs, s.sh_link);
  f.symtab = f.off + <usize>s.sh_offset;
  f.symbols = <u32>count;
  f.strings = f.off + <usize>strings.sh_offset;
  f.strings_size = <u32>strings.sh_size;
  for (let i: u32 = 0; i < f.symbols; i++) {
    const symbol = sym_at(f.symtab, i);
    if (symbol.st_name >= f.strings_size) {
      return refused(REASON_ELF_SYMBOL, PLACE_ELF_SYMBOL, i, symbol.st_name, f.strings_size);
    }
  }
  return 0;
}

/** Checks the file at `off`. 0: image_file() describes it. Else -errno and a refusal. */
export function check_image_file(off: usize, size: u32): i32 {
  memory.fill(IMAGE_FILE_OFF, 0, offsetof<ImageFile>());
  const f = image_file();
  f.off = off;
  f.size = size;
  const e = ehdr_at(off);
  let rc = check_ident(e, size);
  if (rc == 0) rc = check_tables(f, e);
  if (rc == 0) rc = check_sections(f, e.e_shstrndx);
  if (rc == 0) rc = check_segments(f);
  if (rc == 0) rc = check_symbols(f);
  return rc;
}
