// A WARN prints a banner and the registers, which calls functions of the hypervisor. If one of
// those is replaced by code that warns, printing the warning warns again, until the stack is used
// up: a double fault. Found by following direct calls from what the trap handler calls to print.

import { EINVAL, REGION_TEXT } from "../../abi";
import { bug_site } from "../../hv/bugframes";
import { known_symbol } from "../../hv/image";
import { peek_off } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import { region_of } from "../../hv/regions";
import { symbol, symbol_at } from "../../hv/symbols";
import { decode } from "../../hv/x86/decode";
import { Insn } from "../../hv/x86/insn";
import { PLACE_LP_FUNC, REASON_XEN_CRASH_BUG_RECURSION } from "../../reasons";
import { Payload } from "../payload";
import { func_at, name_refusal } from "./funcs";
import { livepatch } from "./record";

const FUNCTIONS_MAX: u32 = 512;
/** Entries of the functions that have been met. */
const MET = memory.data(4096);
const CODE = memory.data(32);
const INSN = memory.data(256);
let met: u32 = 0;
/** Frames of tables 1 (warn): the others do not come back. */
const WARN: u32 = 1;

function meet(va: u64): void {
  for (let i: u32 = 0; i < met; i++) {
    if (load<u64>(MET + ((<usize>i) << 3)) == va) return;
  }
  if (met == FUNCTIONS_MAX) return;
  store<u64>(MET + ((<usize>met) << 3), va);
  met++;
}

function copy_code(va: u64): void {
  for (let i: u64 = 0; i < 16; i++) {
    const off = peek_off(va + i);
    store<u8>(CODE + <usize>i, off == 0 ? 0 : load<u8>(off));
  }
}

/** Meets what the function at `va` calls or jumps to. */
function follow(va: u64): void {
  const index = symbol_at(va);
  if (index < 0) return;
  const end = symbol(<u32>index).va + symbol(<u32>index).size;
  for (let at = va; at < end;) {
    copy_code(at);
    const length = decode(CODE, 16, at, changetype<Insn>(INSN));
    if (length == 0) return;
    const opcode = load<u8>(CODE);
    if (opcode == 0xe8 || opcode == 0xe9) {
      const target = at + 5 + <u64>(<i64>load<i32>(CODE, 1));
      if (region_of(target) == REGION_TEXT && (target < va || target >= end)) meet(target);
    }
    at += length;
  }
}

/** True when printing a warning calls the function at `va`. */
function is_printed_through(va: u64): bool {
  met = 0;
  const first = known_symbol("show_execution_state");
  if (first == 0) return false;
  meet(first);
  // The banner comes early: what is hundreds of functions away is printk's own machinery.
  for (let i: u32 = 0; i < met; i++) {
    const at = load<u64>(MET + ((<usize>i) << 3));
    if (at == va) return true;
    follow(at);
  }
  return false;
}

/** True when the payload's code from `va` on, `size` bytes, holds a WARN. */
function warns(p: Payload, va: u64, size: u64): bool {
  const lp = livepatch(p);
  for (let i: u32 = 0; i < lp.bugs_count(WARN); i++) {
    const frame = lp.bugs_va(WARN) + ((<u64>i) << 3);
    if (bug_site(p.mem_off + <usize>(frame - p.base_va), frame) - va < size) return true;
  }
  return false;
}

export function check_recursion(p: Payload): i32 {
  const lp = livepatch(p);
  if (lp.bugs_count(WARN) == 0) return 0;
  for (let i: u32 = 0; i < lp.nfuncs; i++) {
    const f = func_at(p, i);
    if (f.new_addr == 0 || !warns(p, f.new_addr, max<u64>(f.new_size, 1))) continue;
    if (!is_printed_through(f.old_addr)) continue;
    const rc = refuse_at(EINVAL, REASON_XEN_CRASH_BUG_RECURSION, PLACE_LP_FUNC, i);
    refusal().va = f.old_addr;
    refusal().va2 = f.new_addr;
    name_refusal(p, f);
    return rc;
  }
  return 0;
}
