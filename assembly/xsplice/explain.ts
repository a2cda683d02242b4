// The memory of refusals, which `explain` reads: the last one of each listed payload in its own
// slot, and of ids that never became a payload in a ring of 16 (requirements.md A14). Not part of
// the state that a failed operation leaves unchanged.

import { header } from "../hv/header";
import { REFUSAL_SIZE, REFUSALS_OFF } from "../hv/layout";
import { NR_PAYLOADS, NR_REFUSALS } from "../hv/param";
import { clear_refusal, refusal, Refusal } from "../hv/refusal";
import {
  copy_id,
  find_payload,
  FORMAT_TODAY,
  ids_equal,
  is_payload,
  no_payload,
  Payload,
  PAYLOAD_CLAIMED,
  payload_at,
} from "./payload";


@inline
function slot_refusal(p: Payload): Refusal {
  return changetype<Refusal>(REFUSALS_OFF + REFUSAL_SIZE * <usize>p.slot);
}


@inline
function ring_refusal(i: u32): Refusal {
  return changetype<Refusal>(REFUSALS_OFF + REFUSAL_SIZE * <usize>(NR_PAYLOADS + i));
}

/** Starts an operation: no refusal yet, and `step` for the one that may come. */
export function begin_step(step: u32): void {
  clear_refusal();
  refusal().step = step;
}

/** Keeps the refusal just written, for the payload that it concerns. */
export function keep_refusal(p: Payload): void {
  copy_id(refusal().id_off, p.id_off);
  memory.copy(changetype<usize>(slot_refusal(p)), changetype<usize>(refusal()), REFUSAL_SIZE);
}

/** Keeps the refusal just written for an id, listed or not. */
export function keep_refusal_of(id_off: usize): void {
  const p = find_payload(id_off);
  if (is_payload(p)) {
    keep_refusal(p);
    return;
  }
  copy_id(refusal().id_off, id_off);
  let at = find_in_ring(id_off);
  if (at == NR_REFUSALS) at = header().refusal_next++ % NR_REFUSALS;
  memory.copy(changetype<usize>(ring_refusal(at)), changetype<usize>(refusal()), REFUSAL_SIZE);
}

/** The payload goes: what was last refused stays to be explained, by its id (A14). */
export function retire_refusal(p: Payload): void {
  const last = slot_refusal(p);
  if (last.errno == 0) return;
  let at = find_in_ring(p.id_off);
  if (at == NR_REFUSALS) at = header().refusal_next++ % NR_REFUSALS;
  memory.copy(changetype<usize>(ring_refusal(at)), changetype<usize>(last), REFUSAL_SIZE);
  memory.fill(changetype<usize>(last), 0, REFUSAL_SIZE);
}

/** A success: nothing is left to explain about this payload. */
export function forget_refusal(p: Payload): void {
  memory.fill(changetype<usize>(slot_refusal(p)), 0, REFUSAL_SIZE);
  const at = find_in_ring(p.id_off);
  if (at != NR_REFUSALS) memory.fill(changetype<usize>(ring_refusal(at)), 0, REFUSAL_SIZE);
}

function find_in_ring(id_off: usize): u32 {
  for (let i: u32 = 0; i < NR_REFUSALS; i++) {
    const r = ring_refusal(i);
    if (r.reason != 0 && ids_equal(r.id_off, id_off)) return i;
  }
  return NR_REFUSALS;
}

/** A payload of today's format, which is listed elsewhere, by the first 40 bytes of its name. */
function find_today(id_off: usize): Payload {
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    const p = payload_at(slot);
    if (p.used > PAYLOAD_CLAIMED && p.format == FORMAT_TODAY && ids_equal(p.id_off, id_off))
      return p;
  }
  return no_payload();
}

/** The last refusal that concerns this id: its linear offset, or 0. */
export function refusal_of(id_off: usize): usize {
  let p = find_payload(id_off);
  if (!is_payload(p)) p = find_today(id_off);
  if (is_payload(p)) {
    const r = slot_refusal(p);
    return r.reason != 0 ? changetype<usize>(r) : 0;
  }
  const at = find_in_ring(id_off);
  return at == NR_REFUSALS ? 0 : changetype<usize>(ring_refusal(at));
}
