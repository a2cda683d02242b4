// APPLY and REVERT themselves (R212, R213): a preparation that does everything that can fail, and a
// commit at the patch point that only compares and copies. Between the two other CPUs may run, so
// the commit compares once more before it writes the first byte. A cumulative payload takes the
// ones that it replaces off in the same step (R197).

import {
  EBUSY,
  ENOMEM,
  XEN_XSPLICE_ID_SIZE,
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_REVERT,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_REVERTED,
} from "../abi";
import { print, print_bytes } from "../hv/console";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { GUARD_REINIT, is_out } from "../hv/guards";
import { refusal, refuse } from "../hv/refusal";
import {
  REASON_BUSY,
  REASON_FOREIGN_BYTES,
  REASON_NOT_TOP,
  REASON_NO_VA,
  REASON_OLD_CODE,
} from "../reasons";
import { check_payload } from "./check";
import { next_apply_order, payload_on_top, replaces } from "./conflict";
import { fix_up } from "./fixups";
import { load_field, relocated_value, replaced_field, shifted_value, store_field } from "./howto";
import { reset_writable } from "./initial";
import { alloc_islands, free_islands } from "./island";
import { measure } from "./measure";
import { cover, uncover } from "./oldcode";
import { copy_id, first_payload, is_payload, next_payload, no_payload, Payload } from "./payload";
import {
  MARK_REPLACES,
  Splice,
  splice_at,
  SPLICE_BUG,
  SPLICE_FIELD,
  SPLICE_TRAMPOLINE,
} from "./splice";
import { collect_ranges, ranges_needed } from "./stack_ranges";
import { check_stacks, check_unused } from "./stackcheck";
import { store_jump, store_nops } from "./trampoline";
import {
  alloc_prepared,
  compare_splice,
  free_prepared,
  record_old,
  still_there,
  write_all,
} from "./undo";

/** The bytes that a splice puts in place, from the ones that are there. */
function make_new(s: Splice): void {
  memory.copy(s.new_off, s.old_off, s.length);
  if (s.kind == SPLICE_TRAMPOLINE || s.kind == SPLICE_BUG) {
    store_jump(s.new_off, s.va, s.hop != 0 ? s.hop : s.target);
    return;
  }
  if (s.kind == SPLICE_FIELD) {
    const value = relocated_value(s.field_flag, s.target, s.field_added, s.va);
    const shifted = shifted_value(s.field_flag, value, s.field_shift);
    const field = load_field(s.old_off, s.field_size);
    store_field(
      s.new_off,
      s.field_size,
      replaced_field(field, shifted, s.field_size, s.field_mask),
    );
    return;
  }
  memory.copy(s.new_off, s.content_off, s.content_size);
  store_nops(s.new_off + s.content_size, s.length - s.content_size);
}

/** Gives back what a preparation took. */
export function drop_prepared(p: Payload): void {
  free_islands(p);
  free_prepared(p);
}

/** Everything before the patch point. On failure nothing is left of it. */
export function prepare_apply(p: Payload): i32 {
  let rc = check_payload(p, false);
  if (rc != 0) return rc;
  rc = alloc_prepared(p, ranges_needed(p));
  if (rc != 0) return rc;
  rc = alloc_islands(p);
  if (rc != 0) {
    free_prepared(p);
    return rc;
  }
  record_old(p);
  p.replacing = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if ((s.marks & MARK_REPLACES) != 0) {
      // What this payload will find when the ones that it replaces are off.
      uncover(p, s.old_off, s.va, s.length);
      p.replacing++;
    }
    make_new(s);
  }
  rc = fix_up(p, true);
  assert(rc == 0); // the check has just examined them
  collect_ranges(p, false);
  return 0;
}

/** The newest payload that `p` replaces and that is still applied, or none. */
function newest_replaced(p: Payload): Payload {
  let newest = no_payload();
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!replaces(p, q)) continue;
    if (!is_payload(newest) || q.apply_order > newest.apply_order) newest = q;
  }
  return newest;
}

/** Compares the bytes of `q` with memory, under what later payloads have written over them. */
function verify_visible(q: Payload): i32 {
  for (let i: u32 = 0; i < q.splices_count; i++) {
    const s = splice_at(q, i);
    const pages = pages_for(s.length);
    const expected = alloc_frames(pages, OWNER_STAGING);
    if (expected == 0) return refuse(ENOMEM, REASON_NO_VA);
    memory.copy(expected, s.new_off, s.length);
    cover(q, expected, s.va, s.length);
    const rc = compare_splice(s, expected, REASON_FOREIGN_BYTES);
    free_frames(expected, pages);
    if (rc != 0) return rc;
  }
  return 0;
}

/** Whether the payloads that `p` replaces can all be taken off now; changes nothing. */
function verify_replaced(p: Payload): i32 {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!replaces(p, q)) continue;
    copy_id(refusal().other_off, q.id_off);
    if (q.pending != 0) return refuse(EBUSY, REASON_BUSY);
    const rc = verify_visible(q);
    if (rc != 0) return rc;
    const top = payload_on_top(q);
    if (!is_payload(top) || replaces(p, top)) continue;
    copy_id(refusal().other_off, top.id_off);
    return refuse(EBUSY, REASON_NOT_TOP);
  }
  memory.fill(refusal().other_off, 0, XEN_XSPLICE_ID_SIZE);
  return 0;
}

/** At the patch point, every CPU waiting. 0, or a refusal with every byte as it was. */
export function commit_apply(p: Payload): i32 {
  let rc = check_stacks(p);
  if (rc != 0) return rc;
  if (p.replacing != 0) rc = verify_replaced(p);
  if (rc == 0) rc = still_there(p, false, REASON_OLD_CODE);
  if (rc != 0) return rc;
  check_unused(p);
  // Nothing can fail from here on.
  if (p.replacing != 0) take_off_replaced(p);
  if (p.old_status == XSPLICE_STATUS_REVERTED && !is_out(GUARD_REINIT)) reset_writable(p);
  write_all(p, true);
  p.apply_order = next_apply_order();
  measure(p, XSPLICE_ACTION_APPLY);
  return 0;
}

function tell_replaced(p: Payload, q: Payload): void {
  print("xsplice: ");
  print_bytes(p.id_off, XEN_XSPLICE_ID_SIZE);
  print(" replaces ");
  print_bytes(q.id_off, XEN_XSPLICE_ID_SIZE);
  print("\n");
}

/** Reverts what `p` replaces, newest first. */
function take_off_replaced(p: Payload): void {
  for (let q = newest_replaced(p); is_payload(q); q = newest_replaced(p)) {
    write_all(q, false);
    tell_replaced(p, q);
    q.apply_order = 0;
    q.old_status = XSPLICE_STATUS_APPLIED;
    q.status = XSPLICE_STATUS_REVERTED;
    measure(q, XSPLICE_ACTION_REVERT);
    drop_prepared(q);
  }
}

/** Whether `p` may be taken off now (R214, R213); its stack ranges grow by its own code. */
export function prepare_revert(p: Payload): i32 {
  const top = payload_on_top(p);
  if (is_payload(top)) {
    copy_id(refusal().other_off, top.id_off);
    return refuse(EBUSY, REASON_NOT_TOP);
  }
  const rc = still_there(p, true, REASON_FOREIGN_BYTES);
  if (rc != 0) return rc;
  collect_ranges(p, true);
  return 0;
}

/** At the patch point. */
export function commit_revert(p: Payload): i32 {
  let rc = check_stacks(p);
  if (rc != 0) return rc;
  const top = payload_on_top(p);
  if (is_payload(top)) {
    copy_id(refusal().other_off, top.id_off);
    return refuse(EBUSY, REASON_NOT_TOP);
  }
  rc = still_there(p, true, REASON_FOREIGN_BYTES);
  if (rc != 0) return rc;
  check_unused(p);
  write_all(p, false);
  p.apply_order = 0;
  measure(p, XSPLICE_ACTION_REVERT);
  drop_prepared(p);
  return 0;
}
