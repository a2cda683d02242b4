// What hooks may ask the hypervisor's live patching for (spec/livepatch-today 4): applying and
// reverting a function or a payload themselves. The machine does it as its own apply and revert do.

import { EINVAL } from "../../abi";
import { is_payload, no_payload, Payload } from "../payload";
import { patch_function, restore_function, revert_functions } from "./patching";
import { first_today, livepatch, next_today, pop_applied, push_applied } from "./record";
import { FUNC_SIZE } from "./funcs";
import { FSTATE_SIZE } from "./struct_payload";
import { LIVEPATCH_STATE_APPLIED, LIVEPATCH_STATE_CHECKED } from "../../abi_today";

/** The payload whose struct payload is at `va`. */
function payload_of_struct(va: u64): Payload {
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    if (livepatch(p).private_va == va) return p;
  }
  return no_payload();
}

/** The payload and index of a pair of struct livepatch_func and its state; index -1: not a pair. */
let found_index: i32 = -1;
function payload_of_func(func_va: u64, state_va: u64): Payload {
  found_index = -1;
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    const lp = livepatch(p);
    const at = func_va - lp.funcs_va;
    if (at >= <u64>lp.nfuncs * <u64>FUNC_SIZE || at % <u64>FUNC_SIZE != 0) continue;
    const i = at / <u64>FUNC_SIZE;
    if (state_va != lp.fstate_va + i * <u64>FSTATE_SIZE) continue;
    found_index = <i32>i;
    return p;
  }
  return no_payload();
}

/** revert_payload_tail: the payload counts as reverted. */
function revert_tail(p: Payload): void {
  const lp = livepatch(p);
  if (lp.applied_order != 0) pop_applied(p);
  lp.state = LIVEPATCH_STATE_CHECKED;
  lp.reverted = 1;
}

export function apply_tail(p: Payload): void {
  const lp = livepatch(p);
  if (lp.applied_order == 0) push_applied(p);
  lp.state = LIVEPATCH_STATE_APPLIED;
}

/** Does what the function `name` of the hypervisor would do. Returns its eax. */
export function service(name: string, arg0: u64, arg1: u64): i32 {
  if (name == "revert_payload" || name == "revert_payload_tail") {
    const p = payload_of_struct(arg0);
    if (!is_payload(p)) return -EINVAL;
    if (name == "revert_payload") revert_functions(p);
    else revert_tail(p);
    return 0;
  }
  if (name == "arch_livepatch_apply" || name == "arch_livepatch_revert") {
    const p = payload_of_func(arg0, arg1);
    if (found_index < 0) return -EINVAL;
    const i = <u32>found_index;
    if (name == "arch_livepatch_apply") patch_function(p, i);
    else restore_function(p, i);
    return 0;
  }
  return 0;
}
