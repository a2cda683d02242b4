// Is this file an x86-64 ELF relocatable object whose tables are all inside it? Specification: gABI
// chapter 4 and 5; requirements A3, R225, D2 (one reason per check). The predicates are numbered in
// the order in which they run: the first that fails decides what the user is told.
//
// Nothing here follows an offset that an earlier predicate has not bounded, and no sum can wrap.

import { EINVAL, EOPNOTSUPP } from "../abi";
import {
  EHDR_SIZE,
  EI_CLASS,
  EI_DATA,
  EI_OSABI,
  EI_VERSION,
  ELF_MAGIC,
  ELFCLASS64,
  ELFDATA2LSB,
  ELFOSABI_FREEBSD,
  ELFOSABI_SYSV,
  EM_X86_64,
  ET_REL,
  EV_CURRENT,
  ehdr_at,
  is_inside,
  RELA_SIZE,
  SHDR_SIZE,
  SHF_ALLOC,
  SHF_COMPRESSED,
  SHF_TLS,
  SHN_ABS,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  Shdr,
  STT_GNU_IFUNC,
  STT_TLS,
  SYM_SIZE,
} from "../hv/elf";
import { PAGE_SIZE } from "../hv/param";
import { refuse_at } from "../hv/refusal";
import {
  PLACE_ELF_HEADER,
  REASON_ELF_HEADER,
  REASON_ELF_MAGIC,
  REASON_ELF_RELOC_TABLE,
  REASON_ELF_SECTION_ALIGN,
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
  REASON_ELF_UNSUPPORTED_RELOC,
  REASON_ELF_UNSUPPORTED_SECTION,
  REASON_ELF_UNSUPPORTED_SYMBOL,
  REASON_ELF_UNSUPPORTED_TYPE,
  REASON_ELF_UNSUPPORTED_VERSION,
  REASON_NAME_LENGTH,
} from "../reasons";
import { ElfFile, refuse_section, refuse_symbol, refused_value, section, symbol } from "./elf";

const ELFOSABI_GNU: u8 = 3; // what gas writes when an object uses a GNU extension

function refuse_header(errno: i32, reason: u32, offset: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_HEADER, offset);
  refused_value(value, limit);
  return rc;
}

/** The ELF header. `e.file_off` and `e.file_size` are given; index of a refusal = byte offset. */
export function check_header(e: ElfFile): i32 {
  const size = <u64>e.file_size;
  const h = ehdr_at(e.file_off);
  // 1 the header is there
  if (size < EHDR_SIZE) return refuse_header(EINVAL, REASON_ELF_TRUNCATED, 0, size, EHDR_SIZE);
  // 2 "\x7fELF"
  if (h.magic != ELF_MAGIC) {
    return refuse_header(EINVAL, REASON_ELF_MAGIC, 0, h.magic, ELF_MAGIC);
  }
  // 3 64 bits, little-endian
  const elf_class = h.ident(EI_CLASS);
  if (elf_class != ELFCLASS64) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS, 4, elf_class, ELFCLASS64);
  }
  const data = h.ident(EI_DATA);
  if (data != ELFDATA2LSB) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS, 5, data, ELFDATA2LSB);
  }
  // 4 version 1, an ABI that means nothing special
  const version = h.ident(EI_VERSION);
  if (version != EV_CURRENT) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION, 6, version, EV_CURRENT);
  }
  const abi = h.ident(EI_OSABI);
  if (abi != ELFOSABI_SYSV && abi != ELFOSABI_GNU && abi != ELFOSABI_FREEBSD) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION, 7, abi, ELFOSABI_SYSV);
  }
  if (h.ident(8) != 0) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION, 8, h.ident(8), 0);
  }
  if (h.e_version != EV_CURRENT) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION, 20, h.e_version, EV_CURRENT);
  }
  // 5 relocatable, x86-64
  if (h.e_type != ET_REL) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, 16, h.e_type, ET_REL);
  }
  if (h.e_machine != EM_X86_64) {
    return refuse_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_MACHINE, 18, h.e_machine, EM_X86_64);
  }
  // 6 header size; no segments in an object
  if (<usize>h.e_ehsize != EHDR_SIZE) {
    return refuse_header(EINVAL, REASON_ELF_HEADER, 52, h.e_ehsize, EHDR_SIZE);
  }
  if (h.e_phnum != 0) return refuse_header(EINVAL, REASON_ELF_SEGMENT, 56, h.e_phnum, 0);
  return check_section_table(e);
}

/** Where the section headers are. After this, section(e, i) may be read for every i < shnum. */
export function check_section_table(e: ElfFile): i32 {
  const h = ehdr_at(e.file_off);
  const shnum = <u32>h.e_shnum;
  const stride = <u32>h.e_shentsize;
  // 7 entries are section headers
  if (stride != <u32>SHDR_SIZE) {
    return refuse_header(EINVAL, REASON_ELF_SECTION_TABLE, 58, stride, SHDR_SIZE);
  }
  // 8 there are some (0 with a count in section 0 is gABI's way to say 65,280 and more)
  if (shnum == 0 || shnum >= <u32>SHN_LORESERVE) {
    return refuse_header(EINVAL, REASON_ELF_SECTION_TABLE, 60, shnum, SHN_LORESERVE);
  }
  // 9 the table is inside the file and does not cover the ELF header
  if (h.e_shoff < EHDR_SIZE || !is_inside(h.e_shoff, <u64>shnum * stride, e.file_size)) {
    return refuse_header(EINVAL, REASON_ELF_SECTION_TABLE, 40, h.e_shoff, e.file_size);
  }
  // 10 the section with the names is one of them
  if (h.e_shstrndx == SHN_UNDEF || <u32>h.e_shstrndx >= shnum) {
    return refuse_header(EINVAL, REASON_ELF_SECTION_TABLE, 62, h.e_shstrndx, shnum);
  }
  e.shnum = shnum;
  e.shstrndx = h.e_shstrndx;
  e.sections_stride = stride;
  e.sections_off = e.file_off + <usize>h.e_shoff;
  return 0;
}


@inline
function has_bytes(s: Shdr): bool {
  return s.sh_type != SHT_NULL && s.sh_type != SHT_NOBITS;
}

/**
 * 11 every section's bytes are inside the file, behind the ELF header. After this the ELF file
 * has an end, `e.elf_size`: the largest extent of headers and sections (K64).
 */
export function check_extent(e: ElfFile): i32 {
  let end: u64 = EHDR_SIZE;
  const table_end = <u64>(e.sections_off - e.file_off) + <u64>e.shnum * e.sections_stride;
  if (table_end > end) end = table_end;
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if (!has_bytes(s)) continue;
    if (s.sh_offset < EHDR_SIZE || !is_inside(s.sh_offset, s.sh_size, e.file_size)) {
      const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_BOUNDS, i);
      refused_value(s.sh_offset, e.file_size);
      return rc;
    }
    if (s.sh_size != 0 && s.sh_offset + s.sh_size > end) end = s.sh_offset + s.sh_size;
  }
  e.elf_size = <u32>end;
  return 0;
}

/** A string table: right type, not empty, first and last byte NUL, so that every index ends. */
function is_string_table(e: ElfFile, s: Shdr): bool {
  if (s.sh_type != SHT_STRTAB || s.sh_size == 0) return false;
  const bytes_off = e.file_off + <usize>s.sh_offset;
  return load<u8>(bytes_off) == 0 && load<u8>(bytes_off + <usize>s.sh_size - 1) == 0;
}

/** 12 section names. After this, section_name() is a terminated string for every section. */
export function check_section_names(e: ElfFile): i32 {
  const names = section(e, e.shstrndx);
  if (!is_string_table(e, names)) {
    return refuse_section(e, EINVAL, REASON_ELF_STRING_TABLE, e.shstrndx);
  }
  for (let i: u32 = 1; i < e.shnum; i++) {
    if (section(e, i).sh_name < names.sh_size) continue;
    const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_NAME, i);
    refused_value(section(e, i).sh_name, names.sh_size);
    return rc;
  }
  e.shstr_off = e.file_off + <usize>names.sh_offset;
  e.shstr_size = <u32>names.sh_size;
  return 0;
}

/** Sections one by one. After this, sh_addralign is 0 or a power of two of at most a page. */
export function check_sections(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    const align = s.sh_addralign;
    // 13 alignment: a power of two (0 and 1 mean none), which sh_addr keeps
    if (align != 0 && ((align & (align - 1)) != 0 || (s.sh_addr & (align - 1)) != 0)) {
      const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_ALIGN, i);
      refused_value(align, PAGE_SIZE);
      return rc;
    }
    // 14 symbols with more than 16 bits of section index: not needed below 65,280 sections
    if (s.sh_type == SHT_SYMTAB_SHNDX) {
      return refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SECTION, i);
    }
    if ((s.sh_flags & SHF_ALLOC) == 0) continue;
    // 15 payloads are placed by the page: a stricter alignment cannot be kept
    if (align > PAGE_SIZE) {
      const rc = refuse_section(e, EOPNOTSUPP, REASON_ELF_SECTION_ALIGN, i);
      refused_value(align, PAGE_SIZE);
      return rc;
    }
    // 16 nothing that a loader would have to unpack, or that needs a thread
    if ((s.sh_flags & (SHF_COMPRESSED | SHF_TLS)) != 0) {
      const rc = refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SECTION, i);
      refused_value(s.sh_flags, 0);
      return rc;
    }
  }
  return 0;
}

/** 17-19 exactly one symbol table, whole entries, a good string table. */
export function check_symbol_table(e: ElfFile): i32 {
  e.symtab = 0;
  for (let i: u32 = 1; i < e.shnum; i++) {
    if (section(e, i).sh_type != SHT_SYMTAB) continue;
    if (e.symtab != 0) return refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, i);
    e.symtab = i;
  }
  if (e.symtab == 0) return refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, 0);
  const s = section(e, e.symtab);
  if (s.sh_entsize != SYM_SIZE || s.sh_size == 0 || s.sh_size % s.sh_entsize != 0) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, e.symtab);
    refused_value(s.sh_entsize, SYM_SIZE);
    return rc;
  }
  if (s.sh_link == 0 || s.sh_link >= e.shnum) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, e.symtab);
    refused_value(s.sh_link, e.shnum);
    return rc;
  }
  const names = section(e, s.sh_link);
  if (!is_string_table(e, names)) {
    return refuse_section(e, EINVAL, REASON_ELF_STRING_TABLE, s.sh_link);
  }
  e.symbols_off = e.file_off + <usize>s.sh_offset;
  e.symbols_stride = <u32>s.sh_entsize;
  e.nsyms = <u32>(s.sh_size / s.sh_entsize);
  e.names_off = e.file_off + <usize>names.sh_offset;
  e.names_size = <u32>names.sh_size;
  return 0;
}

/**
 * Longest name of a symbol. Bounds the work that a million symbols sharing one name could cause.
 */
export const SYMBOL_NAME_MAX: u32 = 1023;

/**
 * 20 symbol names, 21 of bearable length. After this, symbol_name() is a terminated string for
 * every symbol.
 */
export function check_symbol_names(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const at = symbol(e, i).st_name;
    if (at >= e.names_size) {
      const rc = refuse_symbol(e, EINVAL, REASON_ELF_SYMBOL, i);
      refused_value(at, e.names_size);
      return rc;
    }
    const limit = e.names_off + at + SYMBOL_NAME_MAX;
    let end = e.names_off + at;
    while (end <= limit && load<u8>(end) != 0) end++;
    if (end <= limit) continue;
    const rc = refuse_symbol(e, EINVAL, REASON_NAME_LENGTH, i);
    refused_value(SYMBOL_NAME_MAX + 1, SYMBOL_NAME_MAX);
    return rc;
  }
  return 0;
}

/** Symbols one by one. After this each is undefined, absolute, or inside a section of the file. */
export function check_symbols(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    const index = s.st_shndx;
    // 22 no common blocks (compile with -fno-common), no other reserved index
    if (index >= SHN_LORESERVE && index != SHN_ABS) {
      const rc = refuse_symbol(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SYMBOL, i);
      refused_value(index, e.shnum);
      return rc;
    }
    // 23 nothing that is resolved by running code, or that needs a thread
    if (s.type == STT_TLS || s.type == STT_GNU_IFUNC) {
      const rc = refuse_symbol(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SYMBOL, i);
      refused_value(s.type, 0);
      return rc;
    }
    if (index == SHN_UNDEF || index == SHN_ABS) continue;
    // 24 the section exists, 25 and holds the symbol (its end counts: labels stand there)
    const outside = <u32>index >= e.shnum;
    if (outside || s.st_value > section(e, index).sh_size) {
      const rc = refuse_symbol(e, EINVAL, REASON_ELF_SYMBOL, i);
      if (outside) refused_value(index, e.shnum);
      else refused_value(s.st_value, section(e, index).sh_size);
      return rc;
    }
  }
  return 0;
}

/** 26-28 relocation tables of loaded sections. After this, reloc.ts may walk them. */
export function check_reloc_tables(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if (s.sh_type != SHT_RELA && s.sh_type != SHT_REL) continue;
    if (s.sh_info == 0 || s.sh_info >= e.shnum) {
      const rc = refuse_section(e, EINVAL, REASON_ELF_RELOC_TABLE, i);
      refused_value(s.sh_info, e.shnum);
      return rc;
    }
    if ((section(e, s.sh_info).sh_flags & SHF_ALLOC) == 0) continue;
    const rc = check_reloc_table(e, i);
    if (rc != 0) return rc;
  }
  return 0;
}

/** One table whose target is loaded: linked to the symbols, RELA, whole entries. */
export function check_reloc_table(e: ElfFile, index: u32): i32 {
  const s = section(e, index);
  if (s.sh_type == SHT_REL) {
    return refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, index);
  }
  if (s.sh_link != e.symtab) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_RELOC_TABLE, index);
    refused_value(s.sh_link, e.symtab);
    return rc;
  }
  if (s.sh_size == 0) return 0;
  if (s.sh_entsize != RELA_SIZE || s.sh_size % s.sh_entsize != 0) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_RELOC_TABLE, index);
    refused_value(s.sh_entsize, RELA_SIZE);
    return rc;
  }
  return 0;
}
