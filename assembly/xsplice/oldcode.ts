// The optional old code of a payload, compared with memory (R11, R53, R199). Two kinds of match:
//
//   exact     MATCH_EXACT on the section, and always for data: every byte
//   relaxed   code: instruction by instruction. A displacement or an immediate may differ if the
//             payload's own refers to the payload itself (the old code was linked against its copy,
//             not against the hypervisor); one that refers to the hypervisor must mean the same
//             address. NOPs and int3 behind the last instruction may be others, as linkers and
//             assemblers pad differently.
//
// A range that earlier payloads have changed may also match what was beneath them: then this
// payload was made for the unpatched hypervisor, and can replace them (conflict.ts). The ranges
// compared are kept, sorted, until the conflicts are judged.

import {
  EFAULT,
  EILSEQ,
  EINVAL,
  ENOMEM,
  PERM_R,
  XSPLICE_CODE_SIZE,
  XSPLICE_PATCH_INLINE_DATA,
  XSPLICE_PATCH_SIZE,
  XSPLICE_SECTION_MATCH_EXACT,
  XSPLICE_SECTION_SIZE,
} from "../abi";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { is_mapped, peek } from "../hv/mem";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { radix_sort, SORT_RECORD } from "../hv/sort";
import { decode } from "../hv/x86/decode";
import { Insn, INSN_SIZE } from "../hv/x86/insn";
import {
  PLACE_OLD_PATCH,
  REASON_NO_MEMORY,
  REASON_NOT_MAPPED,
  REASON_OLD_CODE,
  REASON_PATCH_ADDRESS,
} from "../reasons";
import { payload_off } from "./memory";
import { first_payload, is_live, is_payload, next_payload, no_payload, Payload } from "./payload";
import { splice_at, splice_from } from "./splice";
import { XspliceCode, XsplicePatch, XspliceSection } from "./structs";
import {
  inline_place,
  name_symbol,
  refuse_pointer,
  resolve_section,
  target,
  wrong_size,
} from "./target";
import { padding_length } from "./trampoline";
import { refuse_bytes } from "./undo";

/** How a range's old code matched. */
export const OLD_NONE: u32 = 0; // the payload says nothing about it
export const OLD_NOW: u32 = 1; // what is in memory
export const OLD_BENEATH: u32 = 2; // what was there before earlier payloads

// Ranges compared, {va, length << 8 | verdict}, sorted; in staging frames between open and close.
let ranges: usize = 0;
let ranges_n: u32 = 0;
let work_off: usize = 0;
let work_pages: u32 = 0;

const MINE = memory.data(32);
const THEIRS = memory.data(32);
if (INSN_SIZE > 32) ERROR("Insn outgrows its buffer");

/** A value of the old code may differ if it points into the payload. */
@inline
function is_own(p: Payload, va: u64): bool {
  return va - p.base_va < (<u64>p.mem_pages) << 12;
}

/** Same operation on the same operands, apart from references into the payload. */
function is_same_insn(p: Payload): bool {
  const a = changetype<Insn>(MINE);
  const b = changetype<Insn>(THEIRS);
  if (a.id != b.id || a.len != b.len || a.reg != b.reg || a.rm != b.rm) return false;
  if (a.base != b.base || a.index != b.index || a.scale != b.scale) return false;
  if (a.width != b.width || a.sub != b.sub || a.flags != b.flags) return false;
  if (a.disp != b.disp && !is_own(p, a.disp)) return false;
  return a.imm == b.imm || is_own(p, a.imm);
}

/** Bytes of memory looked at behind a range: its last padding instruction may reach beyond it. */
const BEHIND: u32 = 16;

/** [from, length) is padding; `seen` bytes can be looked at. */
@inline
function is_padding(off: usize, from: u32, length: u32, seen: u32): bool {
  while (from < length) {
    const n = padding_length(off + from, seen - from);
    if (n == 0) return false;
    from += n;
  }
  return true;
}

/** First byte at which relaxed comparison fails; `length` when all is well. */
function relaxed_difference(
  p: Payload,
  mine: usize,
  mine_va: u64,
  theirs: usize,
  va: u64,
  length: u32,
): u32 {
  let at: u32 = 0;
  while (at < length) {
    const padded = is_padding(mine, at, length, length);
    if (padded && is_padding(theirs, at, length, length + BEHIND)) return length;
    const n = decode(mine + at, length - at, mine_va + at, changetype<Insn>(MINE));
    const m = decode(theirs + at, length - at, va + at, changetype<Insn>(THEIRS));
    if (n == 0 || n != m) {
      // Cut off by the range's end: bytes decide.
      if (memory.compare(mine + at, theirs + at, length - at) == 0) return length;
      return at;
    }
    if (memory.compare(mine + at, theirs + at, n) != 0 && !is_same_insn(p)) return at;
    at += n;
  }
  return length;
}

function exact_difference(mine: usize, theirs: usize, length: u32): u32 {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(mine + i) != load<u8>(theirs + i)) return i;
  }
  return length;
}

/** Puts back over `theirs` what applied payloads found there, newest first. True: it made a
 *  difference. */
export function uncover(p: Payload, theirs: usize, va: u64, length: u32): bool {
  let changed = false;
  let below: u64 = u64.MAX_VALUE;
  while (true) {
    let top = changetype<Payload>(0);
    for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
      if (!is_live(q) || q.apply_order >= below || changetype<usize>(q) == changetype<usize>(p))
        continue;
      if (!is_payload(top) || q.apply_order > top.apply_order) top = q;
    }
    if (!is_payload(top)) return changed;
    below = top.apply_order;
    for (let i = splice_from(top, va); i < top.splices_count; i++) {
      const s = splice_at(top, i);
      if (s.va >= va + length) break;
      const lo = max<u64>(s.va, va);
      const hi = min<u64>(s.va + s.length, va + length);
      memory.copy(theirs + <usize>(lo - va), s.old_off + <usize>(lo - s.va), <usize>(hi - lo));
      changed = true;
    }
  }
}

/** Puts over `theirs`, bytes of `q`, what payloads applied after it have written there. */
export function cover(q: Payload, theirs: usize, va: u64, length: u32): void {
  let order = q.apply_order;
  while (true) {
    let next = no_payload();
    for (let t = first_payload(); is_payload(t); t = next_payload(t)) {
      if (!is_live(t) || t.apply_order <= order) continue;
      if (!is_payload(next) || t.apply_order < next.apply_order) next = t;
    }
    if (!is_payload(next)) return;
    order = next.apply_order;
    for (let i = splice_from(next, va); i < next.splices_count; i++) {
      const s = splice_at(next, i);
      if (s.va >= va + length) break;
      const lo = max<u64>(s.va, va);
      const hi = min<u64>(s.va + s.length, va + length);
      memory.copy(theirs + <usize>(lo - va), s.new_off + <usize>(lo - s.va), <usize>(hi - lo));
    }
  }
}

function difference(
  p: Payload,
  x: XsplicePatch,
  exact: bool,
  mine: usize,
  theirs: usize,
  va: u64,
): u32 {
  if (exact || x.type == XSPLICE_PATCH_INLINE_DATA) return exact_difference(mine, theirs, x.size);
  return relaxed_difference(p, mine, x.content, theirs, va, x.size);
}

/** Compares one old patch with memory at `va`; OLD_NOW, OLD_BENEATH or a refusal. */
function compare(p: Payload, i: u32, x: XsplicePatch, exact: bool, va: u64): i32 {
  const mine = payload_off(p, x.content, x.size);
  if (mine == 0) return refuse_pointer(PLACE_OLD_PATCH, i, x.content);
  const pages = pages_for(<u64>x.size + BEHIND);
  const theirs = alloc_frames(pages, OWNER_STAGING);
  if (theirs == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  peek(theirs, va, <u64>x.size + BEHIND);
  let verdict = OLD_NOW;
  const at = difference(p, x, exact, mine, theirs, va);
  if (at != x.size) {
    const beneath =
      uncover(p, theirs, va, x.size) && difference(p, x, exact, mine, theirs, va) == x.size;
    verdict = beneath ? OLD_BENEATH : OLD_NONE;
  }
  free_frames(theirs, pages);
  if (verdict != OLD_NONE) return verdict;
  name_symbol(target().symbol);
  const rc = refuse_at(EILSEQ, REASON_OLD_CODE, PLACE_OLD_PATCH, i);
  refuse_bytes(va, x.size, mine, at);
  return rc;
}

/** One element of `old`: where it is, whether it matches, and the record of that. */
function check_one(p: Payload, c: XspliceCode, i: u32): i32 {
  const patch_va = c.patches + <u64>i * XSPLICE_PATCH_SIZE;
  const section_va = c.sections + <u64>i * XSPLICE_SECTION_SIZE;
  const patch_off = payload_off(p, patch_va, XSPLICE_PATCH_SIZE);
  const section_off = payload_off(p, section_va, XSPLICE_SECTION_SIZE);
  if (patch_off == 0) return refuse_pointer(PLACE_OLD_PATCH, i, patch_va);
  if (section_off == 0) return refuse_pointer(PLACE_OLD_PATCH, i, section_va);
  const x = changetype<XsplicePatch>(patch_off);
  const rc = resolve_section(p, c.sections, i, x.addr, PLACE_OLD_PATCH);
  if (rc != 0) return rc;
  // A trampoline's old code starts where its function does (its addr is 0, R60).
  const va = inline_place(x.addr);
  if (va == 0) {
    refusal().value = x.addr;
    return refuse_at(EINVAL, REASON_PATCH_ADDRESS, PLACE_OLD_PATCH, i);
  }
  const at = va - target().va;
  if (va < target().va || at > target().room || x.size > target().room - at) {
    return wrong_size(at + x.size, target().room, PLACE_OLD_PATCH, i);
  }
  if (!is_mapped(va, x.size, PERM_R)) {
    refusal().va = va;
    return refuse_at(EFAULT, REASON_NOT_MAPPED, PLACE_OLD_PATCH, i);
  }
  const exact = (changetype<XspliceSection>(section_off).flags & XSPLICE_SECTION_MATCH_EXACT) != 0;
  const verdict = compare(p, i, x, exact, va);
  if (verdict < 0) return verdict;
  const record = work_off + <usize>ranges_n * SORT_RECORD;
  store<u64>(record, va);
  store<u64>(record, ((<u64>x.size) << 8) | (<u64>verdict), 8);
  ranges_n++;
  return 0;
}

/** Compares all of `old` with memory. close_old() must follow, whatever the answer. */
export function open_old(p: Payload): i32 {
  ranges_n = 0;
  work_pages = 0;
  if (p.old_va == 0) return 0;
  const code_off = payload_off(p, p.old_va, XSPLICE_CODE_SIZE);
  if (code_off == 0) return refuse_pointer(PLACE_OLD_PATCH, 0, p.old_va);
  const code = changetype<XspliceCode>(code_off);
  const n = code.n_patches;
  if (n == 0) return 0;
  const half = <u64>n * SORT_RECORD;
  work_pages = pages_for(2 * half);
  work_off = alloc_frames(work_pages, OWNER_STAGING);
  if (work_off == 0) {
    work_pages = 0;
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  for (let i: u32 = 0; i < n; i++) {
    const rc = check_one(p, code, i);
    if (rc != 0) return rc;
  }
  ranges = radix_sort(work_off, work_off + <usize>half, <usize>n);
  return 0;
}

export function close_old(): void {
  if (work_pages != 0) free_frames(work_off, work_pages);
  work_pages = 0;
  ranges_n = 0;
}

/** How the old code of [va, va + length) matched; OLD_NONE unless one range holds all of it. */
export function old_verdict(va: u64, length: u32): u32 {
  let lo: u32 = 0;
  let hi = ranges_n;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (load<u64>(ranges + <usize>mid * SORT_RECORD) <= va) lo = mid + 1;
    else hi = mid;
  }
  // Ranges rarely share a start; one that starts earlier and reaches over the place counts as well.
  for (let i = lo; i != 0 && lo - i < 4; i--) {
    const record = ranges + <usize>(i - 1) * SORT_RECORD;
    const size = load<u64>(record, 8) >> 8;
    if (load<u64>(record) + size >= va + length) return (<u32>load<u64>(record, 8)) & 0xff;
  }
  return OLD_NONE;
}
