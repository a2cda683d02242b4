// The work behind an ACTION (R92, R117-R119, R122, R136): the hypercall only accepts it; a tasklet
// does CHECK and the preparation of APPLY and REVERT when the machine runs, and the rendezvous does
// the rest when every CPU is at the patch point. One payload at a time is at the patch point;
// others wait for it. Whatever comes of it is in the payload's status, why in its refusal.

import {
  EAGAIN,
  EBUSY,
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_CHECK,
  XSPLICE_ACTION_REVERT,
} from "../abi";
import { set_alarm } from "../hv/alarm";
import { time_ns } from "../hv/clock";
import { cpu_at } from "../hv/cpu";
import { enter_domain } from "../hv/domain";
import {
  install_alarm,
  install_tasklet,
  install_work,
  TASKLET_XSPLICE,
  WORK_XSPLICE,
} from "../hv/hooks";
import { refusal, refuse } from "../hv/refusal";
import { missing_count, missing_cpu, request_rendezvous } from "../hv/rendezvous";
import { kill_tasklet, schedule_tasklet } from "../hv/tasklet";
import { REASON_BUSY, REASON_ON_STACK, REASON_TIMEOUT } from "../reasons";
import { begin_action, end_action, step_of } from "./action";
import { commit_apply, commit_revert, drop_prepared, prepare_apply, prepare_revert } from "./apply";
import { check_payload } from "./check";
import { begin_step, forget_refusal, keep_refusal, retire_refusal } from "./explain";
import { unload_payload } from "./load";
import {
  first_payload,
  is_payload,
  next_payload,
  Payload,
  payload_at,
  PAYLOAD_LISTED,
  release_payload,
  unlink_payload,
} from "./payload";
import { check_unreferenced } from "./referenced";
import { free_splices } from "./splice";

const NS_PER_MS: u64 = 1000000;

/** Payload.pending */
export const SCHEDULED: u32 = 1; // tasklet pending
export const AT_PATCH_POINT: u32 = 2; // rendezvous requested
export const WAITING: u32 = 3; // for another payload's rendezvous

/** `time` in ms from now on (R116), 0 for no bound; a sum that would wrap is no bound either. */
function deadline_after(time_ms: u64): u64 {
  if (time_ms == 0) return 0;
  const now = time_ns();
  return time_ms > (u64.MAX_VALUE - now) / NS_PER_MS ? u64.MAX_VALUE : now + time_ms * NS_PER_MS;
}

/** Accepts an action (R122). */
export function start_action(p: Payload, cmd: u32, time_ms: u64): i32 {
  if (!schedule_tasklet(TASKLET_XSPLICE, p.slot)) return refuse(EBUSY, REASON_BUSY);
  forget_refusal(p);
  begin_action(p, cmd);
  p.pending = SCHEDULED;
  p.deadline_ns = deadline_after(time_ms);
  return 0;
}

/** The end of work: status, refusal, and the next in the queue. */
function finish(p: Payload, rc: i32): void {
  end_action(p, rc);
  if (rc < 0) keep_refusal(p);
  else forget_refusal(p);
}

/** Somebody's rendezvous is over: lets the longest listed waiting payload try again. */
export function wake_one(): void {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (p.pending != WAITING) continue;
    if (schedule_tasklet(TASKLET_XSPLICE, p.slot)) p.pending = SCHEDULED;
    return;
  }
}


@inline
function is_late(p: Payload): bool {
  return p.deadline_ns != 0 && time_ns() >= p.deadline_ns;
}

/** Who was missing first and where, and how many of them there were. */
function refuse_timeout(): i32 {
  const id = missing_cpu();
  if (id >= 0) {
    refusal().cpu = <u32>id;
    refusal().va = cpu_at(<u32>id).rip;
    refusal().value = missing_count();
  }
  return refuse(EBUSY, REASON_TIMEOUT);
}

/** Asks for the patch point; a payload that must wait prepares anew when it is its turn. */
function enter_patch_point(p: Payload): void {
  if (request_rendezvous(WORK_XSPLICE, p.slot, p.deadline_ns)) {
    p.pending = AT_PATCH_POINT;
    return;
  }
  if (p.cmd == XSPLICE_ACTION_APPLY) drop_prepared(p);
  p.pending = WAITING;
  if (p.deadline_ns != 0) set_alarm(p.deadline_ns);
}

/** The tasklet (R129, R135 without its delay). */
function run_action(slot: u32): void {
  const p = payload_at(slot);
  if (p.used != PAYLOAD_LISTED || p.pending != SCHEDULED) return;
  enter_domain(-1, false);
  begin_step(step_of(p.cmd));
  if (p.cmd == XSPLICE_ACTION_CHECK) {
    finish(p, check_payload(p, true));
    return;
  }
  if (is_late(p)) {
    finish(p, refuse_timeout());
    return;
  }
  const rc = p.cmd == XSPLICE_ACTION_APPLY ? prepare_apply(p) : prepare_revert(p);
  if (rc != 0) finish(p, rc);
  else enter_patch_point(p);
}

/** At the patch point. -EAGAIN: old code is on a stack, to be tried again until the time is
 *  over. */
export function run_at_patch_point(slot: u32): i32 {
  const p = payload_at(slot);
  enter_domain(-1, false);
  begin_step(step_of(p.cmd));
  const rc = p.cmd == XSPLICE_ACTION_APPLY ? commit_apply(p) : commit_revert(p);
  if (rc != 0 && refusal().reason == REASON_ON_STACK) {
    p.retries++;
    keep_refusal(p);
    return -EAGAIN;
  }
  if (rc != 0 && p.cmd == XSPLICE_ACTION_APPLY) drop_prepared(p);
  finish(p, rc);
  wake_one();
  return 0;
}

/** The time is over (R117): everybody is released, nothing has been changed. */
export function give_up(slot: u32): void {
  const p = payload_at(slot);
  begin_step(step_of(p.cmd));
  if (p.cmd == XSPLICE_ACTION_APPLY) drop_prepared(p);
  if (p.retries != 0) {
    end_action(p, -EBUSY); // the refusal of the last try says who was where
  } else finish(p, refuse_timeout());
  wake_one();
}

/** Payloads that wait for another one's rendezvous give up when their own time is over (R224): at
 *  the alarm, or when somebody asks before the machine has run. */
export function expire_waiting(): void {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (p.pending != WAITING || p.deadline_ns == 0) continue;
    if (!is_late(p)) {
      set_alarm(p.deadline_ns);
      continue;
    }
    begin_step(step_of(p.cmd));
    finish(p, refuse_timeout());
  }
}

/** UNLOAD, synchronous (R123): refused while something refers to the payload; then everything it
 *  owns is given back and nothing of it is left (K61: the work is killed before the record
 *  goes). */
export function remove_payload(p: Payload): i32 {
  const rc = check_unreferenced(p);
  if (rc != 0) return rc;
  kill_tasklet(TASKLET_XSPLICE, p.slot);
  retire_refusal(p);
  free_splices(p);
  unlink_payload(p);
  unload_payload(p);
  release_payload(p);
  return 0;
}

export function install_deferred(): void {
  install_tasklet(TASKLET_XSPLICE, run_action);
  install_work(WORK_XSPLICE, run_at_patch_point, give_up);
  install_alarm(expire_waiting);
}
if (XSPLICE_ACTION_REVERT == XSPLICE_ACTION_APPLY) ERROR("actions are distinct");
