// Which code matters to patching, for steps of schedules (hv/visible.ts): the bytes that a checked
// payload changes or has changed, the functions that these are in, and payloads themselves.

import { header } from "../hv/header";
import { entry_of } from "../hv/mem";
import { bump_code } from "../hv/pages";
import { CLASS_CHANGED, CLASS_FUNCTION, CLASS_OTHER, CLASS_PAYLOAD } from "../hv/visible";
import { func_at, JUMP_LEN, ENDBR64_LEN } from "./livepatch/funcs";
import { first_today, livepatch, next_today } from "./livepatch/record";
import { first_payload, is_payload, next_payload, Payload } from "./payload";
import { splice_at, splice_from } from "./splice";


@inline
function is_in(va: u64, from_va: u64, size: u64): bool {
  return va - from_va < size;
}

function class_by(p: Payload, va: u64): u32 {
  const from = splice_from(p, va);
  // The splice behind `va` and the one before it: either may be in the same function.
  for (let i: u32 = from == 0 ? 0 : from - 1; i <= from && i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (is_in(va, s.va, s.length)) return CLASS_CHANGED;
    if (is_in(va, s.object_va, s.object_size)) return CLASS_FUNCTION + p.slot;
  }
  return CLASS_OTHER;
}

function class_by_today(p: Payload, va: u64): u32 {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
    const f = func_at(p, i);
    const changed = f.new_addr != 0 ? JUMP_LEN + ENDBR64_LEN : f.new_size;
    if (is_in(va, f.old_addr, changed)) return CLASS_CHANGED;
    if (is_in(va, f.old_addr, f.old_size)) return CLASS_FUNCTION + p.slot;
  }
  return CLASS_OTHER;
}

export function code_class(va: u64): u32 {
  const h = header();
  if (is_in(va, h.payload_base_va, h.payload_end_va - h.payload_base_va)) return CLASS_PAYLOAD;
  let kind = CLASS_OTHER;
  for (let p = first_payload(); is_payload(p) && kind != CLASS_CHANGED; p = next_payload(p)) {
    const by = class_by(p, va);
    if (by != CLASS_OTHER) kind = by;
  }
  for (let p = first_today(); is_payload(p) && kind != CLASS_CHANGED; p = next_today(p)) {
    const by = class_by_today(p, va);
    if (by != CLASS_OTHER) kind = by;
  }
  return kind;
}

/** Nothing is cached of code that changes: what one schedule has fetched is not another's, so that
 *  stale code that is found is found again when the schedule is followed alone. */
export function drop_changed_code(): void {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    for (let i: u32 = 0; i < p.splices_count; i++) bump_code(entry_of(splice_at(p, i).va));
  }
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) bump_code(entry_of(func_at(p, i).old_addr));
  }
}
