// Islands: small executable pages of a payload's own near the image, for what the payload area
// cannot give. A second hop for a trampoline whose target is beyond ±2 GB (R184: at the limit of
// its reach, on the target's side), and the BUG stub of the optional BUG trampolines (R13, K23).
// They exist from the preparation of an apply until the revert, and are counted and given back like
// everything else.

import { ENOMEM, OPTION_BUG_TRAMPOLINE, PERM_R, PERM_X } from "../abi";
import { alloc_frames, free_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { header } from "../hv/header";
import { HYPERVISOR_VA, MACHINE_HI_VA, MACHINE_LO_VA } from "../hv/layout";
import { map_pages, unmap_pages, walk } from "../hv/pages";
import { PAGE_SIZE } from "../hv/param";
import { refuse } from "../hv/refusal";
import { REASON_NO_VA } from "../reasons";
import { Payload } from "./payload";
import { MARK_HOP, Splice, splice_at, SPLICE_BUG, SPLICE_SIZE, SPLICE_TRAMPOLINE } from "./splice";
import { ISLAND_SIZE, JMP_REL32_LEN, jump_reaches, store_bug, store_island } from "./trampoline";

const PAGE_MASK: u64 = PAGE_SIZE - 1;
const REACH: u64 = 0x7fff0000; // 2 GB less what jumps and islands take
/** Pages looked at before the search gives up: the neighbourhood is not that full. */
const SEARCH: u32 = 0x10000;


@inline
export function bug_trampolines(): bool {
  return (header().options & OPTION_BUG_TRAMPOLINE) != 0;
}

/** No page of [va, va + pages) is anybody's. */
function is_free(va: u64, pages: u32): bool {
  const end = va + ((<u64>pages) << 12);
  if (va < HYPERVISOR_VA || end < va) return false;
  if (va < MACHINE_HI_VA && end > MACHINE_LO_VA) return false;
  const h = header();
  if (va < h.payload_end_va && end > h.payload_base_va) return false;
  for (let page = va; page < end; page += PAGE_SIZE) {
    if (walk(<usize>h.hv_root, page) != 0) return false;
  }
  return true;
}

/** Free space for `pages` that jumps between lo_va and hi_va reach, as near to `towards_va` as that
 *  allows; 0 when there is none. */
function find_island_va(lo_va: u64, hi_va: u64, pages: u32, towards_va: u64): u64 {
  if (hi_va - lo_va > REACH) return 0;
  const up = towards_va > hi_va;
  const highest =
    lo_va > u64.MAX_VALUE - REACH - PAGE_SIZE ? u64.MAX_VALUE - 2 * PAGE_SIZE : lo_va + REACH;
  let va = up
    ? (highest & ~PAGE_MASK) - ((<u64>pages) << 12)
    : (hi_va - REACH + PAGE_MASK) & ~PAGE_MASK;
  for (let i: u32 = 0; i < SEARCH; i++) {
    if (is_free(va, pages)) return va;
    va = up ? va - PAGE_SIZE : va + PAGE_SIZE;
  }
  return 0;
}

/** CHECK: whether trampolines of the image's text can be given a second hop. */
export function hop_possible(p: Payload): bool {
  const h = header();
  return find_island_va(h.text_lo_va, h.text_hi_va, 1, p.base_va) != 0;
}

/** Appends a BUG trampoline behind each trampoline that leaves room for it (size + padding >=
 *  10); the array has room for twice the places. Returns how many. */
export function add_bug_places(p: Payload): u32 {
  const n = p.splices_count;
  let added: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const s = splice_at(p, i);
    if (s.kind != SPLICE_TRAMPOLINE || s.room < 2 * JMP_REL32_LEN) continue;
    // Inside the function only: what pads it may be shared with nobody, but it is not dead code.
    if (s.va + 2 * JMP_REL32_LEN > s.object_va + s.object_size) continue;
    const bug = changetype<Splice>(p.splices_off + SPLICE_SIZE * <usize>(n + added));
    memory.copy(changetype<usize>(bug), changetype<usize>(s), SPLICE_SIZE);
    bug.kind = SPLICE_BUG;
    bug.va = s.va + JMP_REL32_LEN;
    bug.room = s.room - JMP_REL32_LEN;
    bug.target = 0;
    bug.new_size = 0;
    bug.marks = 0;
    added++;
  }
  return added;
}

/** Gives every splice that needs one its island; frames and pages are new. 0 or -ENOMEM no-va. */
export function alloc_islands(p: Payload): i32 {
  let hops: u32 = 0;
  let bug = false;
  let lo: u64 = u64.MAX_VALUE;
  let hi: u64 = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (s.kind == SPLICE_BUG) bug = true;
    else if ((s.marks & MARK_HOP) != 0) hops++;
    else continue;
    lo = min<u64>(lo, s.va);
    hi = max<u64>(hi, s.va + JMP_REL32_LEN);
  }
  if (hops == 0 && !bug) return 0;
  const pages = pages_for(<u64>(hops + <u32>bug) * ISLAND_SIZE);
  const va = find_island_va(lo, hi, pages, p.base_va);
  const off: usize = va == 0 ? 0 : alloc_frames(pages, OWNER_PAYLOAD);
  if (off == 0) return refuse(ENOMEM, REASON_NO_VA);
  p.islands_off = off;
  p.islands_pages = pages;
  p.islands_va = va;
  fill_islands(p);
  if (map_pages(<usize>header().hv_root, va, off, pages, PERM_R | PERM_X)) return 0;
  free_frames(off, pages);
  forget_islands(p);
  return refuse(ENOMEM, REASON_NO_VA);
}

/** The stub first, then one island per hop. */
function fill_islands(p: Payload): void {
  let at: u32 = 0;
  let stub: u64 = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (s.kind == SPLICE_BUG) {
      if (stub == 0) {
        stub = p.islands_va + at;
        store_bug(p.islands_off + at);
        at += ISLAND_SIZE;
      }
      s.target = stub;
    } else if ((s.marks & MARK_HOP) != 0) {
      s.hop = p.islands_va + at;
      store_island(p.islands_off + at, s.target);
      at += ISLAND_SIZE;
    } else continue;
    assert(jump_reaches(s.va, s.kind == SPLICE_BUG ? s.target : s.hop));
  }
  p.islands_count = at / ISLAND_SIZE;
}

function forget_islands(p: Payload): void {
  p.islands_off = 0;
  p.islands_pages = 0;
  p.islands_count = 0;
  p.islands_va = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    s.hop = 0;
    if (s.kind == SPLICE_BUG) s.target = 0;
  }
}

export function free_islands(p: Payload): void {
  if (p.islands_pages == 0) return;
  unmap_pages(<usize>header().hv_root, p.islands_va, p.islands_pages);
  free_frames(p.islands_off, p.islands_pages);
  forget_islands(p);
}
