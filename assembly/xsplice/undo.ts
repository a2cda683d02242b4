// Writing to the hypervisor, and taking it back (R178, R212, R213). Everything that can fail
// happens before: `prepare_writes` records for each splice the bytes that are there and the bytes
// that will be; `still_there` compares all of them with memory; then `write_new` only copies.
// Revert copies the recorded bytes back. Both run while every CPU stands at the patch point, so
// this is the part that has to be short. Text is written through the linear address, as a
// hypervisor does with CR0.WP clear (writable and executable at once it must never be); .rodata is
// made writable page by page and read-only again at once. Cached code of a page is dropped once for
// all writes to it (R218).

import { EILSEQ, ENOMEM, PERM_R, PERM_W, PERM_X } from "../abi";
import { alloc_frames, free_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { GUARD_SERIALISE, is_out } from "../hv/guards";
import { header } from "../hv/header";
import { keep_frame } from "../hv/journal";
import { entry_of, peek, peek_off, poke } from "../hv/mem";
import { bump_code, protect_pages } from "../hv/pages";
import { PAGE_SIZE } from "../hv/param";
import { check_barrier, is_torn, preempt_point } from "../hv/preempt";
import { refusal, refuse_at } from "../hv/refusal";
import { PLACE_XSPLICE_PATCH, REASON_NO_VA } from "../reasons";
import { Payload } from "./payload";
import { MARK_REPLACES, Splice, splice_at } from "./splice";

const PAGE_MASK: u64 = PAGE_SIZE - 1;
/** Bytes of CodeRange (xsplice/stackcheck.ts), which shares the frames. */
const RANGE_SIZE: u64 = 16;

/** Frames for the bytes of all splices, old and new, and for `ranges` stack ranges. */
export function alloc_prepared(p: Payload, ranges: u32): i32 {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) bytes += (<u64>splice_at(p, i).length) << 1;
  bytes = (bytes + 15) & ~15;
  const pages = pages_for(bytes + <u64>ranges * RANGE_SIZE);
  if (pages == 0) return 0;
  p.prepared_off = alloc_frames(pages, OWNER_PAYLOAD);
  if (p.prepared_off == 0) {
    refusal().value = bytes;
    return refuse_at(ENOMEM, REASON_NO_VA, PLACE_XSPLICE_PATCH, 0);
  }
  p.prepared_pages = pages;
  p.ranges_off = p.prepared_off + <usize>bytes;
  p.ranges_count = 0;
  let at = p.prepared_off;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    s.old_off = at;
    s.new_off = at + s.length;
    at += (<usize>s.length) << 1;
    const crosses = (s.va & PAGE_MASK) + <u64>s.length > <u64>PAGE_SIZE;
    s.to_off = crosses ? 0 : peek_off(s.va);
  }
  return 0;
}

/** Gives back what alloc_prepared took. */
export function free_prepared(p: Payload): void {
  if (p.prepared_pages != 0) free_frames(p.prepared_off, p.prepared_pages);
  p.prepared_off = 0;
  p.prepared_pages = 0;
  p.ranges_off = 0;
  p.ranges_count = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    s.old_off = 0;
    s.new_off = 0;
    s.to_off = 0;
  }
}

/** Records the bytes that are there now. The places have been checked to be mapped. */
export function record_old(p: Payload): void {
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    const missing = peek(s.old_off, s.va, s.length);
    assert(missing == 0);
  }
}

/** Index of the first byte at which memory differs from `bytes_off`, s.length when none does. */
function first_difference(s: Splice, bytes_off: usize): u32 {
  if (s.to_off != 0 && memory.compare(s.to_off, bytes_off, s.length) == 0) return s.length;
  for (let i: u32 = 0; i < s.length; i++) {
    const off = peek_off(s.va + i);
    if (off == 0 || load<u8>(off) != load<u8>(bytes_off + i)) return i;
  }
  return s.length;
}

/** Fills the refusal with what is in memory and what was expected there. */
export function refuse_bytes(va: u64, length: u32, expected_off: usize, at: u32): void {
  const r = refusal();
  r.va = va + at;
  const from = at < 8 ? 0 : at - 8; // some bytes before the difference, for orientation
  const n = min<u32>(length - from, 32);
  peek(r.found_off, va + from, n);
  memory.copy(r.expected_off, expected_off + from, n);
  r.bytes_count = n;
  r.value = at;
}

/** Compares memory with the recorded old (`written` false) or new bytes of every splice, but not
 *  of those that replace another payload's: what is beneath them is that payload's record. */
export function still_there(p: Payload, written: bool, reason: u32): i32 {
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (!written && (s.marks & MARK_REPLACES) != 0) continue;
    const rc = compare_splice(s, written ? s.new_off : s.old_off, reason);
    if (rc != 0) return rc;
  }
  return 0;
}

/** 0 when memory holds the bytes at `bytes_off` at this place, else -EILSEQ with both. */
export function compare_splice(s: Splice, bytes_off: usize, reason: u32): i32 {
  const at = first_difference(s, bytes_off);
  if (at == s.length) return 0;
  const rc = refuse_at(EILSEQ, reason, PLACE_XSPLICE_PATCH, s.index);
  refuse_bytes(s.va, s.length, bytes_off, at);
  return rc;
}

/** A page that is open for writing, with what it was before. */
let open_page: u64 = 0;
let open_entry: u64 = 0;

/** Finishes with the page that is open. */
function close_page(): void {
  if (open_entry == 0) return;
  const perms = <u32>(open_entry & PAGE_MASK);
  if ((perms & (PERM_X | PERM_W)) == 0) protect_pages(<usize>header().hv_root, open_page, 1, perms);
  else if (!is_out(GUARD_SERIALISE)) bump_code(open_entry);
  open_entry = 0;
}

/** Makes the page of `va` the open one. */
@inline
function open_page_of(va: u64): void {
  const page = va & ~PAGE_MASK;
  if (open_entry != 0 && page == open_page) return;
  close_page();
  open_page = page;
  open_entry = entry_of(page);
  keep_frame(<usize>(open_entry & ~PAGE_MASK));
  const perms = <u32>(open_entry & PAGE_MASK);
  if ((perms & (PERM_X | PERM_W)) == 0) {
    protect_pages(<usize>header().hv_root, page, 1, PERM_R | PERM_W);
  }
}

/** The same in two pieces with a moment between, for tests that have taken guards out. */
function write_torn(s: Splice, from_off: usize): void {
  const half = (s.length + 1) >> 1;
  open_page_of(s.va);
  memory.copy(s.to_off, from_off, half);
  close_page();
  preempt_point(s.va, s.va + s.length);
  open_page_of(s.va);
  memory.copy(s.to_off + half, from_off + half, s.length - half);
}

/** Copies the new (`forward`) or the old bytes of every splice into place. Cannot fail. */
export function write_all(p: Payload, forward: bool): void {
  check_barrier();
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    const from_off = forward ? s.new_off : s.old_off;
    if (s.to_off != 0 && is_torn()) {
      write_torn(s, from_off);
      continue;
    }
    if (s.to_off != 0) {
      open_page_of(s.va);
      memory.copy(s.to_off, from_off, s.length);
      continue;
    }
    // Across pages: piece by piece.
    for (let done: u32 = 0; done < s.length;) {
      const va = s.va + done;
      const run = min<u32>(s.length - done, PAGE_SIZE - <u32>(va & PAGE_MASK));
      open_page_of(va);
      poke(va, from_off + done, run);
      done += run;
    }
  }
  close_page();
}
