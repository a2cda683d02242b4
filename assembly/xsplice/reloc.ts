// Relocations of the payload itself: AMD64 psABI, table 4.9, with its letters. S value of the
// symbol, A addend, P place.
//
//   0  R_X86_64_NONE   nothing
//   1  R_X86_64_64     S + A       64 bits
//   2  R_X86_64_PC32   S + A - P   32 bits, signed
//   4  R_X86_64_PLT32  S + A - P   32 bits, signed (a call that needs no PLT: everything is here)
//   10 R_X86_64_32     S + A       32 bits, zero-extended
//   11 R_X86_64_32S    S + A       32 bits, sign-extended
//   24 R_X86_64_PC64   S + A - P   64 bits
//
// Order of work for each entry: bounds of r_offset, symbol, value, range, then one write; a value
// that does not fit is never written. The fast loop knows the types that compilers emit by the
// million and nothing about errors: it stops at the first entry that is not plain sailing and
// leaves it to `relocate_slowly`, which does the same work with every check spelled out.

import { EINVAL, EOPNOTSUPP, EOVERFLOW } from "../abi";
import { Rela, SHF_ALLOC, SHT_RELA } from "../hv/elf";
import { refuse_at, refusal, refusal_name } from "../hv/refusal";
import {
  PLACE_ELF_RELA,
  REASON_ELF_RELOC,
  REASON_ELF_UNSUPPORTED_RELOC,
  REASON_RELOC_OVERFLOW,
} from "../reasons";
import {
  ElfFile,
  NO_VALUE,
  R_X86_64_32,
  R_X86_64_32S,
  R_X86_64_64,
  R_X86_64_NONE,
  R_X86_64_PC32,
  R_X86_64_PC64,
  R_X86_64_PLT32,
  has_value,
  section,
  section_bytes,
  section_place,
  SectionPlace,
  symbol,
  symbol_name,
  value_of,
} from "./elf";

/** `table` and `entry` are the PLACE: section index and number in it. */
function refuse_rela(errno: i32, reason: u32, table: u32, entry: u32, r: Rela): i32 {
  const rc = refuse_at(errno, reason, PLACE_ELF_RELA, table);
  refusal().index2 = entry;
  refusal().value = r.type;
  refusal().va = r.r_offset;
  return rc;
}

function refuse_overflow(e: ElfFile, table: u32, entry: u32, r: Rela, place_va: u64): i32 {
  const rc = refuse_rela(EOVERFLOW, REASON_RELOC_OVERFLOW, table, entry, r);
  const s = symbol(e, r.sym);
  refusal_name(symbol_name(e, s), e.names_size - s.st_name);
  refusal().va = place_va;
  refusal().va2 = value_of(e, r.sym);
  return rc;
}

/** The types above: no GOT, no TLS, nothing that only a dynamic linker does. */
function is_known(type: u32): bool {
  const known: u32 =
    (1 << R_X86_64_NONE) |
    (1 << R_X86_64_64) |
    (1 << R_X86_64_PC32) |
    (1 << R_X86_64_PLT32) |
    (1 << R_X86_64_32) |
    (1 << R_X86_64_32S) |
    (1 << R_X86_64_PC64);
  return type < 32 && ((known >> type) & 1) != 0;
}

/** Bytes that a relocation type writes; 0 for those that write none. */
function width_of(type: u32): u32 {
  switch (type) {
    case R_X86_64_NONE:
      return 0;
    case R_X86_64_64:
    case R_X86_64_PC64:
      return 8;
    default:
      return 4;
  }
}

/** One entry with every check. 0, or the refusal. */
function relocate_slowly(
  e: ElfFile,
  table: u32,
  entry: u32,
  r: Rela,
  size: u64,
  to: SectionPlace,
): i32 {
  const type = r.type;
  if (!is_known(type)) {
    return refuse_rela(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, table, entry, r);
  }
  if (type == R_X86_64_NONE) return 0;
  const width = <u64>width_of(type);
  const offset = r.r_offset;
  if (offset > size || size - offset < width) {
    const rc = refuse_rela(EINVAL, REASON_ELF_RELOC, table, entry, r);
    refusal().limit = size;
    return rc;
  }
  if (r.sym == 0) return refuse_rela(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, table, entry, r);
  if (r.sym >= e.nsyms || !has_value(e, r.sym)) {
    const rc = refuse_rela(EINVAL, REASON_ELF_RELOC, table, entry, r);
    refusal().value = r.sym;
    refusal().limit = e.nsyms;
    return rc;
  }
  const S = value_of(e, r.sym);
  const A = <u64>r.r_addend;
  const P = to.va + offset;
  const at = to.mem_off + <usize>offset;
  switch (type) {
    case R_X86_64_64: {
      store<u64>(at, S + A);
      return 0;
    }
    case R_X86_64_PC64: {
      store<u64>(at, S + A - P);
      return 0;
    }
    case R_X86_64_PC32:
    case R_X86_64_PLT32: {
      const v = S + A - P;
      if (v != <u64>(<i64>(<i32>v))) return refuse_overflow(e, table, entry, r, P);
      store<u32>(at, <u32>v);
      return 0;
    }
    case R_X86_64_32: {
      const v = S + A;
      if (v != <u64>(<u32>v)) return refuse_overflow(e, table, entry, r, P);
      store<u32>(at, <u32>v);
      return 0;
    }
    case R_X86_64_32S: {
      const v = S + A;
      if (v != <u64>(<i64>(<i32>v))) return refuse_overflow(e, table, entry, r, P);
      store<u32>(at, <u32>v);
      return 0;
    }
    default:
      return refuse_rela(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC, table, entry, r);
  }
}

/**
 * The fast loop over entries [off, end), at least one, `stride` bytes each, of a table whose target
 * is at linear `to_off`, virtual `to_va`. It does 64, PC32 and PLT32 whose place leaves 8 bytes to
 * the section's end. Returns the offset of the first entry that it did not do, or `end`.
 *
 * Written for the number of instructions per entry (a million entries are bound by that and by
 * memory): halves of r_info are loaded apart instead of shifted apart, NO_VALUE fits an immediate.
 */
export function relocate_run(
  off: usize,
  end: usize,
  stride: usize,
  to_off: usize,
  to_va: u64,
  last_place: u64,
  values_off: usize,
  nsyms: u32,
): usize {
  do {
    const r_offset = load<u64>(off);
    const sym = load<u32>(off, 12);
    if (r_offset > last_place || sym >= nsyms) return off;
    const S = load<u64>(values_off + ((<usize>sym) << 3));
    if (S == NO_VALUE) return off;
    const value = S + load<u64>(off, 16);
    const type = load<u32>(off, 8);
    if (type == R_X86_64_64) {
      store<u64>(to_off + <usize>r_offset, value);
    } else {
      // PC32 is 2, PLT32 is 4: anything else leaves another bit.
      if (((type - R_X86_64_PC32) & ~(R_X86_64_PLT32 - R_X86_64_PC32)) != 0) return off;
      const v = value - r_offset - to_va;
      if (v != <u64>(<i64>(<i32>v))) return off;
      store<u32>(to_off + <usize>r_offset, <u32>v);
    }
    off += stride;
  } while (off < end);
  return off;
}

/** One table: fast runs, with what stops them done slowly. */
function relocate_table(e: ElfFile, table: u32): i32 {
  const t = section(e, table);
  const target = section(e, t.sh_info);
  const to = section_place(e, t.sh_info);
  const size = target.sh_size;
  const stride = <usize>t.sh_entsize;
  const first = section_bytes(e, t);
  const end = first + <usize>t.sh_size;
  let off = first;
  while (off < end) {
    if (size >= 8) {
      off = relocate_run(off, end, stride, to.mem_off, to.va, size - 8, e.values_off, e.nsyms);
      if (off >= end) break;
    }
    const entry = <u32>((off - first) / stride);
    const rc = relocate_slowly(e, table, entry, changetype<Rela>(off), size, to);
    if (rc != 0) return rc;
    off += stride;
  }
  return 0;
}

/**
 * After this the payload's bytes are what will run; what they refer to is where they think it is.
 */
export function relocate(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if (s.sh_type != SHT_RELA || s.sh_size == 0) continue;
    if ((section(e, s.sh_info).sh_flags & SHF_ALLOC) == 0) continue;
    const rc = relocate_table(e, i);
    if (rc != 0) return rc;
  }
  return 0;
}
