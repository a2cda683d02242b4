// From the RFC's structures to splices: reloc, section and patch of one index describe one place
// (R36, R37, K13). Here the place is found and the change understood; whether the change may be
// made there is check.ts's question. The loader has validated the structures' form; pointers are
// still looked up with bounds, because a payload's data can change after it was loaded.

import {
  EINVAL,
  ENOMEM,
  ENOSPC,
  XSPLICE_CODE_SIZE,
  XSPLICE_HOWTO_SIZE,
  XSPLICE_PATCH_INLINE_DATA,
  XSPLICE_PATCH_INLINE_TEXT,
  XSPLICE_PATCH_RELOC_TEXT,
  XSPLICE_PATCH_SIZE,
  XSPLICE_RELOC_SIZE,
  XSPLICE_SECTION_SIZE,
} from "../abi";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { radix_sort, SORT_RECORD } from "../hv/sort";
import {
  PLACE_XSPLICE_CODE,
  PLACE_XSPLICE_HOWTO,
  PLACE_XSPLICE_PATCH,
  PLACE_XSPLICE_RELOC,
  PLACE_XSPLICE_SECTION,
  REASON_ADDR_SYMBOL,
  REASON_DOES_NOT_FIT,
  REASON_ENUM,
  REASON_NO_MEMORY,
  REASON_PATCH_ADDRESS,
} from "../reasons";
import { is_field_size } from "./howto";
import { bug_trampolines } from "./island";
import { payload_off } from "./memory";
import { Payload } from "./payload";
import {
  alloc_splices,
  Splice,
  splice_at,
  SPLICE_DATA,
  SPLICE_FIELD,
  SPLICE_SIZE,
  SPLICE_TEXT,
  SPLICE_TRAMPOLINE,
} from "./splice";
import { XspliceCode, XspliceHowto, XsplicePatch, XspliceReloc, XspliceSection } from "./structs";
import {
  inline_place,
  name_symbol,
  refuse_pointer,
  reloc_place,
  resolve_reloc,
  resolve_section,
  target,
  wrong_size,
} from "./target";
import { JMP_REL32_LEN } from "./trampoline";

function describe_object(s: Splice, section: XspliceSection): void {
  const t = target();
  s.object_va = t.va;
  s.object_size = t.size;
  s.symbol = t.symbol;
  s.flags = section.flags;
}

/** A trampoline (K10): e9 at the place, relocated at the byte behind. */
function place_trampoline(s: Splice, r: XspliceReloc, x: XsplicePatch, va: u64): i32 {
  const t = target();
  if (va == 0) va = t.va + <u64>r.isns_target;
  s.kind = SPLICE_TRAMPOLINE;
  s.va = va;
  s.length = JMP_REL32_LEN;
  s.target = x.content + <u64>(r.isns_added + 4);
  s.new_size = x.size;
  if (va - t.va >= t.size) return wrong_size(va - t.va, t.size, PLACE_XSPLICE_RELOC, s.index);
  s.room = <u32>min<u64>(t.room - (va - t.va), u32.MAX_VALUE);
  return 0;
}

/** Bytes in place. */
function place_bytes(p: Payload, s: Splice, x: XsplicePatch): i32 {
  s.kind = x.type == XSPLICE_PATCH_INLINE_TEXT ? SPLICE_TEXT : SPLICE_DATA;
  s.length = x.size;
  s.content_size = x.size;
  s.content_off = payload_off(p, x.content, x.size);
  return s.content_off != 0 ? 0 : refuse_pointer(PLACE_XSPLICE_PATCH, s.index, x.content);
}

/** One field that gets a value. */
function place_field(s: Splice, r: XspliceReloc, h: XspliceHowto, x: XsplicePatch): i32 {
  s.kind = SPLICE_FIELD;
  s.length = h.size;
  s.field_size = h.size;
  s.field_flag = h.flag;
  s.field_shift = h.r_shift;
  s.field_mask = h.mask;
  s.field_added = r.isns_added;
  s.target = x.content;
  s.new_size = x.size;
  return 0;
}

/** An inline patch: bytes, or with a mask one field. Its place stands in patch.addr, and the
 *  reloc must mean the same place; a reloc that names the object's start says only which object. */
function place_inline(
  p: Payload,
  s: Splice,
  r: XspliceReloc,
  h: XspliceHowto,
  x: XsplicePatch,
): i32 {
  if (!is_field_size(h.size)) {
    return refuse_at(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO, s.index);
  }
  const field = h.mask != 0;
  const rc = field ? place_field(s, r, h, x) : place_bytes(p, s, x);
  if (rc != 0) return rc;
  s.va = inline_place(x.addr);
  if (s.va == 0) {
    refusal().value = x.addr;
    return refuse_at(EINVAL, REASON_PATCH_ADDRESS, PLACE_XSPLICE_PATCH, s.index);
  }
  const said = reloc_place();
  const agrees = said == 0 || said == s.va || (!field && said == target().va);
  if (!agrees) {
    refusal().va = s.va;
    refusal().va2 = said;
    return refuse_at(EINVAL, REASON_ADDR_SYMBOL, PLACE_XSPLICE_RELOC, s.index);
  }
  // R216: the change lies in the object that it claims to change. Padding behind it is not part of
  // it.
  const t = target();
  const at = s.va - t.va;
  if (s.va < t.va || at >= t.size) return wrong_size(at, t.size, PLACE_XSPLICE_PATCH, s.index);
  if (<u64>s.length > t.size - at) {
    name_symbol(t.symbol);
    refusal().va = s.va;
    refusal().value = s.length;
    refusal().limit = t.size - at;
    return refuse_at(ENOSPC, REASON_DOES_NOT_FIT, PLACE_XSPLICE_PATCH, s.index);
  }
  s.room = <u32>min<u64>(t.size - at, u32.MAX_VALUE);
  return 0;
}

/** One index: target() from the section, then the place from reloc or patch. */
function place_one(p: Payload, c: XspliceCode, i: u32, s: Splice): i32 {
  const reloc_va = c.relocs + <u64>i * XSPLICE_RELOC_SIZE;
  const patch_va = c.patches + <u64>i * XSPLICE_PATCH_SIZE;
  const section_va = c.sections + <u64>i * XSPLICE_SECTION_SIZE;
  const reloc_off = payload_off(p, reloc_va, XSPLICE_RELOC_SIZE);
  const patch_off = payload_off(p, patch_va, XSPLICE_PATCH_SIZE);
  const section_off = payload_off(p, section_va, XSPLICE_SECTION_SIZE);
  if (reloc_off == 0) return refuse_pointer(PLACE_XSPLICE_RELOC, i, reloc_va);
  if (patch_off == 0) return refuse_pointer(PLACE_XSPLICE_PATCH, i, patch_va);
  if (section_off == 0) return refuse_pointer(PLACE_XSPLICE_SECTION, i, section_va);
  const r = changetype<XspliceReloc>(reloc_off);
  const x = changetype<XsplicePatch>(patch_off);
  const section = changetype<XspliceSection>(section_off);
  const howto_off = payload_off(p, r.howto, XSPLICE_HOWTO_SIZE);
  if (howto_off == 0) return refuse_pointer(PLACE_XSPLICE_HOWTO, i, r.howto);
  s.index = i;
  s.symbol = -1;
  const hint = r.addr != 0 ? r.addr : x.addr;
  let rc = resolve_section(p, c.sections, i, hint, PLACE_XSPLICE_SECTION);
  if (rc != 0) return rc;
  describe_object(s, section);
  rc = resolve_reloc(p, r, section.symbol, PLACE_XSPLICE_RELOC, i);
  if (rc != 0) return rc;
  switch (x.type) {
    case XSPLICE_PATCH_RELOC_TEXT:
      return place_trampoline(s, r, x, reloc_place());
    case XSPLICE_PATCH_INLINE_TEXT:
    case XSPLICE_PATCH_INLINE_DATA:
      return place_inline(p, s, r, changetype<XspliceHowto>(howto_off), x);
  }
  refusal().value = x.type;
  return refuse_at(EINVAL, REASON_ENUM, PLACE_XSPLICE_PATCH, i);
}

/** Sorts the splices by address. False: no frames. */
export function sort_splices(p: Payload): bool {
  const n = p.splices_count;
  let sorted = true;
  for (let i: u32 = 1; i < n && sorted; i++) {
    if (splice_at(p, i).va < splice_at(p, i - 1).va) sorted = false;
  }
  if (sorted) return true;
  const keys = <u64>n * SORT_RECORD;
  const pages = pages_for(2 * keys + <u64>n * <u64>SPLICE_SIZE);
  const work = alloc_frames(pages, OWNER_STAGING);
  if (work == 0) return false;
  for (let i: u32 = 0; i < n; i++) {
    const record = work + <usize>i * SORT_RECORD;
    store<u64>(record, splice_at(p, i).va);
    store<u64>(record, i, 8);
  }
  const order = radix_sort(work, work + <usize>keys, <usize>n);
  const copy = work + 2 * <usize>keys;
  memory.copy(copy, p.splices_off, <usize>n * SPLICE_SIZE);
  for (let i: u32 = 0; i < n; i++) {
    const from = <usize>load<u64>(order + <usize>i * SORT_RECORD, 8);
    memory.copy(changetype<usize>(splice_at(p, i)), copy + from * SPLICE_SIZE, SPLICE_SIZE);
  }
  free_frames(work, pages);
  return true;
}

/** Finds all places of `new`. On failure nothing is left behind that free_splices does not free. */
export function find_places(p: Payload): i32 {
  const code_off = payload_off(p, p.new_va, XSPLICE_CODE_SIZE);
  if (code_off == 0) return refuse_pointer(PLACE_XSPLICE_CODE, 0, p.new_va);
  const code = changetype<XspliceCode>(code_off);
  const bugs = bug_trampolines();
  const room = (<u64>code.n_patches) << (bugs ? 1 : 0);
  if (room > u32.MAX_VALUE || !alloc_splices(p, <u32>room)) return refuse(ENOMEM, REASON_NO_MEMORY);
  for (let i: u32 = 0; i < code.n_patches; i++) {
    const rc = place_one(p, code, i, splice_at(p, i));
    if (rc != 0) return rc;
  }
  p.splices_count = code.n_patches;
  return sort_splices(p) ? 0 : refuse(ENOMEM, REASON_NO_MEMORY);
}
