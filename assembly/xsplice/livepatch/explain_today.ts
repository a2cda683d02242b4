// The last refusal of a payload of today's format, in its own slot, for whoever asks why
// (explain.ts keeps those of the RFC's payloads).

import { EINVAL } from "../../abi";
import { REFUSAL_SIZE, REFUSALS_OFF } from "../../hv/layout";
import { refusal } from "../../hv/refusal";
import { copy_id, Payload } from "../payload";

/** Error numbers are below this. */
const ERRNO_END: i32 = 4096;


@inline
function slot_off(p: Payload): usize {
  return REFUSALS_OFF + REFUSAL_SIZE * <usize>p.slot;
}

/** The error number that a hook's value is; EINVAL for what is none. */
export function errno_of(value: i32): i32 {
  return value < 0 && value > -ERRNO_END ? -value : EINVAL;
}

export function keep_refusal_today(p: Payload): void {
  copy_id(refusal().id_off, p.id_off);
  memory.copy(slot_off(p), changetype<usize>(refusal()), REFUSAL_SIZE);
}

/** Linear offset of the record, 0 when nothing was refused. */
export function refusal_today(p: Payload): usize {
  return load<u32>(slot_off(p), 4) == 0 ? 0 : slot_off(p);
}

export function forget_refusal_today(p: Payload): void {
  memory.fill(slot_off(p), 0, REFUSAL_SIZE);
}
