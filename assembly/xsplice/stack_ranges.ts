// The code that must not be on a CPU's stack while a payload is applied or reverted (R50, R219):
// sorted ranges, apart, made once before the CPUs meet. For an apply that is the old functions and
// the patched instructions, and where the payload replaces or covers an earlier one, what runs in
// their place now; for a revert the new code as well.

import { XSPLICE_SECTION_NO_STACKCHECK } from "../abi";
import { range_at, RANGE_STRIDE } from "../hv/stack_scan";
import { replaces } from "./conflict";
import { first_payload, is_live, is_payload, next_payload, Payload } from "./payload";
import {
  MARK_STACKED,
  Splice,
  splice_at,
  SPLICE_BUG,
  SPLICE_DATA,
  SPLICE_FIELD,
  splice_from,
  SPLICE_TRAMPOLINE,
} from "./splice";

/** Appends a range to a list sorted by lo_va, merging what touches; sorted input costs nothing. */
function add_range(p: Payload, lo_va: u64, hi_va: u64): void {
  let at = p.ranges_count;
  while (at != 0 && range_at(p.ranges_off, at - 1).lo_va > lo_va) at--;
  if (at != 0 && range_at(p.ranges_off, at - 1).hi_va >= lo_va) {
    const before = range_at(p.ranges_off, at - 1);
    before.hi_va = max<u64>(before.hi_va, hi_va);
    absorb(p, at - 1);
    return;
  }
  const off = changetype<usize>(range_at(p.ranges_off, at));
  memory.copy(off + RANGE_STRIDE, off, RANGE_STRIDE * <usize>(p.ranges_count - at));
  const r = range_at(p.ranges_off, at);
  r.lo_va = lo_va;
  r.hi_va = hi_va;
  p.ranges_count++;
  absorb(p, at);
}

/** Swallows ranges behind `at` that it now reaches. */
function absorb(p: Payload, at: u32): void {
  const r = range_at(p.ranges_off, at);
  let next = at + 1;
  while (next < p.ranges_count && range_at(p.ranges_off, next).lo_va <= r.hi_va) {
    r.hi_va = max<u64>(r.hi_va, range_at(p.ranges_off, next).hi_va);
    next++;
  }
  if (next == at + 1) return;
  const to = changetype<usize>(range_at(p.ranges_off, at + 1));
  const from = changetype<usize>(range_at(p.ranges_off, next));
  memory.copy(to, from, RANGE_STRIDE * <usize>(p.ranges_count - next));
  p.ranges_count -= next - at - 1;
}

/** Whether code changes with this splice that its section wants checked (R54). */
function has_range(s: Splice): bool {
  if ((s.flags & XSPLICE_SECTION_NO_STACKCHECK) != 0) return false;
  return s.kind != SPLICE_DATA && s.kind != SPLICE_BUG;
}

/** What must not be on a stack for a splice: the whole old function, or only the instruction whose
 *  field changes (a caller goes on behind it, which is safe). */
function range_lo(s: Splice): u64 {
  return s.kind == SPLICE_FIELD ? s.va - 1 : min<u64>(s.object_va, s.va);
}
function range_hi(s: Splice): u64 {
  const end = s.va + <u64>s.length;
  return s.kind == SPLICE_FIELD ? end : max<u64>(s.object_va + s.object_size, end);
}

/** Whether `va` must not be on a stack because of this splice. */
export function is_guarded(s: Splice, va: u64): bool {
  return has_range(s) && va >= range_lo(s) && va < range_hi(s);
}

/** All code that `q` brings. */
function add_code(p: Payload, q: Payload): void {
  if (q.text_size != 0) add_range(p, q.text_va, q.text_va + q.text_size);
  if (q.islands_pages != 0)
    add_range(p, q.islands_va, q.islands_va + ((<u64>q.islands_pages) << 12));
}

/** What runs in a function's place because `q` has put a jump where `s` changes it again. Returns
 *  how many ranges that is; adds them where `add` says so. */
function add_covered(p: Payload, s: Splice, q: Payload, add: bool): u32 {
  let count: u32 = 0;
  for (let i = splice_from(q, s.va); i < q.splices_count; i++) {
    const t = splice_at(q, i);
    if (t.va >= s.va + <u64>s.length) break;
    if (t.kind != SPLICE_TRAMPOLINE || t.new_size == 0) continue;
    count++;
    if (add) add_range(p, t.target, t.target + t.new_size);
  }
  return count;
}

/** Code of earlier payloads that an apply of `p` puts out of use: all of those that it replaces,
 *  of others the functions that it covers. Returns how many ranges; adds them where told to. */
function add_earlier(p: Payload, add: bool): u32 {
  let count: u32 = 0;
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!is_live(q) || changetype<usize>(q) == changetype<usize>(p)) continue;
    if (replaces(p, q)) {
      count += 2;
      if (add) add_code(p, q);
      continue;
    }
    for (let i: u32 = 0; i < p.splices_count; i++) {
      const s = splice_at(p, i);
      const covers = (s.marks & MARK_STACKED) != 0;
      const left_out = (s.flags & XSPLICE_SECTION_NO_STACKCHECK) != 0;
      if (covers && !left_out) count += add_covered(p, s, q, add);
    }
  }
  return count;
}

/** Most ranges that collect_ranges makes: for its splices, for its own code, for earlier ones. */
export function ranges_needed(p: Payload): u32 {
  return p.splices_count + 2 + add_earlier(p, false);
}

/** Fills the payload's ranges for an apply, or with `revert` for a revert. */
export function collect_ranges(p: Payload, revert: bool): void {
  p.ranges_count = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (has_range(s)) add_range(p, range_lo(s), range_hi(s));
  }
  if (revert) add_code(p, p);
  else add_earlier(p, true);
}
