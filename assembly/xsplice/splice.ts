// A splice: one place to patch, whichever door it came through. The RFC's reloc, section and patch
// of one index become one splice, and so does an entry of today's `.livepatch.funcs`. Everything
// after that, checks, stack search, apply, revert, map, knows splices only. The array of a payload
// is sorted by address, so that overlaps, writes and look-ups are one pass or a binary search.

import { alloc_frames, free_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { Payload } from "./payload";

/** Splice.kind */
export const SPLICE_TRAMPOLINE: u32 = 1; // e9 rel32 at a function's entry (R5)
export const SPLICE_TEXT: u32 = 2; // bytes of code in place (R2)
export const SPLICE_DATA: u32 = 3; // bytes of .rodata in place (R177, R178)
export const SPLICE_FIELD: u32 = 4; // one field by howto arithmetic: callers, tables, …
export const SPLICE_BUG: u32 = 5; // jump to a BUG in the dead body behind a trampoline (R13, K23)
export const SPLICE_NOP: u32 = 6; // a range of NOPs (content 0, today's format)

/** Splice.marks, beside the section's own flags. */
export const MARK_HOP: u32 = 1; // trampoline goes through an island
export const MARK_ENDBR: u32 = 2; // starts behind a kept ENDBR64
export const MARK_STACKED: u32 = 4; // over bytes that an earlier payload wrote, on purpose (R199)
export const MARK_REPLACES: u32 = 8; // an earlier payload's splice here goes away (R197)

export const SPLICE_SIZE: usize = 128;


@unmanaged
export class Splice {
  va: u64; // first byte that changes
  length: u32; // bytes that change
  kind: u32;
  index: u32; // of reloc, section and patch in the payload
  flags: u32; // XSPLICE_SECTION_*
  marks: u32; // MARK_*
  room: u32; // bytes from va that may be used: the object's and its padding
  target: u64; // what the place leads to afterwards: new code, new string; 0 none
  hop: u64; // the island between, 0 none
  object_va: u64; // the function or object that is changed
  object_size: u64;
  content_off: usize; // linear: new bytes (SPLICE_TEXT, SPLICE_DATA)
  content_size: u32; // their number; the rest of `length` is NOPs
  new_size: u64; // extent of the new code behind `target`, for the stack check on revert
  symbol: i32; // index in the image's symbol table, -1 none
  field_size: u32; // SPLICE_FIELD: howto.size
  field_flag: u32;
  field_shift: u32;
  field_mask: u64;
  field_added: i64;
  old_off: usize; // linear: the bytes that were there, `length` of them, once prepared
  new_off: usize; // linear: the bytes that go there
  to_off: usize; // linear: where they go, 0 when the range crosses a page
}
if (offsetof<Splice>() > 128) ERROR("Splice outgrows its stride");


@inline
export function splice_at(p: Payload, i: u32): Splice {
  return changetype<Splice>(p.splices_off + SPLICE_SIZE * <usize>i);
}

/** Room for `count` splices, all zero. False: no frames. */
export function alloc_splices(p: Payload, count: u32): bool {
  const pages = pages_for(<u64>count * <u64>SPLICE_SIZE);
  p.splices_count = 0;
  if (count == 0) return true;
  p.splices_off = alloc_frames(pages, OWNER_PAYLOAD);
  if (p.splices_off == 0) return false;
  p.splices_pages = pages;
  return true;
}

/** Forgets the places found by CHECK. */
export function free_splices(p: Payload): void {
  if (p.splices_pages != 0) free_frames(p.splices_off, p.splices_pages);
  p.splices_off = 0;
  p.splices_pages = 0;
  p.splices_count = 0;
}

/** First splice of `p` that ends behind `va`; splices_count when there is none. */
export function splice_from(p: Payload, va: u64): u32 {
  let lo: u32 = 0;
  let hi = p.splices_count;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    const s = splice_at(p, mid);
    if (s.va + <u64>s.length <= va) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The splice of `p` that touches [va, va + length), or none (0). */
export function splice_touching(p: Payload, va: u64, length: u64): Splice {
  const i = splice_from(p, va);
  if (i == p.splices_count) return changetype<Splice>(0);
  const s = splice_at(p, i);
  return s.va < va + length ? s : changetype<Splice>(0);
}
