// Symbols and relocations of today's payload (spec/livepatch-today 5.7, 5.8): every symbol is
// resolved, used or not; three relocation types are known. Values go to e.values, never into the
// file: its tables may overlap each other, and what has been checked must stay as it was.

import { EINVAL, ENOENT, EOPNOTSUPP, EOVERFLOW, REGION_INIT } from "../../abi";
import {
  Rela,
  RELA_SIZE,
  SHF_ALLOC,
  SHN_ABS,
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_REL,
  SHT_RELA,
} from "../../hv/elf";
import { refusal, refusal_name, refuse_at } from "../../hv/refusal";
import { region_of } from "../../hv/regions";
import {
  HAZARD_FOREIGN_SYMBOL,
  HAZARD_INIT_SYMBOL,
  HAZARD_UNRELOCATED,
  PLACE_ELF_RELA,
  REASON_ELF_RELOC,
  REASON_ELF_RELOC_TABLE,
  REASON_ELF_SYMBOL,
  REASON_ELF_UNSUPPORTED_RELOC,
  REASON_ELF_UNSUPPORTED_SYMBOL,
  REASON_RELOC_OVERFLOW,
  REASON_SYM_MISSING,
  REASON_XEN_CRASH_RELOC_INFO,
  REASON_XEN_CRASH_SIZE_WRAP,
} from "../../reasons";
import {
  ElfFile,
  R_X86_64_64,
  R_X86_64_NONE,
  R_X86_64_PC32,
  R_X86_64_PLT32,
  refuse_section,
  refuse_symbol,
  refused_value,
  section,
  section_bytes,
  section_place,
  symbol,
  symbol_name,
} from "../elf";
import { is_payload } from "../payload";
import { is_wrapped, note_hazard } from "./file";
import { found_in, look_up } from "./names";

const REL_SIZE: u64 = 16;


@inline
function set_value(e: ElfFile, i: u32, value: u64): void {
  store<u64>(e.values_off + ((<usize>i) << 3), value);
}


@inline
export function symbol_value(e: ElfFile, i: u32): u64 {
  return load<u64>(e.values_off + ((<usize>i) << 3));
}

function resolve_undefined(e: ElfFile, i: u32): i32 {
  const s = symbol(e, i);
  const va = look_up(symbol_name(e, s));
  if (va == 0) return refuse_symbol(e, ENOENT, REASON_SYM_MISSING, i);
  if (is_payload(found_in())) note_hazard(HAZARD_FOREIGN_SYMBOL);
  else if (region_of(va) == REGION_INIT) note_hazard(HAZARD_INIT_SYMBOL);
  set_value(e, i, va);
  return 0;
}

function resolve_one(e: ElfFile, i: u32): i32 {
  const s = symbol(e, i);
  const index = s.st_shndx;
  set_value(e, i, s.st_value);
  if (index == SHN_UNDEF) return resolve_undefined(e, i);
  if (index == SHN_ABS) return 0;
  if (index == SHN_COMMON) return refuse_symbol(e, EINVAL, REASON_ELF_UNSUPPORTED_SYMBOL, i);
  if (index >= SHN_LORESERVE || <u32>index >= e.shnum) {
    const errno = index >= SHN_LORESERVE ? EOPNOTSUPP : EINVAL;
    const rc = refuse_symbol(e, errno, REASON_ELF_SYMBOL, i);
    refused_value(index, e.shnum);
    return rc;
  }
  if (is_loaded(e, index)) set_value(e, i, section_place(e, index).va + s.st_value);
  return 0;
}


@inline
function is_loaded(e: ElfFile, index: u32): bool {
  return section_place(e, index).region != 0;
}

/** All symbols. */
export function resolve_names(e: ElfFile): i32 {
  let rc = 0;
  for (let i: u32 = 1; i < e.nsyms && rc == 0; i++) rc = resolve_one(e, i);
  return rc;
}

/** A symbol that stays what the file says: defined in a section that is not loaded. */
function is_ignored(e: ElfFile, i: u32): bool {
  const index = symbol(e, i).st_shndx;
  return index != SHN_UNDEF && <u32>index < e.shnum && !is_loaded(e, index);
}

function bad_rela(errno: i32, reason: u32, table: u32, entry: u32, r: Rela): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_RELA, table);
  refusal().index2 = entry;
  refusal().value = r.type;
  refusal().va = r.r_offset;
  return rc;
}

function bad_symbol(e: ElfFile, table: u32, entry: u32, r: Rela): i32 {
  const errno = r.sym == 0 ? EOPNOTSUPP : EINVAL;
  const rc = bad_rela(errno, REASON_ELF_RELOC, table, entry, r);
  refusal().value = r.sym;
  refusal().limit = e.nsyms;
  return rc;
}

function relocate_one(e: ElfFile, table: u32, entry: u32, r: Rela): i32 {
  const target = section(e, section(e, table).sh_info);
  const to = section_place(e, section(e, table).sh_info);
  if (r.sym == 0 || r.sym >= e.nsyms || is_ignored(e, r.sym)) return bad_symbol(e, table, entry, r);
  const type = r.type;
  if (type == R_X86_64_NONE) {
    note_hazard(HAZARD_UNRELOCATED);
    return 0;
  }
  const relative = type == R_X86_64_PC32 || type == R_X86_64_PLT32;
  if (!relative && type != R_X86_64_64) {
    return bad_rela(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, table, entry, r);
  }
  const width: u64 = relative ? 4 : 8;
  if (r.r_offset > target.sh_size || target.sh_size - r.r_offset < width) {
    const rc = bad_rela(EINVAL, REASON_ELF_RELOC, table, entry, r);
    refusal().limit = target.sh_size;
    return rc;
  }
  const at = to.mem_off + <usize>r.r_offset;
  const value = symbol_value(e, r.sym) + <u64>r.r_addend;
  if (!relative) {
    store<u64>(at, value);
    return 0;
  }
  const distance = value - (to.va + r.r_offset);
  if (distance == <u64>(<i64>(<i32>distance))) {
    store<u32>(at, <u32>distance);
    return 0;
  }
  const rc = bad_rela(EOVERFLOW, REASON_RELOC_OVERFLOW, table, entry, r);
  refusal_name(symbol_name(e, symbol(e, r.sym)), 128);
  refusal().va = to.va + r.r_offset;
  refusal().va2 = value;
  return rc;
}

function relocate_table(e: ElfFile, table: u32): i32 {
  const s = section(e, table);
  if (s.sh_link != e.symtab) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_RELOC_TABLE, table);
    refused_value(s.sh_link, e.symtab);
    return rc;
  }
  const rela = s.sh_type == SHT_RELA;
  if (s.sh_size == 0) return 0;
  const least = rela ? <u64>RELA_SIZE : REL_SIZE;
  if (s.sh_entsize < least || s.sh_size % s.sh_entsize != 0) {
    const rc = refuse_section(e, EINVAL, REASON_ELF_RELOC_TABLE, table);
    refused_value(s.sh_entsize, RELA_SIZE);
    return rc;
  }
  if (!rela) return refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, table);
  if (is_wrapped(e, s)) return refuse_section(e, EINVAL, REASON_XEN_CRASH_SIZE_WRAP, table);
  const count = <u32>(s.sh_size / s.sh_entsize);
  if (s.sh_entsize > <u64>RELA_SIZE) note_hazard(HAZARD_UNRELOCATED);
  for (let i: u32 = 0; i < count; i++) {
    const r = changetype<Rela>(section_bytes(e, s) + <usize>i * <usize>s.sh_entsize);
    const rc = relocate_one(e, table, i, r);
    if (rc != 0) return rc;
  }
  return 0;
}

/** All tables whose target is loaded. */
export function relocate(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if (s.sh_type != SHT_RELA && s.sh_type != SHT_REL) continue;
    if (s.sh_info >= e.shnum) {
      note_hazard(HAZARD_UNRELOCATED);
      continue;
    }
    if (s.sh_info == 0) return refuse_section(e, EINVAL, REASON_XEN_CRASH_RELOC_INFO, i);
    if ((section(e, s.sh_info).sh_flags & SHF_ALLOC) == 0) continue;
    const rc = relocate_table(e, i);
    if (rc != 0) return rc;
  }
  return 0;
}
