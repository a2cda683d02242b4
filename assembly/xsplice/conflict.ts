// Who else changes these bytes? Inside one payload two changes may not meet (R215). Against
// payloads that are applied now, in the three modes of the RFC's "interdependencies" (R197-R199):
//
//   stack        the payload's id is the own build-id of one that is applied: it was built on top
//                of that one and may change what that one, or what is below it, has written
//   old code     the payload brings the old code of the range and memory matches it: it was made
//                for what the earlier payload wrote
//   cumulative   the old code of the range is what was there before all earlier payloads, and every
//                place of each of those is a place of this one too: they are replaced in one step
//
// Anything else is refused with the owner's id. Both lists are sorted, so this is a merge.

import { EEXIST, EINVAL } from "../abi";
import { refusal, refuse_at } from "../hv/refusal";
import { PLACE_XSPLICE_PATCH, REASON_ALREADY_PATCHED, REASON_OVERLAP } from "../reasons";
import { OLD_BENEATH, OLD_NOW, old_verdict } from "./oldcode";
import {
  copy_id,
  first_payload,
  is_live,
  is_payload,
  next_payload,
  no_payload,
  Payload,
  payload_at,
} from "./payload";
import {
  MARK_REPLACES,
  MARK_STACKED,
  Splice,
  splice_at,
  splice_from,
  splice_touching,
} from "./splice";
import { name_symbol } from "./target";

/** Two changes of one payload (R215). */
export function check_overlaps(p: Payload): i32 {
  for (let i: u32 = 1; i < p.splices_count; i++) {
    const before = splice_at(p, i - 1);
    const s = splice_at(p, i);
    if (s.va >= before.va + <u64>before.length) continue;
    name_symbol(s.symbol);
    const rc = refuse_at(EINVAL, REASON_OVERLAP, PLACE_XSPLICE_PATCH, s.index);
    refusal().index2 = before.index;
    refusal().va = s.va;
    refusal().va2 = before.va;
    return rc;
  }
  return 0;
}

/** `p` was built on top of `q`, directly or through others. */
function stands_on(p: Payload, q: Payload): bool {
  let base = p.base_slot;
  // A chain is at most as long as the list; slots in it are applied, so it cannot turn back on
  // itself.
  while (base != 0) {
    const b = payload_at(base - 1);
    if (changetype<usize>(b) == changetype<usize>(q)) return true;
    if (b.base_slot == base) return false;
    base = b.base_slot;
  }
  return false;
}

function refuse_owner(s: Splice, t: Splice, q: Payload): i32 {
  name_symbol(s.symbol);
  const rc = refuse_at(EEXIST, REASON_ALREADY_PATCHED, PLACE_XSPLICE_PATCH, s.index);
  copy_id(refusal().other_off, q.id_off);
  refusal().va = s.va;
  refusal().va2 = t.va;
  return rc;
}

/** Every place of `q` is touched by `p`: replacing it loses no fix. */
function covers(p: Payload, q: Payload): bool {
  for (let i: u32 = 0; i < q.splices_count; i++) {
    const t = splice_at(q, i);
    if (changetype<usize>(splice_touching(p, t.va, t.length)) == 0) return false;
  }
  return true;
}

/** `s` of `p` meets `t` of the applied `q`. */
function judge_meeting(p: Payload, q: Payload, s: Splice, t: Splice): i32 {
  if (stands_on(p, q)) {
    s.marks |= MARK_STACKED;
    return 0;
  }
  const old = old_verdict(s.va, s.length);
  if (old == OLD_NOW) {
    s.marks |= MARK_STACKED;
    return 0;
  }
  if (old == OLD_BENEATH && covers(p, q)) {
    s.marks |= MARK_REPLACES;
    return 0;
  }
  return refuse_owner(s, t, q);
}

function check_against(p: Payload, q: Payload): i32 {
  if (p.splices_count == 0) return 0;
  let j = splice_from(q, splice_at(p, 0).va);
  let i: u32 = 0;
  while (i < p.splices_count && j < q.splices_count) {
    const s = splice_at(p, i);
    const t = splice_at(q, j);
    if (s.va + <u64>s.length <= t.va) i++;
    else if (t.va + <u64>t.length <= s.va) j++;
    else {
      const rc = judge_meeting(p, q, s, t);
      if (rc != 0) return rc;
      // The one that ends first cannot meet anything further.
      if (s.va + <u64>s.length < t.va + <u64>t.length) i++;
      else j++;
    }
  }
  return 0;
}

/** All applied payloads but `p` itself. */
export function check_conflicts(p: Payload): i32 {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!is_live(q) || changetype<usize>(q) == changetype<usize>(p)) continue;
    const rc = check_against(p, q);
    if (rc != 0) return rc;
  }
  return 0;
}

/** True when `p` replaces `q` in one step: one of its places says so (R197). */
export function replaces(p: Payload, q: Payload): bool {
  if (!is_live(q) || changetype<usize>(q) == changetype<usize>(p)) return false;
  for (let i: u32 = 0; i < q.splices_count; i++) {
    const t = splice_at(q, i);
    const s = splice_touching(p, t.va, t.length);
    if (changetype<usize>(s) != 0 && (s.marks & MARK_REPLACES) != 0) return true;
  }
  return false;
}

/** The payload applied after `p` that changes one of its places, or none: it must go first
 *  (R214). */
export function payload_on_top(p: Payload): Payload {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!is_live(q) || q.apply_order <= p.apply_order) continue;
    if (stands_on(q, p)) return q;
    for (let i: u32 = 0; i < p.splices_count; i++) {
      const s = splice_at(p, i);
      if (changetype<usize>(splice_touching(q, s.va, s.length)) != 0) return q;
    }
  }
  return no_payload();
}

/** The next place in the order of application. */
export function next_apply_order(): u64 {
  let highest: u64 = 0;
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    highest = max<u64>(highest, q.apply_order);
  }
  return highest + 1;
}
