// `struct xsplice_code` and its arrays: relocs, sections, patches, and the symbols and howtos
// that they point to. Every structure is validated where it lies in the loaded payload, element
// by element, with the element's number in the refusal. Specification: requirements A2 (R26-R62),
// K4, K12-K17.
//
// In a refusal `index` is the number of the element and `index2` says whose it is: 0 `new`, 1
// `old`.

import {
  EFAULT,
  EINVAL,
  XSPLICE_CODE_SIZE,
  XSPLICE_HOWTO_FLAG_PC_REL,
  XSPLICE_HOWTO_FLAG_SIGN,
  XSPLICE_HOWTO_INLINE,
  XSPLICE_HOWTO_RELOC_PATCH,
  XSPLICE_HOWTO_SIZE,
  XSPLICE_PATCH_INLINE_DATA,
  XSPLICE_PATCH_INLINE_TEXT,
  XSPLICE_PATCH_RELOC_TEXT,
  XSPLICE_PATCH_SIZE,
  XSPLICE_RELOC_SIZE,
  XSPLICE_SECTION_DATA,
  XSPLICE_SECTION_MATCH_EXACT,
  XSPLICE_SECTION_NO_STACKCHECK,
  XSPLICE_SECTION_RODATA,
  XSPLICE_SECTION_SIZE,
  XSPLICE_SECTION_STRING,
  XSPLICE_SECTION_TEXT,
  XSPLICE_SECTION_TEXT_INLINE,
  XSPLICE_SYMBOL_SIZE,
} from "../abi";
import { refuse_at, refusal } from "../hv/refusal";
import {
  PLACE_XSPLICE_CODE,
  PLACE_XSPLICE_HOWTO,
  PLACE_XSPLICE_PATCH,
  PLACE_XSPLICE_RELOC,
  PLACE_XSPLICE_SECTION,
  PLACE_XSPLICE_SYMBOL,
  REASON_COUNT_MISMATCH,
  REASON_ENUM,
  REASON_FLAG_RESERVED,
  REASON_NAME_LENGTH,
  REASON_PAD_NONZERO,
  REASON_PATCH_ADDRESS,
  REASON_PAYLOAD_POINTER,
} from "../reasons";
import { SYMBOL_NAME_MAX } from "./elf_check";
import { payload_off, payload_string, STRING_OUTSIDE } from "./memory";
import { Payload } from "./payload";
import {
  CODE_PAD,
  CODE_PAD_SIZE,
  HOWTO_PAD,
  HOWTO_PAD_SIZE,
  is_zero,
  PATCH_PAD,
  PATCH_PAD_SIZE,
  RELOC_PAD,
  RELOC_PAD_SIZE,
  SECTION_PAD,
  SECTION_PAD_SIZE,
  SYMBOL_PAD,
  SYMBOL_PAD_SIZE,
  XspliceCode,
  XspliceHowto,
  XsplicePatch,
  XspliceReloc,
  XspliceSection,
  XspliceSymbol,
} from "./structs";

const LOCATION_FLAGS: u32 =
  XSPLICE_SECTION_TEXT | XSPLICE_SECTION_RODATA | XSPLICE_SECTION_DATA | XSPLICE_SECTION_STRING;
const SECTION_FLAGS: u32 =
  LOCATION_FLAGS |
  XSPLICE_SECTION_TEXT_INLINE |
  XSPLICE_SECTION_MATCH_EXACT |
  XSPLICE_SECTION_NO_STACKCHECK;
const HOWTO_FLAGS: u32 = XSPLICE_HOWTO_FLAG_PC_REL | XSPLICE_HOWTO_FLAG_SIGN;

/** Which structure is being judged: set before each, so that a refusal names it. */
function refuse_here(place: u32, index: u32, old: bool, errno: i32, reason: u32, value: u64): i32 {
  const rc = refuse_at(errno, reason, place, index);
  refusal().index2 = old ? 1 : 0;
  refusal().value = value;
  if (reason == REASON_PAYLOAD_POINTER) refusal().va = value;
  return rc;
}

function check_string(p: Payload, va: u64, index: u32, old: bool): i32 {
  const length = payload_string(p, va, SYMBOL_NAME_MAX);
  if (length >= 0) return 0;
  const outside = length == STRING_OUTSIDE;
  return refuse_here(
    PLACE_XSPLICE_SYMBOL,
    index,
    old,
    outside ? EFAULT : EINVAL,
    outside ? REASON_PAYLOAD_POINTER : REASON_NAME_LENGTH,
    va,
  );
}

/** A symbol (R44). The label is for people: it may be missing. */
function check_symbol(p: Payload, va: u64, index: u32, old: bool): i32 {
  const place = PLACE_XSPLICE_SYMBOL;
  const off = payload_off(p, va, XSPLICE_SYMBOL_SIZE);
  if (off == 0) return refuse_here(place, index, old, EFAULT, REASON_PAYLOAD_POINTER, va);
  const s = changetype<XspliceSymbol>(off);
  if (!is_zero(off + SYMBOL_PAD, SYMBOL_PAD_SIZE)) {
    return refuse_here(place, index, old, EINVAL, REASON_PAD_NONZERO, SYMBOL_PAD);
  }
  const rc = check_string(p, s.name, index, old);
  if (rc != 0) return rc;
  return s.label == 0 ? 0 : check_string(p, s.label, index, old);
}

/** Rules for all fields of a howto that one of them decides about (R38-R43, K4). */
function is_good_howto(h: XspliceHowto): bool {
  const size = h.size;
  if (h.howto == XSPLICE_HOWTO_RELOC_PATCH) {
    // e9 rel32: four bytes, all of them, relative to the next instruction.
    if (size != 0 && size != 4) return false;
    return (h.flag & XSPLICE_HOWTO_FLAG_PC_REL) != 0 && h.r_shift == 0 && <u32>h.mask == 0xffffffff;
  }
  if (size != 1 && size != 2 && size != 4 && size != 8) return false;
  return h.r_shift < 64;
}

function check_howto(p: Payload, va: u64, index: u32): i32 {
  const place = PLACE_XSPLICE_HOWTO;
  const off = payload_off(p, va, XSPLICE_HOWTO_SIZE);
  if (off == 0) return refuse_here(place, index, false, EFAULT, REASON_PAYLOAD_POINTER, va);
  const h = changetype<XspliceHowto>(off);
  if (!is_zero(off + HOWTO_PAD, HOWTO_PAD_SIZE)) {
    return refuse_here(place, index, false, EINVAL, REASON_PAD_NONZERO, HOWTO_PAD);
  }
  if (h.howto != XSPLICE_HOWTO_INLINE && h.howto != XSPLICE_HOWTO_RELOC_PATCH) {
    return refuse_here(place, index, false, EINVAL, REASON_ENUM, h.howto);
  }
  if ((h.flag & ~HOWTO_FLAGS) != 0) {
    return refuse_here(place, index, false, EINVAL, REASON_FLAG_RESERVED, h.flag);
  }
  if (!is_good_howto(h)) {
    const rc = refuse_here(place, index, false, EINVAL, REASON_ENUM, h.size);
    refusal().limit = h.mask;
    return rc;
  }
  return 0;
}

/** A place is known by its address, by its symbol, or by both (R31, R56); not by neither. */
function check_target(
  p: Payload,
  symbol: u64,
  address: u64,
  place: u32,
  index: u32,
  old: bool,
): i32 {
  if (symbol != 0) return check_symbol(p, symbol, index, old);
  return address != 0 ? 0 : refuse_here(place, index, old, EFAULT, REASON_PAYLOAD_POINTER, 0);
}

function check_reloc(p: Payload, off: usize, index: u32): i32 {
  const r = changetype<XspliceReloc>(off);
  if (!is_zero(off + RELOC_PAD, RELOC_PAD_SIZE)) {
    return refuse_here(PLACE_XSPLICE_RELOC, index, false, EINVAL, REASON_PAD_NONZERO, RELOC_PAD);
  }
  const rc = check_target(p, r.symbol, r.addr, PLACE_XSPLICE_RELOC, index, false);
  return rc != 0 ? rc : check_howto(p, r.howto, index);
}

/** Location: TEXT alone, DATA alone, RODATA or STRING or both (K17). */
@inline
function is_good_location(flags: u32): bool {
  const where = flags & LOCATION_FLAGS;
  if (where == XSPLICE_SECTION_TEXT || where == XSPLICE_SECTION_DATA) return true;
  return where != 0 && (where & (XSPLICE_SECTION_TEXT | XSPLICE_SECTION_DATA)) == 0;
}

function check_section(p: Payload, off: usize, index: u32, old: bool): i32 {
  const place = PLACE_XSPLICE_SECTION;
  const s = changetype<XspliceSection>(off);
  if (!is_zero(off + SECTION_PAD, SECTION_PAD_SIZE)) {
    return refuse_here(place, index, old, EINVAL, REASON_PAD_NONZERO, SECTION_PAD);
  }
  if ((s.flags & ~SECTION_FLAGS) != 0) {
    return refuse_here(place, index, old, EINVAL, REASON_FLAG_RESERVED, s.flags);
  }
  if (!is_good_location(s.flags)) {
    return refuse_here(place, index, old, EINVAL, REASON_ENUM, s.flags);
  }
  return check_target(p, s.symbol, s.address, place, index, old);
}

function check_patch(p: Payload, off: usize, index: u32, old: bool): i32 {
  const place = PLACE_XSPLICE_PATCH;
  const x = changetype<XsplicePatch>(off);
  if (!is_zero(off + PATCH_PAD, PATCH_PAD_SIZE)) {
    return refuse_here(place, index, old, EINVAL, REASON_PAD_NONZERO, PATCH_PAD);
  }
  const type = x.type;
  if (
    type != XSPLICE_PATCH_INLINE_TEXT &&
    type != XSPLICE_PATCH_INLINE_DATA &&
    type != XSPLICE_PATCH_RELOC_TEXT
  ) {
    return refuse_here(place, index, old, EINVAL, REASON_ENUM, type);
  }
  // R60: a trampoline's place is the reloc's, not the patch's.
  if (type == XSPLICE_PATCH_RELOC_TEXT && x.addr != 0) {
    return refuse_here(place, index, old, EINVAL, REASON_PATCH_ADDRESS, x.addr);
  }
  if (payload_off(p, x.content, x.size) == 0) {
    const rc = refuse_here(place, index, old, EFAULT, REASON_PAYLOAD_POINTER, x.content);
    refusal().limit = x.size;
    return rc;
  }
  return 0;
}

/** R62: a trampoline patch has a trampoline's howto, an inline one an inline howto. */
function check_pair(p: Payload, reloc_off: usize, patch_off: usize, index: u32): i32 {
  const va = changetype<XspliceReloc>(reloc_off).howto;
  const h = changetype<XspliceHowto>(payload_off(p, va, XSPLICE_HOWTO_SIZE));
  const trampoline = changetype<XsplicePatch>(patch_off).type == XSPLICE_PATCH_RELOC_TEXT;
  if (trampoline == (h.howto == XSPLICE_HOWTO_RELOC_PATCH)) return 0;
  return refuse_here(PLACE_XSPLICE_HOWTO, index, false, EINVAL, REASON_ENUM, h.howto);
}

/** R52: a section that says the change is to be inline in text describes such a change. */
function check_inline(section_off: usize, patch_off: usize, index: u32): i32 {
  const flags = changetype<XspliceSection>(section_off).flags;
  if ((flags & XSPLICE_SECTION_TEXT_INLINE) == 0) return 0;
  const in_text = (flags & XSPLICE_SECTION_TEXT) != 0;
  const type = changetype<XsplicePatch>(patch_off).type;
  if (in_text && type == XSPLICE_PATCH_INLINE_TEXT) return 0;
  return refuse_here(PLACE_XSPLICE_SECTION, index, false, EINVAL, REASON_FLAG_RESERVED, flags);
}

/** Linear offset of an array of `count` elements. 0 and a refusal when it is not in the payload. */
function array_off(p: Payload, va: u64, count: u32, size: u32, old: bool): usize {
  if (count == 0) return 1; // never followed
  const off = payload_off(p, va, <u64>count * size);
  if (off == 0) {
    refuse_here(PLACE_XSPLICE_CODE, old ? 1 : 0, old, EFAULT, REASON_PAYLOAD_POINTER, va);
    refusal().limit = count;
  }
  return off;
}

function refuse_counts(old: bool, count: u32, other: u32): i32 {
  const place = PLACE_XSPLICE_CODE;
  const rc = refuse_here(place, old ? 1 : 0, old, EINVAL, REASON_COUNT_MISMATCH, count);
  refusal().limit = other;
  return rc;
}

/** One struct xsplice_code and all that it reaches. `old` has no relocs of its own (R26). */
export function check_code(p: Payload, va: u64, old: bool): i32 {
  const place = PLACE_XSPLICE_CODE;
  const which: u32 = old ? 1 : 0;
  const off = payload_off(p, va, XSPLICE_CODE_SIZE);
  if (off == 0) return refuse_here(place, which, old, EFAULT, REASON_PAYLOAD_POINTER, va);
  const code = changetype<XspliceCode>(off);
  if (!is_zero(off + CODE_PAD, CODE_PAD_SIZE)) {
    return refuse_here(place, which, old, EINVAL, REASON_PAD_NONZERO, CODE_PAD);
  }
  // K13, K15: paired by index; what is compared with memory still needs its safety data.
  const n = code.n_patches;
  if (code.n_sections != n) return refuse_counts(old, code.n_sections, n);
  const n_relocs: u32 = old ? 0 : code.n_relocs;
  if (!old && n_relocs < n) return refuse_counts(old, n_relocs, n);
  const relocs: usize = array_off(p, code.relocs, n_relocs, XSPLICE_RELOC_SIZE, old);
  if (relocs == 0) return -EFAULT;
  const sections = array_off(p, code.sections, n, XSPLICE_SECTION_SIZE, old);
  if (sections == 0) return -EFAULT;
  const patches = array_off(p, code.patches, n, XSPLICE_PATCH_SIZE, old);
  if (patches == 0) return -EFAULT;
  for (let i: u32 = 0; i < n; i++) {
    const patch_off = patches + <usize>i * XSPLICE_PATCH_SIZE;
    const reloc_off = relocs + <usize>i * <usize>XSPLICE_RELOC_SIZE;
    const section_off = sections + <usize>i * XSPLICE_SECTION_SIZE;
    let rc = check_section(p, section_off, i, old);
    if (rc == 0) rc = check_patch(p, patch_off, i, old);
    if (rc == 0 && !old) rc = check_reloc(p, reloc_off, i);
    if (rc == 0 && !old) rc = check_pair(p, reloc_off, patch_off, i);
    if (rc == 0 && !old) rc = check_inline(section_off, patch_off, i);
    if (rc != 0) return rc;
  }
  // K13's extension: relocs behind the paired ones fix fields inside inline patches (fixups.ts).
  for (let i = n; i < n_relocs; i++) {
    const rc = check_reloc(p, relocs + <usize>i * <usize>XSPLICE_RELOC_SIZE, i);
    if (rc != 0) return rc;
  }
  return 0;
}
