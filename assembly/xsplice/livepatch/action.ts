// ACTION of today's door (spec/livepatch-today 9): two states, four commands; what is answered at
// once and what is scheduled. A command for the state that is there already answers 0 and does
// nothing, except UNLOAD.

import { EBUSY, EINVAL, EOPNOTSUPP } from "../../abi";
import {
  LIVEPATCH_ACTION_APPLY,
  LIVEPATCH_ACTION_APPLY_NODEPS,
  LIVEPATCH_ACTION_CMD,
  LIVEPATCH_ACTION_FLAGS,
  LIVEPATCH_ACTION_REPLACE,
  LIVEPATCH_ACTION_REVERT,
  LIVEPATCH_ACTION_TIMEOUT,
  LIVEPATCH_ACTION_UNLOAD,
  LIVEPATCH_STATE_APPLIED,
  LIVEPATCH_STATE_CHECKED,
} from "../../abi_today";
import { refusal, refusal_name, refuse, refuse_at } from "../../hv/refusal";
import {
  PLACE_LP_FUNC,
  PLACE_LP_HOOK,
  PLACE_SYSCTL,
  REASON_BUSY,
  REASON_LP_HOOK_VETO,
  REASON_LP_NOT_REAPPLIABLE,
  REASON_LP_REPLACE_HOOKS,
  REASON_LP_STILL_APPLIED,
  REASON_NOT_TOP,
  REASON_UNKNOWN_CMD,
  REASON_XEN_CRASH_STILL_PATCHED,
} from "../../reasons";
import { is_payload, Payload } from "../payload";
import { begin_attempt, end_attempt } from "./attempt";
import { errno_of, keep_refusal_today } from "./explain_today";
import { check_expectations } from "./expect";
import { func_at, name_refusal } from "./funcs";
import { check_depends } from "./notes";
import { check_patches, still_patched } from "./patching";
import {
  first_today,
  HOOK_APPLY,
  HOOK_POSTAPPLY,
  HOOK_POSTREVERT,
  HOOK_PREAPPLY,
  HOOK_PREREVERT,
  livepatch,
  next_today,
  pending_action,
  top_applied,
} from "./record";
import { check_recursion } from "./recursion";
import { hook_result, run_hook } from "./run_hook";
import { say, say_name } from "./say";
import { free_today } from "./upload";
import { schedule_work } from "./work";

/** Hooks that can veto, and so cannot be honoured by REPLACE. */
const VETOES: u32 =
  (1 << HOOK_PREAPPLY) | (1 << HOOK_POSTAPPLY) | (1 << HOOK_PREREVERT) | (1 << HOOK_POSTREVERT);

function unload(p: Payload): i32 {
  if (livepatch(p).state != <u32>LIVEPATCH_STATE_CHECKED)
    return refuse(EINVAL, REASON_LP_STILL_APPLIED);
  const left = still_patched(p);
  if (left >= 0) {
    const f = func_at(p, <u32>left);
    const rc = refuse_at(EBUSY, REASON_XEN_CRASH_STILL_PATCHED, PLACE_LP_FUNC, <u32>left);
    refusal().va = f.old_addr;
    refusal().va2 = f.new_addr;
    name_refusal(p, f);
    return rc;
  }
  free_today(p);
  return 0;
}

/** A pre hook's value that is not 0 is a veto, whatever it is. */
function judge_value(kind: u32): i32 {
  const value = hook_result();
  if (value == 0) return 0;
  refuse_at(errno_of(value), REASON_LP_HOOK_VETO, PLACE_LP_HOOK, kind);
  refusal().value = <u64>value;
  return value;
}

/** A pre hook: its value, if not 0, is the answer and the payload's rc. */
function pre_hook(p: Payload, kind: u32, domain: i32): i32 {
  const lp = livepatch(p);
  if ((lp.hook_mask & (1 << kind)) == 0) return 0;
  const apply = kind == HOOK_PREAPPLY;
  say(p, apply ? "Calling pre-apply hook function" : "Calling pre-revert hook function");
  let rc = begin_attempt();
  if (rc == 0) {
    rc = run_hook(p, kind, 0, false, domain);
    const short = end_attempt(rc != 0);
    if (short != 0) rc = short;
    else if (rc == 0) rc = judge_value(kind);
  }
  if (rc != 0) lp.rc = rc;
  return rc;
}

/** What would crash the hypervisor in the built-in apply, or right behind it. */
function check_survival(p: Payload): i32 {
  if ((livepatch(p).hook_mask & (1 << HOOK_APPLY)) != 0) return 0;
  const rc = check_patches(p);
  return rc != 0 ? rc : check_recursion(p);
}

function apply(p: Payload, flags: u32, timeout: u32, domain: i32): i32 {
  const lp = livepatch(p);
  if (lp.state != <u32>LIVEPATCH_STATE_CHECKED) return 0;
  if (lp.reverted != 0 && lp.safe_to_reapply == 0) {
    say(p, "can't revert as payload has .data. Please unload");
    lp.rc = refuse(EINVAL, REASON_LP_NOT_REAPPLIABLE);
    keep_refusal_today(p);
    return 0;
  }
  let rc = 0;
  if ((flags & LIVEPATCH_ACTION_APPLY_NODEPS) == 0) rc = check_depends(p, false);
  if (rc == 0) rc = check_expectations(p);
  if (rc == 0) rc = check_survival(p);
  if (rc == 0) rc = pre_hook(p, HOOK_PREAPPLY, domain);
  return rc != 0 ? rc : schedule_work(p, LIVEPATCH_ACTION_APPLY, timeout);
}

function revert(p: Payload, timeout: u32, domain: i32): i32 {
  if (livepatch(p).state != <u32>LIVEPATCH_STATE_APPLIED) return 0;
  const top = top_applied();
  if (changetype<usize>(top) != changetype<usize>(p)) {
    if (is_payload(top)) {
      refusal_name(livepatch(top).name_off, 127);
      say_name(p, "can't unload. Top is ", livepatch(top).name_off, "");
    }
    return refuse(EBUSY, REASON_NOT_TOP);
  }
  const rc = pre_hook(p, HOOK_PREREVERT, domain);
  return rc != 0 ? rc : schedule_work(p, LIVEPATCH_ACTION_REVERT, timeout);
}

function replace(p: Payload, timeout: u32): i32 {
  if (livepatch(p).state != <u32>LIVEPATCH_STATE_CHECKED) return 0;
  const rc = check_depends(p, true);
  if (rc != 0) return rc;
  let vetoes = livepatch(p).hook_mask & VETOES;
  for (let q = first_today(); is_payload(q); q = next_today(q)) {
    if (livepatch(q).applied_order != 0) vetoes |= livepatch(q).hook_mask & VETOES;
  }
  if (vetoes != 0) {
    refusal().value = vetoes;
    return refuse(EOPNOTSUPP, REASON_LP_REPLACE_HOOKS);
  }
  const bad = check_survival(p);
  return bad != 0 ? bad : schedule_work(p, LIVEPATCH_ACTION_REPLACE, timeout);
}

function judge(p: Payload, cmd: u32, flags: u32, timeout: u32, domain: i32): i32 {
  switch (cmd) {
    case LIVEPATCH_ACTION_UNLOAD:
      return unload(p);
    case LIVEPATCH_ACTION_REVERT:
      return revert(p, timeout, domain);
    case LIVEPATCH_ACTION_APPLY:
      return apply(p, flags, timeout, domain);
    case LIVEPATCH_ACTION_REPLACE:
      return replace(p, timeout);
  }
  refusal().value = cmd;
  return refuse_at(EOPNOTSUPP, REASON_UNKNOWN_CMD, PLACE_SYSCTL, LIVEPATCH_ACTION_CMD);
}

/** The payload has been found; `s_off`: the copy of struct xen_sysctl. */
export function act(p: Payload, s_off: usize, domain: i32): i32 {
  if (changetype<usize>(pending_action()) == changetype<usize>(p))
    return refuse(EBUSY, REASON_BUSY);
  const cmd = load<u32>(s_off, LIVEPATCH_ACTION_CMD);
  const flags = load<u32>(s_off, LIVEPATCH_ACTION_FLAGS);
  const slot = p.slot;
  const rc = judge(p, cmd, flags, load<u32>(s_off, LIVEPATCH_ACTION_TIMEOUT), domain);
  if (rc != 0 && p.slot == slot) keep_refusal_today(p);
  return rc;
}
