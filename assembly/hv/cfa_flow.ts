// The rules (hv/cfa_rule.ts) of one function's instructions, by following its flow from the entry.
// Where two ways meet, only what they agree on is left; what an instruction may have changed is
// unknown, and what no way reaches has no rule. The targets of a jump table are not looked up:
// what only they can be has the rule of the jump.

import { CALL, DIRTY, ENTRY, is_entry, join, KNOWN, rule_after } from "./cfa_rule";
import { peek } from "./mem";
import { decode } from "./x86/decode";
import { Insn, INSN_SIZE } from "./x86/insn";
import { Op } from "./x86/ops";

/** Larger functions have no rules. */
const FUNCTION_MAX: u32 = 8192;
const CODE = memory.data(8192);
const RULES = memory.data(65536); // one for each byte
const INSN = memory.data(32);
if (INSN_SIZE != 32) ERROR("INSN holds an instruction");

/** Functions that a function jumps to at its end. */
const TAILS_MAX: u32 = 8;
const TAILS = memory.data(64);

// The function whose rules are in the table.
let lo_va: u64 = 0;
let size: u32 = 0;
/** Some way ends in a return. */
export let returns: bool = false;
/** Some way leaves otherwise than a function does. */
export let odd: bool = false;
export let tails: u32 = 0;
let lowest: u32 = 0; // nothing before it has a rule that is not passed on
let switches: bool = false; // some way ends in a jump to what is computed


@inline
function rule_at(at: u32): u64 {
  return load<u64>(RULES + ((<usize>at) << 3));
}


@inline
function set_rule(at: u32, rule: u64): void {
  store<u64>(RULES + ((<usize>at) << 3), rule);
}

function decode_at(at: u32): u32 {
  return decode(CODE + <usize>at, size - at, lo_va + <u64>at, changetype<Insn>(INSN));
}

/** A way with this rule leads to `to`. */
function lead(to: u32, rule: u64): void {
  if (to >= size) return;
  const before = rule_at(to);
  const after = (before & KNOWN) == 0 ? rule : join(before, rule);
  if (((before ^ after) & ~DIRTY) == 0) return;
  set_rule(to, after | DIRTY);
  lowest = min<u32>(lowest, to);
}


@inline
export function tail_at(i: u32): u64 {
  return load<u64>(TAILS + ((<usize>i) << 3));
}

/** The function ends with a jump: what it jumps to returns in its place. */
function leave(target: u64, rule: u64): void {
  for (let i: u32 = 0; i < tails; i++) {
    if (tail_at(i) == target) target = 0;
  }
  if (!is_entry(rule) || tails == TAILS_MAX) odd = true;
  else if (target != 0) {
    store<u64>(TAILS + ((<usize>tails) << 3), target);
    tails++;
  }
}

function branch(target: u64, rule: u64): void {
  if (target - lo_va < <u64>size) lead(<u32>(target - lo_va), rule);
  else leave(target, rule);
}

/** Behind a call the function goes on as before; its return address is known by its last byte. */
function call(next: u32, rule: u64): void {
  set_rule(next - 1, rule | CALL);
  const insn = changetype<Insn>(INSN);
  const inner = insn.imm - lo_va;
  if (insn.id == Op.Call && inner != 0 && inner < <u64>size) lead(<u32>inner, ENTRY);
  lead(next, rule);
}

/** It goes on behind an instruction; falling into what is behind the function is no way out. */
function fall(next: u32, rule: u64): void {
  if (next >= size) odd = true;
  else lead(next, rule);
}

/** Passes the rule of one instruction on. */
function step(at: u32, rule: u64): void {
  const length = decode_at(at);
  if (length == 0) return; // it goes on behind the symbol
  const insn = changetype<Insn>(INSN);
  const next = at + length;
  switch (<u32>insn.id) {
    case Op.Ret:
      if (is_entry(rule) && insn.imm == 0) returns = true;
      else odd = true;
      return;
    case Op.Jmp:
      branch(insn.imm, rule);
      return;
    case Op.Jcc:
    case Op.Loop:
    case Op.Loope:
    case Op.Loopne:
    case Op.Jrcxz:
      branch(insn.imm, rule);
      fall(next, rule);
      return;
    case Op.Call:
    case Op.CallRm:
      call(next, rule);
      return;
    case Op.Iret:
    case Op.Sysret:
    case Op.Invalid:
      odd = true;
      return;
    case Op.JmpRm: // see find_switch()
      switches = true;
      return;
    case Op.Int3: // what fills gaps
      return;
    case Op.Ud:
      lead(next, rule); // where it is a WARN
      return;
    default:
      fall(next, rule_after(rule, insn));
  }
}

function settle(): void {
  while (lowest < size) {
    let at = lowest;
    lowest = size;
    for (; at < size; at++) {
      const rule = rule_at(at);
      if ((rule & DIRTY) == 0) continue;
      set_rule(at, rule & ~DIRTY);
      step(at, rule & ~DIRTY);
      if (lowest > at) lowest = size; // what lies ahead is met on the way
    }
  }
}

/** The rule of the function's jumps through tables, 0 when there are none, or when they differ:
 *  then the function is odd. A jump with the rule of the entry may as well be a tail call. */
function find_switch(): u64 {
  let found: u64 = 0;
  for (let at: u32 = 0; switches && at < size; at++) {
    const rule = rule_at(at);
    if ((rule & KNOWN) == 0 || (rule & CALL) != 0 || is_entry(rule)) continue;
    if (decode_at(at) == 0 || changetype<Insn>(INSN).id != Op.JmpRm) continue;
    if (found != 0 && found != rule) odd = true;
    found = rule;
  }
  return odd ? 0 : found;
}

/** Gives what no way reaches, padding apart, the rule of the jump that alone can lead there. */
function follow_switch(rule: u64): void {
  let at: u32 = 0;
  while (at < size) {
    const length = decode_at(at);
    if (length == 0) return;
    const id = <u32>changetype<Insn>(INSN).id;
    const padding = id == Op.Nop || id == Op.NopRm || id == Op.Int3;
    if ((rule_at(at) & KNOWN) == 0 && !padding) {
      lead(at, rule);
      settle();
    }
    at += length;
  }
}

/** Fills the table for a function, if it is not there already. False: its code is not. */
export function follow(va: u64, bytes: u64): bool {
  if (va == lo_va && bytes == <u64>size) return true;
  forget_flow();
  if (bytes == 0 || bytes > <u64>FUNCTION_MAX || peek(CODE, va, bytes) != 0) return false;
  lo_va = va;
  size = <u32>bytes;
  lowest = size;
  memory.fill(RULES, 0, <usize>(bytes << 3));
  lead(0, ENTRY);
  settle();
  const rule = find_switch();
  if (rule == 0) return true;
  follow_switch(rule);
  find_switch();
  return true;
}

/** Code may have changed since. */
export function forget_flow(): void {
  lo_va = 0;
  size = 0;
  returns = false;
  odd = false;
  tails = 0;
  switches = false;
}

/** The rule of the instruction at `va` of the function in the table, of the call that ends there
 *  where `called`; 0 none. */
export function rule_of(va: u64, called: bool): u64 {
  const rule = rule_at(<u32>(va - lo_va));
  return (rule & KNOWN) == 0 || ((rule & CALL) != 0) != called ? 0 : rule;
}
