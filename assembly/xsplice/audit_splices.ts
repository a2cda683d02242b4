// The places that a payload changes, in a machine from a file (audit.ts): found by CHECK, with the
// bytes that were and will be there once an action has prepared them, the ranges that may not be on
// a stack, and the islands behind trampolines. Whoever writes or takes back relies on all of it.

import { PERM_R } from "../abi";
import { broken } from "../hv/broken";
import { are_pages } from "../hv/claims";
import { OWNER_PAYLOAD } from "../hv/frames";
import { header } from "../hv/header";
import { is_mapped, peek_off } from "../hv/mem";
import { PAGE_SHIFT, PAGE_SIZE } from "../hv/param";
import { range_at, RANGE_STRIDE } from "../hv/stack_scan";
import { PART_SPLICES } from "../reasons";
import { has_record } from "./audit_parts";
import { is_live, Payload } from "./payload";
import {
  Splice,
  splice_at,
  SPLICE_DATA,
  SPLICE_FIELD,
  SPLICE_NOP,
  SPLICE_SIZE,
  SPLICE_TEXT,
} from "./splice";
import { AT_PATCH_POINT } from "./work";

const PAGE_MASK: u64 = PAGE_SIZE - 1;
/** No object is longer. */
const LENGTH_MAX: u32 = 1 << 25;

/** `len` bytes at linear `off`, inside these frames. */
function is_within(off: usize, len: u64, first: usize, pages: u32): bool {
  const bytes = (<u64>pages) << PAGE_SHIFT;
  const at = <u64>off - <u64>first;
  return off >= first && at <= bytes && len <= bytes - at;
}

function has_content(p: Payload, s: Splice): bool {
  if (s.kind != SPLICE_TEXT && s.kind != SPLICE_DATA) return true;
  if (s.content_size > s.length) return false;
  return is_within(s.content_off, s.content_size, p.mem_off, p.mem_pages);
}

/** The place is memory of the hypervisor, in one piece or across pages. */
function is_place(s: Splice): bool {
  if (s.kind == 0 || s.kind > SPLICE_NOP || s.length > LENGTH_MAX) return false;
  if (!is_mapped(s.va, s.length, PERM_R) || s.object_va + s.object_size < s.object_va) return false;
  if (s.symbol < -1 || (s.symbol >= 0 && <u32>s.symbol >= header().symbols_count)) return false;
  return s.kind != SPLICE_FIELD || s.field_size == s.length;
}

/** Old and new bytes are where alloc_prepared() puts them, and go where the place is. */
function is_prepared(s: Splice, at: usize): bool {
  if (s.old_off != at || s.new_off != at + <usize>s.length) return false;
  const crosses = (s.va & PAGE_MASK) + <u64>s.length > <u64>PAGE_SIZE;
  return s.to_off == (crosses ? 0 : peek_off(s.va));
}

function has_bytes(p: Payload): bool {
  let at = p.prepared_off;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (!is_prepared(s, at)) return false;
    at += (<usize>s.length) << 1;
  }
  if (p.ranges_off < at) return false;
  // Reverting lists the ranges anew: there is room for as many as there can be.
  const room = (<u64>p.splices_count + 2) * <u64>RANGE_STRIDE;
  if (p.ranges_count > p.splices_count + 2) return false;
  if (!is_within(p.ranges_off, room, p.prepared_off, p.prepared_pages)) return false;
  for (let i: u32 = 0; i < p.ranges_count; i++) {
    const r = range_at(p.ranges_off, i);
    if (r.hi_va < r.lo_va) return false;
    if (i != 0 && r.lo_va <= range_at(p.ranges_off, i - 1).hi_va) return false;
  }
  return true;
}

/** Prepared is what is live, and what waits at the patch point. */
function is_ready(p: Payload): bool {
  const wanted = is_live(p) || p.pending == AT_PATCH_POINT;
  if (p.prepared_pages != 0) return wanted && has_bytes(p);
  if (p.ranges_count != 0) return false;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (s.old_off != 0 || s.new_off != 0 || s.to_off != 0) return false;
  }
  return !wanted || p.splices_count == 0;
}

function has_islands(p: Payload): bool {
  if (p.islands_pages == 0) return p.islands_off == 0;
  return are_pages(<u64>p.islands_off, p.islands_pages, OWNER_PAYLOAD, -1, p.islands_va);
}

export function audit_splices(p: Payload): bool {
  const bytes = <u64>p.splices_count * <u64>SPLICE_SIZE;
  const claimed =
    has_record(p.splices_off, p.splices_pages) && has_record(p.prepared_off, p.prepared_pages);
  if (!claimed || bytes > (<u64>p.splices_pages) << PAGE_SHIFT || !has_islands(p)) {
    return broken(PART_SPLICES, p.slot);
  }
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    const sorted = i == 0 || s.va >= splice_at(p, i - 1).va;
    if (!sorted || !is_place(s) || !has_content(p, s)) return broken(PART_SPLICES, p.slot);
  }
  return is_ready(p) || broken(PART_SPLICES, p.slot);
}
