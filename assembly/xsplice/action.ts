// The state machine of a payload (requirements.md A7, R125-R130), as one table. Rows are the states
// that decide, columns the four commands. An error keeps its place in the life of the payload: GET
// shows -errno, and what is legal next follows from the state before it (old_status) and the
// command that failed (K45).
//
//                     CHECK            UNLOAD            REVERT            APPLY
//   upload -> LOADED ------> CHECKED -----------> (gone)
//                               |  APPLY                REVERT
//                               +--------> APPLIED ------------> REVERTED --UNLOAD--> (gone)
//                                             ^------- APPLY ------+
//
// RUN: accepted, PROGRESS now, done when the machine runs (R92, R122). GONE: done at once (R123).

import {
  EBUSY,
  EINVAL,
  ENOSYS,
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_CHECK,
  XSPLICE_ACTION_REVERT,
  XSPLICE_ACTION_UNLOAD,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_LOADED,
  XSPLICE_STATUS_PROGRESS,
  XSPLICE_STATUS_REVERTED,
} from "../abi";
import { GUARD_BUSY, is_out } from "../hv/guards";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import {
  PLACE_SYSCTL,
  REASON_BUSY,
  REASON_STILL_APPLIED,
  REASON_UNKNOWN_CMD,
  REASON_WRONG_STATE,
  STEP_APPLY,
  STEP_CHECK,
  STEP_REVERT,
  STEP_UNLOAD,
} from "../reasons";
import { Payload } from "./payload";

export const ROW_LOADED: u32 = 0;
export const ROW_PROGRESS: u32 = 1;
export const ROW_CHECKED: u32 = 2;
export const ROW_APPLIED: u32 = 3;
export const ROW_REVERTED: u32 = 4;
export const ROW_CHECK_FAILED: u32 = 5; // before it: LOADED or CHECKED
export const ROW_APPLY_FAILED: u32 = 6; // before it: CHECKED
export const ROW_REAPPLY_FAILED: u32 = 7; // before it: REVERTED
export const ROW_REVERT_FAILED: u32 = 8; // before it: APPLIED; the new code is live
const NR_ROWS: u32 = 9;
const NR_COMMANDS: u32 = 4;

/** Verdicts. */
export const WRONG: u8 = 0; // -EINVAL wrong-state
export const RUN: u8 = 1;
export const GONE: u8 = 2;
export const BUSY: u8 = 3; // -EBUSY busy (K43)
export const LIVE: u8 = 4; // -EINVAL still-applied

// prettier-ignore
const TABLE = memory.data<u8>([
  // CHECK UNLOAD REVERT APPLY
  RUN, GONE, WRONG, WRONG, // LOADED (R126)
  BUSY, BUSY, BUSY, BUSY, // PROGRESS (K61)
  RUN, GONE, WRONG, RUN, // CHECKED (K44)
  WRONG, LIVE, RUN, WRONG, // APPLIED
  WRONG, GONE, WRONG, RUN, // REVERTED (R127)
  RUN, GONE, WRONG, WRONG, // CHECK failed
  RUN, GONE, WRONG, RUN, // APPLY failed
  WRONG, GONE, WRONG, RUN, // APPLY after REVERT failed
  WRONG, LIVE, RUN, WRONG, // REVERT failed
]);

/** Row of a payload. */
export function row_of(p: Payload): u32 {
  switch (p.status) {
    case XSPLICE_STATUS_LOADED:
      return ROW_LOADED;
    case XSPLICE_STATUS_PROGRESS:
      return ROW_PROGRESS;
    case XSPLICE_STATUS_CHECKED:
      return ROW_CHECKED;
    case XSPLICE_STATUS_APPLIED:
      return ROW_APPLIED;
    case XSPLICE_STATUS_REVERTED:
      return ROW_REVERTED;
  }
  if (p.cmd == XSPLICE_ACTION_REVERT) return ROW_REVERT_FAILED;
  if (p.cmd == XSPLICE_ACTION_CHECK) return ROW_CHECK_FAILED;
  return p.old_status == XSPLICE_STATUS_REVERTED ? ROW_REAPPLY_FAILED : ROW_APPLY_FAILED;
}

/** What the table says about a command that exists. */
export function verdict(row: u32, cmd: u32): u8 {
  assert(row < NR_ROWS && cmd - 1 < NR_COMMANDS);
  return load<u8>(TABLE + <usize>(row * NR_COMMANDS + column_of(cmd)));
}


@inline
function column_of(cmd: u32): u32 {
  return cmd - XSPLICE_ACTION_CHECK;
}

/** The states, as XSPLICE_STATUS_* bits, from which `cmd` is allowed: for messages (K63). */
export function allowed_states(cmd: u32): u32 {
  let states: u32 = 0;
  if (verdict(ROW_LOADED, cmd) != WRONG) states |= XSPLICE_STATUS_LOADED;
  if (verdict(ROW_CHECKED, cmd) != WRONG) states |= XSPLICE_STATUS_CHECKED;
  const applied = verdict(ROW_APPLIED, cmd);
  if (applied == RUN) states |= XSPLICE_STATUS_APPLIED;
  if (verdict(ROW_REVERTED, cmd) != WRONG) states |= XSPLICE_STATUS_REVERTED;
  return states;
}

/** The state that an error hides, or the status itself. */
@inline
export function state_behind(p: Payload): i32 {
  return p.status < 0 ? p.old_status : p.status;
}

export function step_of(cmd: u32): u32 {
  switch (cmd) {
    case XSPLICE_ACTION_CHECK:
      return STEP_CHECK;
    case XSPLICE_ACTION_UNLOAD:
      return STEP_UNLOAD;
    case XSPLICE_ACTION_REVERT:
      return STEP_REVERT;
    case XSPLICE_ACTION_APPLY:
      return STEP_APPLY;
  }
  return 0;
}

/** Whether `cmd` may be done now: RUN or GONE, or a refusal's -errno. `field_off` is where `cmd`
 *  stands in struct xen_sysctl. */
export function judge(p: Payload, cmd: u32, field_off: u32): i32 {
  if (cmd - 1 >= NR_COMMANDS) {
    refuse_at(ENOSYS, REASON_UNKNOWN_CMD, PLACE_SYSCTL, field_off);
    refusal().value = cmd;
    return -ENOSYS;
  }
  let v = verdict(row_of(p), cmd);
  if (v == BUSY && is_out(GUARD_BUSY)) v = cmd == XSPLICE_ACTION_UNLOAD ? GONE : RUN;
  if (v == RUN || v == GONE) return v;
  refusal().value = <u64>p.status;
  refusal().limit = allowed_states(cmd);
  if (v == BUSY) return refuse(EBUSY, REASON_BUSY);
  return refuse(EINVAL, v == LIVE ? REASON_STILL_APPLIED : REASON_WRONG_STATE);
}

/** Accepted work begins (R122). */
export function begin_action(p: Payload, cmd: u32): void {
  p.old_status = state_behind(p);
  p.status = XSPLICE_STATUS_PROGRESS;
  p.cmd = cmd;
  p.retries = 0;
}

/** Work has ended: 0, or -errno with the state behind it kept (K45). */
export function end_action(p: Payload, rc: i32): void {
  p.pending = 0;
  p.deadline_ns = 0;
  if (rc < 0) {
    p.status = rc;
    return;
  }
  switch (p.cmd) {
    case XSPLICE_ACTION_CHECK:
      p.status = XSPLICE_STATUS_CHECKED;
      break;
    case XSPLICE_ACTION_APPLY:
      p.status = XSPLICE_STATUS_APPLIED;
      break;
    case XSPLICE_ACTION_REVERT:
      p.status = XSPLICE_STATUS_REVERTED;
      break;
    default:
      p.status = -EINVAL; // R129
  }
}
