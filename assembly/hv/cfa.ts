// Where a function keeps its return address, at any of its instructions: worked out from its code
// (hv/cfa_flow.ts), because a hypervisor carries no tables that would say it. Only functions that
// leave as they were entered have rules: the way into and out of the hypervisor, and parts that
// other functions jump into, begin with something else on the stack than a return address. Frames
// that an entry marks itself are known all the same.
//
// Relied on, as every unwinder does: a place of compiled code has one rule, whichever way leads to
// it; functions give rbp and rsp back as they got them (psABI, 3.2.1); a symbol is the whole of a
// function.

import { follow, forget_flow, odd, returns, rule_of, tail_at, tails } from "./cfa_flow";
import { RBP_AT, RBP_MARK, rbp_of, saved_of } from "./cfa_rule";
import { find_function, function_size, function_va } from "./functions";

// What is known of functions by address: a small cache.
const VERDICTS = memory.data(1024);
const VERDICTS_SIZE: usize = 1024;
const RETURNS: u64 = 1; // it is entered by a call: some way comes back to the caller
const ODD: u64 = 2; // it is not, or not always
const JUST: u64 = 4; // neither is known: it never returns
/** Functions that end with a jump to one that ends with a jump to one … */
const TAIL_DEPTH: u32 = 4;


@inline
function verdict_slot(va: u64): usize {
  return VERDICTS + (((<usize>(va >> 4)) & 63) << 4);
}

/** What becomes of a function's return address, its jumps to others at its end followed. */
function judge(va: u64, size: u64, depth: u32): u64 {
  const slot = verdict_slot(va);
  if (load<u64>(slot) == va) return load<u64>(slot, 8);
  if (depth == TAIL_DEPTH || !follow(va, size)) return ODD;
  let verdict: u64 = odd ? ODD : returns ? RETURNS : JUST;
  const count: u32 = odd ? 0 : tails;
  if (count != 0) {
    store<u64>(slot, va); // a circle has no end that would tell
    store<u64>(slot, ODD, 8);
  }
  for (let i: u32 = 0; i < count; i++) {
    follow(va, size);
    const to = tail_at(i);
    // Into the middle of something, or to code without a name: nothing is known of that.
    if (!find_function(to) || function_va != to) continue;
    const its = judge(to, function_size, depth + 1);
    if (its == ODD) verdict = ODD;
    else if (its == RETURNS && verdict == JUST) verdict = RETURNS;
  }
  store<u64>(slot, va);
  store<u64>(slot, verdict, 8);
  return verdict;
}

/** Code may have changed since the last question. */
export function forget_rules(): void {
  forget_flow();
  memory.fill(VERDICTS, 0, VERDICTS_SIZE);
}

/** The rule at the instruction `pc`; or, where `called`, of the call that returns there. 0: there
 *  is none. */
export function find_rule(pc: u64, called: bool): u64 {
  const va = called ? pc - 1 : pc;
  if (!find_function(va)) return 0;
  const start = function_va;
  const size = function_size;
  const verdict = judge(start, size, 0);
  if (!follow(start, size)) return 0;
  const rule = rule_of(va, called);
  if (rule == 0 || rbp_of(rule) == RBP_MARK) return rule;
  if (verdict != JUST) return verdict == RETURNS ? rule : 0;
  // A function that never returns has to have set up a frame of its own.
  return rbp_of(rule) == RBP_AT && saved_of(rule) != 0 ? rule : 0;
}
