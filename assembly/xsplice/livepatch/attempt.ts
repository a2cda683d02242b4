// An action that runs hooks, as an attempt: hooks may write anywhere, and one that crashes would
// have taken the real hypervisor with it, so there is no state to be left in. Whatever was written
// since the attempt began is put back then: frames by the journal, payloads' records and the door's
// own from a copy (requirements.md A14).

import { ENOMEM } from "../../abi";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../../hv/frames";
import { close_journal, has_journal_failed, open_journal } from "../../hv/journal";
import { PAYLOAD_SIZE } from "../../hv/layout";
import { refuse } from "../../hv/refusal";
import { REASON_NO_MEMORY } from "../../reasons";
import { is_payload } from "../payload";
import { DOOR_OFF, DOOR_SIZE, first_today, next_today, payloads_count } from "./record";

// The copy: the door's record, then those of the payloads in the order of their list.
let copy_off: usize = 0;
let copy_pages: u32 = 0;

/** 0, or -ENOMEM and nothing has begun. */
export function begin_attempt(): i32 {
  copy_pages = pages_for(<u64>DOOR_SIZE + <u64>payloads_count() * <u64>PAYLOAD_SIZE);
  copy_off = alloc_frames(copy_pages, OWNER_STAGING);
  if (copy_off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  memory.copy(copy_off, DOOR_OFF, DOOR_SIZE);
  let to = copy_off + DOOR_SIZE;
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    memory.copy(to, changetype<usize>(p), PAYLOAD_SIZE);
    to += PAYLOAD_SIZE;
  }
  open_journal();
  return 0;
}

/** Ends it; `undo`: as if it had not been begun. Returns 0, or -ENOMEM when there was not enough
 *  memory to be able to undo it, so that it could not be done either. */
export function end_attempt(undo: bool): i32 {
  const short = has_journal_failed();
  close_journal(undo || short);
  if (undo || short) {
    memory.copy(DOOR_OFF, copy_off, DOOR_SIZE);
    let from = copy_off + DOOR_SIZE;
    for (let p = first_today(); is_payload(p); p = next_today(p)) {
      memory.copy(changetype<usize>(p), from, PAYLOAD_SIZE);
      from += PAYLOAD_SIZE;
    }
  }
  free_frames(copy_off, copy_pages);
  return short ? refuse(ENOMEM, REASON_NO_MEMORY) : 0;
}
