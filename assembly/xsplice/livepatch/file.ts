// Today's payload as a file: is it what Xen 4.17 takes for a relocatable object? Same predicates,
// same order, same errno (spec/livepatch-today 1.1-1.3); that is why this is not elf_check.ts,
// whose order is the RFC's. Where a sum of the real loader wraps, it is computed as wrapping and
// what would crash is refused. What passes leaves every string terminated and every table inside
// the file.

import { EINVAL, EOPNOTSUPP } from "../../abi";
import { LIVEPATCH_PAYLOAD_MAX } from "../../abi_today";
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
  Ehdr,
  ehdr_at,
  is_inside,
  SHDR_SIZE,
  SHF_ALLOC,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  Shdr,
  SYM_SIZE,
} from "../../hv/elf";
import { refuse_at } from "../../hv/refusal";
import {
  HAZARD_STRTAB_WRAPS,
  PLACE_ELF_HEADER,
  REASON_ELF_HEADER,
  REASON_ELF_MAGIC,
  REASON_ELF_SECTION_ALIGN,
  REASON_ELF_SECTION_BOUNDS,
  REASON_ELF_SECTION_NAME,
  REASON_ELF_SECTION_TABLE,
  REASON_ELF_STRING_TABLE,
  REASON_ELF_SYMBOL,
  REASON_ELF_SYMBOL_TABLE,
  REASON_ELF_TRUNCATED,
  REASON_ELF_UNSUPPORTED_CLASS,
  REASON_ELF_UNSUPPORTED_MACHINE,
  REASON_ELF_UNSUPPORTED_SECTION,
  REASON_ELF_UNSUPPORTED_TYPE,
  REASON_XEN_CRASH_SIZE_WRAP,
  REASON_XEN_CRASH_SYMTAB_LINK,
} from "../../reasons";
import { ElfFile, refuse_section, refuse_symbol, refused_value, section, symbol } from "../elf";

const EI_ABIVERSION: usize = 8;
const SECTIONS_MAX: u32 = 1024;

// Facts about a file that its user should know, collected while it is loaded (bits: HAZARD_*).
let hazards: u64 = 0;
export function forget_hazards(): void {
  hazards = 0;
}
export function note_hazard(bit: u32): void {
  hazards |= (<u64>1) << (<u64>bit);
}
export function noted_hazards(): u64 {
  return hazards;
}

function bad_header(errno: i32, reason: u32, offset: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_HEADER, offset);
  refused_value(value, limit);
  return rc;
}

function check_kind(h: Ehdr): i32 {
  const osabi = h.ident(EI_OSABI);
  const known = osabi == ELFOSABI_SYSV || osabi == ELFOSABI_FREEBSD;
  if (h.e_version != EV_CURRENT || h.ident(EI_VERSION) != <u8>EV_CURRENT) {
    return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, 20, h.e_version, EV_CURRENT);
  }
  if (h.ident(EI_ABIVERSION) != 0 || !known) {
    return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, 7, osabi, ELFOSABI_SYSV);
  }
  if (h.e_type != ET_REL) {
    return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, 16, h.e_type, ET_REL);
  }
  if (h.e_phnum != 0) return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE, 56, h.e_phnum, 0);
  if (h.ident(EI_CLASS) != ELFCLASS64 || h.ident(EI_DATA) != ELFDATA2LSB) {
    return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS, 4, h.ident(EI_CLASS), ELFCLASS64);
  }
  if (h.e_machine == EM_X86_64) return 0;
  return bad_header(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_MACHINE, 18, h.e_machine, EM_X86_64);
}

function check_header(e: ElfFile): i32 {
  const size = <u64>e.file_size;
  const h = ehdr_at(e.file_off);
  if (size < EHDR_SIZE) return bad_header(EINVAL, REASON_ELF_TRUNCATED, 0, size, EHDR_SIZE);
  if (h.magic != ELF_MAGIC) return bad_header(EINVAL, REASON_ELF_MAGIC, 0, h.magic, ELF_MAGIC);
  const rc = check_kind(h);
  if (rc != 0) return rc;
  if (h.e_shstrndx == 0) return bad_header(EINVAL, REASON_ELF_HEADER, 62, 0, 1);
  if (<u32>h.e_shnum >= SECTIONS_MAX) {
    return bad_header(EOPNOTSUPP, REASON_ELF_SECTION_TABLE, 60, h.e_shnum, SECTIONS_MAX);
  }
  if (h.e_shstrndx >= h.e_shnum) {
    return bad_header(EINVAL, REASON_ELF_HEADER, 62, h.e_shstrndx, h.e_shnum);
  }
  if (h.e_shoff >= size) return bad_header(EINVAL, REASON_ELF_SECTION_TABLE, 40, h.e_shoff, size);
  const stride = <u64>h.e_shentsize;
  if (stride < SHDR_SIZE) {
    return bad_header(EINVAL, REASON_ELF_SECTION_TABLE, 58, stride, SHDR_SIZE);
  }
  if ((size - h.e_shoff) / stride < <u64>h.e_shnum) {
    return bad_header(EINVAL, REASON_ELF_SECTION_TABLE, 60, h.e_shnum, (size - h.e_shoff) / stride);
  }
  e.shnum = h.e_shnum;
  e.shstrndx = h.e_shstrndx;
  e.sections_stride = h.e_shentsize;
  e.sections_off = e.file_off + <usize>h.e_shoff;
  return 0;
}

function check_section(e: ElfFile, index: u32): i32 {
  const s = section(e, index);
  const size = <u64>e.file_size;
  const bits = s.sh_type != SHT_NOBITS;
  const outside = s.sh_offset > size || s.sh_offset + s.sh_size > size;
  if (s.sh_offset < EHDR_SIZE || (bits && outside)) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_BOUNDS, index);
    refused_value(s.sh_offset, size);
    return rc;
  }
  const align = s.sh_addralign;
  if ((align & (align - 1)) != 0) {
    const rc = refuse_section(e, EOPNOTSUPP, REASON_ELF_SECTION_ALIGN, index);
    refused_value(align, 0);
    return rc;
  }
  if (align != 0 && (s.sh_addr & (align - 1)) != 0) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_ALIGN, index);
    refused_value(s.sh_addr, align);
    return rc;
  }
  if (
    !bits &&
    (s.sh_flags & (SHF_WRITE | SHF_ALLOC)) != 0 &&
    s.sh_size > <u64>LIVEPATCH_PAYLOAD_MAX
  ) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SECTION_BOUNDS, index);
    refused_value(s.sh_size, LIVEPATCH_PAYLOAD_MAX);
    return rc;
  }
  if (s.sh_type != SHT_SYMTAB) return 0;
  if (e.symtab != 0) return refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SECTION, index);
  e.symtab = index;
  if (s.sh_link < e.shnum) return 0;
  const rc = refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, index);
  refused_value(s.sh_link, e.shnum);
  return rc;
}

/** The bounds test above let a sum wrap: the section is longer than the file. */
@inline
export function is_wrapped(e: ElfFile, s: Shdr): bool {
  return s.sh_type != SHT_NOBITS && !is_inside(s.sh_offset, s.sh_size, e.file_size);
}

/** Bytes from a section's start that are in the file. */
@inline
export function bytes_in_file(e: ElfFile, s: Shdr): u64 {
  if (s.sh_offset >= <u64>e.file_size) return 0;
  return min<u64>(s.sh_size, <u64>e.file_size - s.sh_offset);
}

/** STRTAB, not empty, first and last byte NUL; the last of a size that wraps may be anywhere. */
function is_string_table(e: ElfFile, s: Shdr): bool {
  if (s.sh_type != SHT_STRTAB || s.sh_size == 0) return false;
  if (s.sh_offset >= <u64>e.file_size || load<u8>(e.file_off + <usize>s.sh_offset) != 0)
    return false;
  const last = s.sh_offset + s.sh_size - 1;
  return last < <u64>e.file_size && load<u8>(e.file_off + <usize>last) == 0;
}

function check_symbol_table(e: ElfFile): i32 {
  if (e.symtab == 0) return refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, 0);
  const s = section(e, e.symtab);
  if (s.sh_size == 0 || s.sh_entsize < SYM_SIZE || s.sh_size % s.sh_entsize != 0) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_SYMBOL_TABLE, e.symtab);
    refused_value(s.sh_entsize, SYM_SIZE);
    return rc;
  }
  if (s.sh_link == 0) return refuse_section(e, EINVAL, REASON_XEN_CRASH_SYMTAB_LINK, e.symtab);
  if (!is_string_table(e, section(e, s.sh_link))) {
    return refuse_section(e, EINVAL, REASON_ELF_STRING_TABLE, s.sh_link);
  }
  return 0;
}

/** Every string of the table ends inside the file: true unless its size wrapped. */
function ends(e: ElfFile, off: usize): bool {
  const end = e.file_off + <usize>e.file_size;
  for (let at = off; at < end; at++) {
    if (load<u8>(at) == 0) return true;
  }
  return false;
}

function check_section_names(e: ElfFile): i32 {
  const names = section(e, e.shstrndx);
  if (!is_string_table(e, names)) {
    return refuse_section(e, EINVAL, REASON_ELF_STRING_TABLE, e.shstrndx);
  }
  const wrapped = is_wrapped(e, names);
  const bytes = bytes_in_file(e, names);
  for (let i: u32 = 1; i < e.shnum; i++) {
    const name = <u64>section(e, i).sh_name;
    if (name < bytes && (!wrapped || ends(e, e.file_off + <usize>(names.sh_offset + name))))
      continue;
    const reason = name < names.sh_size ? REASON_XEN_CRASH_SIZE_WRAP : REASON_ELF_SECTION_NAME;
    const rc = refuse_section(e, EINVAL, reason, i);
    refused_value(name, names.sh_size);
    return rc;
  }
  if (wrapped) note_hazard(HAZARD_STRTAB_WRAPS);
  e.shstr_off = e.file_off + <usize>names.sh_offset;
  e.shstr_size = <u32>bytes;
  return 0;
}

function check_symbol_names(e: ElfFile): i32 {
  const s = section(e, e.symtab);
  const names = section(e, s.sh_link);
  if (is_wrapped(e, s)) return refuse_section(e, EINVAL, REASON_XEN_CRASH_SIZE_WRAP, e.symtab);
  const wrapped = is_wrapped(e, names);
  const bytes = bytes_in_file(e, names);
  e.symbols_off = e.file_off + <usize>s.sh_offset;
  e.symbols_stride = <u32>s.sh_entsize;
  e.nsyms = <u32>(s.sh_size / s.sh_entsize);
  const names_off = e.file_off + <usize>names.sh_offset;
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const name = <u64>symbol(e, i).st_name;
    if (name < bytes && (!wrapped || ends(e, names_off + <usize>name))) continue;
    const reason = name < names.sh_size ? REASON_XEN_CRASH_SIZE_WRAP : REASON_ELF_SYMBOL;
    const rc = refuse_symbol(e, EINVAL, reason, i);
    refused_value(name, names.sh_size);
    return rc;
  }
  if (wrapped) note_hazard(HAZARD_STRTAB_WRAPS);
  e.names_off = names_off;
  e.names_size = <u32>bytes;
  return 0;
}

/** All of it, in Xen's order. `e.file_off` and `e.file_size` are given. */
export function check_file(e: ElfFile): i32 {
  let rc = check_header(e);
  for (let i: u32 = 1; i < e.shnum && rc == 0; i++) rc = check_section(e, i);
  if (rc == 0) rc = check_symbol_table(e);
  if (rc == 0) rc = check_section_names(e);
  if (rc == 0) rc = check_symbol_names(e);
  return rc;
}
