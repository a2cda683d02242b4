// The work that an ACTION of today's door schedules (spec/livepatch-today 4, 9): done at the
// rendezvous, all CPUs idle, by the order of hooks and of the built-in apply and revert. The result
// becomes the payload's rc. What would have brought the real hypervisor down is undone as a whole:
// nothing has changed then but that rc.

import { EAGAIN, EBUSY, EINVAL } from "../../abi";
import {
  LIVEPATCH_ACTION_APPLY,
  LIVEPATCH_ACTION_REPLACE,
  LIVEPATCH_ACTION_REVERT,
  LIVEPATCH_STATE_CHECKED,
} from "../../abi_today";
import { header } from "../../hv/header";
import { install_tasklet, install_work, TASKLET_LIVEPATCH, WORK_LIVEPATCH } from "../../hv/hooks";
import { check_barrier } from "../../hv/preempt";
import { refusal, refusal_name, refuse, refuse_at } from "../../hv/refusal";
import { request_rendezvous } from "../../hv/rendezvous";
import { schedule_tasklet } from "../../hv/tasklet";
import {
  HAZARD_REPLACE_DIRTY,
  HAZARD_STUCK_PROGRESS,
  PLACE_LP_HOOK,
  REASON_BUSY,
  REASON_LP_HOOK_FAILED,
  REASON_LP_REPLACE_REVERT,
  REASON_TIMEOUT,
  REASON_XEN_CRASH_PARTIAL_APPLY,
  REASON_XEN_CRASH_PARTIAL_REVERT,
  STEP_APPLY,
  STEP_REPLACE,
  STEP_REVERT,
} from "../../reasons";
import { begin_step } from "../explain";
import { is_payload, no_payload, Payload, payload_at } from "../payload";
import { wake_one } from "../work";
import { begin_attempt, end_attempt } from "./attempt";
import { check_expectations } from "./expect";
import { all_are, patch_functions, revert_functions } from "./patching";
import {
  add_hazard,
  HOOK_APPLY,
  HOOK_LOAD,
  HOOK_POSTAPPLY,
  HOOK_POSTREVERT,
  HOOK_REVERT,
  HOOK_UNLOAD,
  livepatch,
  pending_action,
  pending_timeout,
  pop_applied,
  set_pending,
  top_applied,
} from "./record";
import { hook_result, run_hook } from "./run_hook";
import { say, say_count, say_finished, say_metadata, say_result } from "./say";
import { apply_tail } from "./services";
import { errno_of, keep_refusal_today } from "./explain_today";

/** Nanoseconds of an action that does not say. */
const DEFAULT_TIMEOUT: u32 = 30000000;


@inline
function has_hook(p: Payload, kind: u32): bool {
  return (livepatch(p).hook_mask & (1 << kind)) != 0;
}

/** The real hypervisor would be gone: a hook has crashed, or left a payload half applied. */
let fatal: bool = false;

/** Runs a hook at the patch point. Not 0: it has not come back. */
function run(p: Payload, kind: u32, entry: u32, quiesced: bool): i32 {
  const rc = run_hook(p, kind, entry, quiesced, -1);
  if (rc != 0) fatal = true;
  return rc;
}

function refuse_value(kind: u32, value: i32): void {
  refuse_at(errno_of(value), REASON_LP_HOOK_FAILED, PLACE_LP_HOOK, kind);
  refusal().value = <u64>value;
}

/** Runs a hook whose value decides. */
function action_hook(p: Payload, kind: u32): i32 {
  const rc = run(p, kind, 0, true);
  if (rc != 0) return rc;
  const value = hook_result();
  if (value != 0) refuse_value(kind, value);
  return value;
}

/** Runs the hooks of an array, in its order. */
function run_array(p: Payload, kind: u32): i32 {
  let rc = 0;
  for (let i: u32 = 0; i < livepatch(p).hook_entries(kind) && rc == 0; i++) {
    rc = run(p, kind, i, true);
  }
  return rc;
}

/** What real Xen panics about: a result that does not fit the functions' states. */
function check_consistent(p: Payload, rc: i32, applying: bool): i32 {
  if (fatal || all_are(p, (rc == 0) == applying)) return rc;
  fatal = true;
  return refuse(
    EINVAL,
    applying ? REASON_XEN_CRASH_PARTIAL_APPLY : REASON_XEN_CRASH_PARTIAL_REVERT,
  );
}

function apply_payload(p: Payload): i32 {
  const lp = livepatch(p);
  let rc = 0;
  if (has_hook(p, HOOK_APPLY)) {
    say(p, "Calling apply action hook function");
    rc = action_hook(p, HOOK_APPLY);
  } else {
    say_count(p, "Applying ", lp.nfuncs, " functions");
    rc = run_array(p, HOOK_LOAD);
    if (rc == 0) patch_functions(p);
  }
  rc = check_consistent(p, rc, true);
  if (rc == 0) {
    apply_tail(p);
    say_metadata(p);
  }
  return rc;
}

function revert_payload(p: Payload): i32 {
  const lp = livepatch(p);
  let rc = 0;
  if (has_hook(p, HOOK_REVERT)) {
    say(p, "Calling revert action hook function");
    rc = action_hook(p, HOOK_REVERT);
  } else {
    say(p, "Reverting");
    revert_functions(p);
    rc = run_array(p, HOOK_UNLOAD);
  }
  rc = check_consistent(p, rc, false);
  if (rc == 0) {
    if (lp.applied_order != 0) pop_applied(p);
    lp.state = LIVEPATCH_STATE_CHECKED;
    lp.reverted = 1;
  }
  return rc;
}

/** Everything applied is taken away from the top down, then `p` is applied. */
function replace_all(p: Payload): i32 {
  for (let q = top_applied(); is_payload(q); q = top_applied()) {
    const lp = livepatch(q);
    lp.rc = revert_payload(q);
    if (fatal) return lp.rc;
    if (lp.rc != 0) {
      refusal_name(lp.name_off, 127);
      return refuse(EINVAL, REASON_LP_REPLACE_REVERT);
    }
  }
  const rc = check_expectations(p);
  if (rc != 0) return rc;
  const lp = livepatch(p);
  if (lp.reverted != 0 && lp.safe_to_reapply == 0) add_hazard(p, HAZARD_REPLACE_DIRTY);
  return apply_payload(p);
}

function step_of(cmd: u32): u32 {
  if (cmd == <u32>LIVEPATCH_ACTION_APPLY) return STEP_APPLY;
  return cmd == <u32>LIVEPATCH_ACTION_REVERT ? STEP_REVERT : STEP_REPLACE;
}

/** Its value is void; what it leaves in the payload's rc counts. */
function post_hook(p: Payload, kind: u32): void {
  if (fatal || !has_hook(p, kind)) return;
  const apply = kind == HOOK_POSTAPPLY;
  const before = livepatch(p).rc;
  say_result(p, apply ? "Calling post-apply" : "Calling post-revert", before);
  const rc = run(p, kind, 0, false);
  if (rc != 0) livepatch(p).rc = rc;
  else if (livepatch(p).rc != before && livepatch(p).rc != 0) refuse_value(kind, livepatch(p).rc);
}

/** The action with its hooks; its result is in the payload's rc. */
function perform(p: Payload, cmd: u32): void {
  const lp = livepatch(p);
  if (cmd == <u32>LIVEPATCH_ACTION_APPLY) lp.rc = apply_payload(p);
  else if (cmd == <u32>LIVEPATCH_ACTION_REVERT) lp.rc = revert_payload(p);
  else lp.rc = replace_all(p);
  if (cmd == <u32>LIVEPATCH_ACTION_APPLY) post_hook(p, HOOK_POSTAPPLY);
  if (cmd == <u32>LIVEPATCH_ACTION_REVERT) post_hook(p, HOOK_POSTREVERT);
}

/** At the patch point. */
function do_work(slot: u32): i32 {
  const p = payload_at(slot);
  const lp = livepatch(p);
  const cmd = lp.cmd;
  check_barrier();
  begin_step(step_of(cmd));
  fatal = false;
  let rc = begin_attempt();
  if (rc == 0) {
    perform(p, cmd);
    rc = lp.rc;
    const short = end_attempt(fatal);
    if (short != 0) rc = short;
  }
  lp.rc = rc;
  say_finished(p, cmd, rc);
  finish(p);
  return 0;
}

function finish(p: Payload): void {
  if (livepatch(p).rc != 0) keep_refusal_today(p);
  set_pending(no_payload(), 0);
  wake_one();
}

/** The CPUs did not come in time, or somebody else holds them: nothing has changed. */
function give_up(slot: u32): void {
  const p = payload_at(slot);
  begin_step(step_of(livepatch(p).cmd));
  livepatch(p).rc = refuse(EBUSY, REASON_TIMEOUT);
  finish(p);
}

/** Deferred: asks for the rendezvous. */
function start_work(slot: u32): void {
  const timeout = pending_timeout();
  const deadline = header().time_ns + <u64>(timeout == 0 ? DEFAULT_TIMEOUT : timeout);
  if (!request_rendezvous(WORK_LIVEPATCH, slot, deadline)) give_up(slot);
}

/** Schedules the action; P becomes -EAGAIN first, and stays so when another one is pending. */
export function schedule_work(p: Payload, cmd: u32, timeout_ns: u32): i32 {
  const lp = livepatch(p);
  lp.rc = -EAGAIN;
  if (is_payload(pending_action()) || !schedule_tasklet(TASKLET_LIVEPATCH, p.slot)) {
    add_hazard(p, HAZARD_STUCK_PROGRESS);
    refusal_name(livepatch(pending_action()).name_off, 127);
    return refuse(EBUSY, REASON_BUSY);
  }
  lp.cmd = cmd;
  lp.hazards &= ~((<u64>1) << HAZARD_STUCK_PROGRESS);
  set_pending(p, timeout_ns);
  return 0;
}

export function install_livepatch_work(): void {
  install_tasklet(TASKLET_LIVEPATCH, start_work);
  install_work(WORK_LIVEPATCH, do_work, give_up);
}
if (LIVEPATCH_ACTION_REPLACE <= LIVEPATCH_ACTION_APPLY) ERROR("actions");
