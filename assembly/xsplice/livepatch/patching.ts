// Writing today's patches into the hypervisor and taking them back (spec/livepatch-today 2, "Apply
// one function"): a jump or NOPs behind an ENDBR64, the bytes that were there kept in the
// function's state. Both directions run in ascending order and restore without comparing, as Xen
// 4.17 does; what that leaves behind is found by `still_patched`. What would crash there is refused
// before the first byte is written.

import { EFAULT, EINVAL, EOVERFLOW, PERM_X } from "../../abi";
import { ideal_nops } from "../../hv/cpu_features";
import { keep } from "../../hv/journal";
import { entry_of, peek, poke } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import {
  PLACE_LP_FUNC,
  REASON_DISTANCE,
  REASON_XEN_CRASH_LOOP,
  REASON_XEN_CRASH_NEW_ADDR,
  REASON_XEN_CRASH_NEW_CODE,
  REASON_XEN_CRASH_NOP_UNDERFLOW,
  REASON_XEN_CRASH_WRITE,
} from "../../reasons";
import { Payload } from "../payload";
import { jump_reaches, store_jump } from "../trampoline";
import { bad_boundary } from "./boundary";
import { ENDBR64_LEN, endbr_length, Func, func_at, JUMP_LEN, name_refusal } from "./funcs";
import { is_executable } from "./hooks";
import { livepatch, top_applied } from "./record";
import { FSTATE_APPLIED, FSTATE_SAVED, FSTATE_SIZE, fstate_at, is_applied } from "./struct_payload";

const BYTES = memory.data(40);

/** Bytes that change, behind `offset` bytes that stay. */
@inline
export function patch_length(f: Func, offset: u32): u32 {
  return f.new_addr != 0 ? JUMP_LEN : f.new_size - offset;
}

/** Writes one function's patch. It has been checked; one that is applied is skipped. */
export function patch_function(p: Payload, i: u32): void {
  if (is_applied(p, i)) return;
  const f = func_at(p, i);
  const state = fstate_at(p, i);
  const endbr = endbr_length(p, f.old_addr);
  if (endbr < 0) return;
  const length = patch_length(f, <u32>endbr);
  const va = f.old_addr + <u64>endbr;
  if (!keep(state, FSTATE_SIZE)) return;
  store<u32>(state, <u32>endbr);
  store<u32>(state, 1, FSTATE_APPLIED);
  if (length == 0 || length > 31 || peek(state + FSTATE_SAVED, va, length) != 0) return;
  if (f.new_addr != 0) store_jump(BYTES, va, f.new_addr);
  else ideal_nops(BYTES, length);
  poke(va, BYTES, length);
}

/** Writes the bytes back that were kept. */
export function restore_function(p: Payload, i: u32): void {
  if (!is_applied(p, i)) return;
  const f = func_at(p, i);
  const state = fstate_at(p, i);
  const offset = load<u32>(state);
  const length = patch_length(f, offset);
  if (!keep(state, FSTATE_SIZE)) return;
  if (length != 0 && length <= 31) poke(f.old_addr + <u64>offset, state + FSTATE_SAVED, length);
  store<u32>(state, 0, FSTATE_APPLIED);
}

export function patch_functions(p: Payload): void {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) patch_function(p, i);
}
export function revert_functions(p: Payload): void {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) restore_function(p, i);
}

/** All (`applied`) or none of the functions are in place. */
export function all_are(p: Payload, applied: bool): bool {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
    if (is_applied(p, i) != applied) return false;
  }
  return true;
}

/** Writes can reach all of [va, va + len). */
function is_memory(va: u64, len: u32): bool {
  return entry_of(va) != 0 && (len == 0 || entry_of(va + (len - 1)) != 0);
}

function refuse_func(p: Payload, errno: i32, reason: u32, i: u32, f: Func): i32 {
  const rc = refuse_at(errno, reason, PLACE_LP_FUNC, i);
  refusal().va = f.old_addr;
  refusal().va2 = f.new_addr;
  name_refusal(p, f);
  return rc;
}

/** Zeros in place of code. */
function is_blank(va: u64): bool {
  if (peek(BYTES, va, 8) != 0) return false;
  return load<u64>(BYTES) == 0;
}

function check_patch(p: Payload, i: u32): i32 {
  const f = func_at(p, i);
  const endbr = endbr_length(p, f.old_addr);
  if (endbr < 0) return refuse_func(p, EFAULT, REASON_XEN_CRASH_WRITE, i, f);
  if (f.new_addr == 0 && f.new_size < <u32>endbr) {
    return refuse_func(p, EINVAL, REASON_XEN_CRASH_NOP_UNDERFLOW, i, f);
  }
  const va = f.old_addr + <u64>endbr;
  const length = patch_length(f, <u32>endbr);
  if (!is_memory(va, length)) return refuse_func(p, EFAULT, REASON_XEN_CRASH_WRITE, i, f);
  const bad = bad_boundary(f, va, length);
  if (bad != 0) return refuse_func(p, EINVAL, bad, i, f);
  if (f.new_addr == 0) return 0;
  if (!jump_reaches(va, f.new_addr)) return refuse_func(p, EOVERFLOW, REASON_DISTANCE, i, f);
  // Data that is overwritten by a jump is damaged, but nobody runs it.
  if ((entry_of(f.old_addr) & PERM_X) == 0) return 0;
  if (f.new_addr - f.old_addr < va - f.old_addr + <u64>JUMP_LEN) {
    return refuse_func(p, EINVAL, REASON_XEN_CRASH_LOOP, i, f);
  }
  if (!is_executable(p, f.new_addr)) return refuse_func(p, EINVAL, REASON_XEN_CRASH_NEW_ADDR, i, f);
  const blank = is_blank(f.new_addr) || livepatch(p).blank_func == i + 1;
  return blank ? refuse_func(p, EINVAL, REASON_XEN_CRASH_NEW_CODE, i, f) : 0;
}
if (ENDBR64_LEN != 4) ERROR("ENDBR64 has 4 bytes");

/** Whether the built-in apply can be run without bringing the hypervisor down. */
export function check_patches(p: Payload): i32 {
  let rc = 0;
  for (let i: u32 = 0; i < livepatch(p).nfuncs && rc == 0; i++) rc = check_patch(p, i);
  return rc;
}

/** Where the jump at a function's place leads to, 0 when there is none. */
function jump_at(p: Payload, f: Func): u64 {
  const endbr = endbr_length(p, f.old_addr);
  if (endbr < 0 || f.new_addr == 0) return 0;
  const va = f.old_addr + <u64>endbr;
  if (peek(BYTES, va, JUMP_LEN) != 0 || load<u8>(BYTES) != 0xe9) return 0;
  return va + <u64>JUMP_LEN + <u64>(<i64>load<i32>(BYTES, 1));
}

/** Index of a function at whose place there still is a jump into this payload; -1 none. */
export function still_patched(p: Payload): i32 {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
    const target = jump_at(p, func_at(p, i));
    if (target != 0 && target - p.base_va < (<u64>p.mem_pages) << 12) return <i32>i;
  }
  return -1;
}

/** A function whose place is not what its payload's state says, its address, 0 none. Of applied
 *  payloads only the one on top shows. */
export function misplaced_function(p: Payload): u64 {
  const lp = livepatch(p);
  if (lp.applied_order == 0) {
    const left = still_patched(p);
    return left < 0 ? 0 : func_at(p, <u32>left).old_addr;
  }
  if (changetype<usize>(top_applied()) != changetype<usize>(p)) return 0;
  for (let i: u32 = 0; i < lp.nfuncs; i++) {
    const f = func_at(p, i);
    if (f.new_addr != 0 && is_applied(p, i) != (jump_at(p, f) == f.new_addr)) return f.old_addr;
  }
  return 0;
}
