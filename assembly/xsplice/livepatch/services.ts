// What hooks may ask the hypervisor's live patching for (spec/livepatch-today 4): code that can be
// written, applying and reverting a function themselves, and counting as reverted. The machine does
// it as its own apply and revert do.

import { EINVAL, PERM_W } from "../../abi";
import { is_mapped, is_relaxed, relax_protection } from "../../hv/mem";
import { is_payload, no_payload, Payload } from "../payload";
import { func_at, FUNC_SIZE, JUMP_LEN } from "./funcs";
import { patch_function, restore_function } from "./patching";
import { first_today, livepatch, next_today, pop_applied, push_applied } from "./record";
import { absorb_structs, FSTATE_SIZE, refresh_structs } from "./struct_payload";
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

/** The function lies in code that is read-only at present: the write of the real one would fault.
 *  */
function is_denied(p: Payload, i: u32): bool {
  const va = func_at(p, i).old_addr;
  denied = is_relaxed() || is_mapped(va, JUMP_LEN, PERM_W) ? 0 : va;
  return denied != 0;
}

/** Address that the last service could not write to, 0 when it could. */
let denied: u64 = 0;
export function denied_va(): u64 {
  return denied;
}

/** arch_livepatch_apply, arch_livepatch_revert. */
function patch_service(func_va: u64, state_va: u64, apply: bool): i32 {
  const p = payload_of_func(func_va, state_va);
  if (found_index < 0) return -EINVAL;
  const i = <u32>found_index;
  if (is_denied(p, i)) return 0;
  if (apply) patch_function(p, i);
  else restore_function(p, i);
  return 0;
}

/** Does what the function `name` of the hypervisor would do. Returns its eax. */
export function service(name: string, arg0: u64, arg1: u64): i32 {
  denied = 0;
  if (name == "arch_livepatch_apply") return patch_service(arg0, arg1, true);
  if (name == "arch_livepatch_revert") return patch_service(arg0, arg1, false);
  if (name == "revert_payload_tail") {
    const p = payload_of_struct(arg0);
    if (!is_payload(p)) return -EINVAL;
    absorb_structs();
    revert_tail(p);
    refresh_structs();
    return 0;
  }
  if (name == "arch_livepatch_quiesce" || name == "relax_virtual_region_perms") {
    relax_protection(true);
  }
  if (name == "arch_livepatch_revive" || name == "tighten_virtual_region_perms") {
    relax_protection(false);
  }
  return 0;
}
