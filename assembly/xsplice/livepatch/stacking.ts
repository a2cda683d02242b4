// Who has patched a place before, and does a payload know it? Dependencies of today's format
// (spec/livepatch-today 3) name one build-id: that of the payload right below. Who is below that
// one follows from its own, so a payload stands on everything that it was built on top of.

import { first_payload, is_live, is_payload, next_payload, Payload } from "../payload";
import { splice_touching } from "../splice";
import { func_at, JUMP_LEN } from "./funcs";
import { in_payload } from "./notes";
import { first_today, livepatch, next_today } from "./record";
import { fstate_at, is_applied } from "./struct_payload";

/** `q`'s build-id is what `p` depends on. */
function depends_on(p: Payload, q: Payload): bool {
  if (p.depends_len != q.build_id_len) return false;
  const wanted = in_payload(p, p.depends_va);
  return memory.compare(wanted, in_payload(q, q.build_id_va), p.depends_len) == 0;
}

/** `p` was built on top of `q`, directly or through others that are applied. */
function stands_on(p: Payload, q: Payload): bool {
  let at = p;
  let order = u64.MAX_VALUE;
  // Down the stack only, so that ids that name each other come to an end.
  for (let r = first_today(); is_payload(r);) {
    const applied = livepatch(r).applied_order;
    if (applied == 0 || applied >= order || !depends_on(at, r)) {
      r = next_today(r);
      continue;
    }
    if (changetype<usize>(r) == changetype<usize>(q)) return true;
    at = r;
    order = applied;
    r = first_today();
  }
  return false;
}

/** `q` has changed bytes of [va, va + length). */
function has_changed(q: Payload, va: u64, length: u64): bool {
  for (let i: u32 = 0; i < livepatch(q).nfuncs; i++) {
    if (!is_applied(q, i)) continue;
    const f = func_at(q, i);
    const offset = <u64>load<u32>(fstate_at(q, i));
    const at = f.old_addr + offset;
    const size = f.new_addr != 0 ? <u64>JUMP_LEN : <u64>f.new_size - offset;
    if (at < va + length && va < at + size) return true;
  }
  return false;
}

/** Another payload, of either format, has changed bytes of [va, va + length), and `p`, which does
 *  it too, does not stand on it. */
export function is_patched_before(p: Payload, va: u64, length: u64): bool {
  if (length == 0) return false;
  const own = livepatch(p).applied_order;
  for (let q = first_today(); is_payload(q); q = next_today(q)) {
    const order = livepatch(q).applied_order;
    if (changetype<usize>(q) == changetype<usize>(p) || order == 0) continue;
    if (own != 0 && order > own) continue; // came later: its own business
    if (has_changed(q, va, length) && !stands_on(p, q)) return true;
  }
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!is_live(q)) continue;
    if (changetype<usize>(splice_touching(q, va, length)) != 0) return true;
  }
  return false;
}
