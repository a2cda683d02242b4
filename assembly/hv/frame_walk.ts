// Walks a CPU's stack from frame to frame (psABI, 3.2.2), and so sees return addresses only, not
// the words that merely look like one (R181). Where the return address of a function lies is
// proved from its code (hv/cfa.ts). Interrupts are stepped over where the image marks their frames
// as Xen does it in its builds with frame pointers: rbp holds the inverted address of the rbp in
// struct cpu_user_regs. Behind the first frame for which all this cannot be said nothing is
// known: every word up to the stack's end may be a return address.

import { FRAME_MAYBE, FRAME_RETURN, FRAME_RIP } from "../abi_stacks";
import { find_rule } from "./cfa";
import { at_of, NO_SP, RBP_AT, RBP_CALLER, RBP_MARK, rbp_of, saved_of, sp_of } from "./cfa_rule";
import { Cpu } from "./cpu";
import { peek_off } from "./mem";
import { stack_start_va, words_end_va, words_va } from "./stack";

/** What next_frame() has found. */
export const WALK_END: u32 = 0; // nothing is left
export const WALK_RETURN: u32 = FRAME_RETURN; // the return address in word_va()
export const WALK_RIP: u32 = FRAME_RIP; // an interrupted instruction, its address in word_va()
export const WALK_WORDS: u32 = FRAME_MAYBE; // from word_va() on every word may be either

// struct cpu_user_regs, and what of it an interrupt's frame is.
const UREGS_RBP: u64 = 32;
const UREGS_RIP: u64 = 128;
const UREGS_CS: u64 = 136;
const UREGS_RSP: u64 = 152;
const UREGS_SIZE: u64 = 168;
const RPL: u64 = 3;
/** An interrupt aligns the stack before it pushes its frame (SDM vol. 3, 6.14.2). */
const ALIGNED: u64 = 16;

// Where the walk has come to: the registers of the function to leave next.
let rip: u64 = 0;
let rsp: u64 = 0;
let rbp: u64 = 0;
let rbp_known: bool = false;
let called: bool = false; // rip is a return address
let start_va: u64 = 0; // the stack's first frame ends here
let top_va: u64 = 0; // one past the stack
let end_va: u64 = 0; // one past the words of the walk
let stack_off: usize = 0; // of the word at stack_va: a stack's frames are adjacent
let stack_va: u64 = 0;
let over: bool = false;
let found_va: u64 = 0;

/** The word that the last step was about. */
@inline
export function word_va(): u64 {
  return found_va;
}


@inline
function word_at(va: u64): u64 {
  return load<u64>(word_off(va));
}


@inline
function is_word(va: u64): bool {
  return (va & 7) == 0 && va >= stack_va && va < end_va;
}

/** Starts at a CPU's rip. Without `frames` nothing is known: the first step gives all words. */
export function begin_walk(cpu: Cpu, frames: bool): void {
  stack_va = words_va(cpu);
  end_va = words_end_va(cpu);
  start_va = stack_start_va(cpu);
  top_va = cpu.stack_top_va;
  stack_off = peek_off(stack_va);
  rip = frames ? cpu.rip : 0;
  rsp = cpu.rsp;
  rbp = cpu.rbp;
  rbp_known = true;
  called = false;
  over = stack_off == 0 || stack_va == end_va;
}

/** One past the last word of the walk. */
@inline
export function walk_end_va(): u64 {
  return end_va;
}

/** Linear offset of a word of the walk. */
@inline
export function word_off(va: u64): usize {
  return stack_off + <usize>(va - stack_va);
}

/** Nothing is known any more. */
function give_up(): u32 {
  over = true;
  found_va = max<u64>(rsp & ~7, stack_va);
  return WALK_WORDS;
}

function finish(): u32 {
  over = true;
  return WALK_END;
}

/** The frame of an entry, which rbp marks: on to what was interrupted. A guest's ends the
 *  stack. */
function leave_entry(rule: u64): u32 {
  const cfa = rsp + <u64>sp_of(rule);
  const mark_va = cfa - <u64>at_of(rule);
  if (sp_of(rule) == NO_SP || !rbp_known || rbp != ~mark_va) return give_up();
  const regs_va = mark_va - UREGS_RBP;
  if (regs_va == start_va) return finish(); // the guest's registers
  if (regs_va < rsp || !is_word(regs_va) || !is_word(regs_va + UREGS_RIP)) return give_up();
  const old_rsp = word_at(regs_va + UREGS_RSP);
  const low = regs_va + UREGS_SIZE;
  if ((word_at(regs_va + UREGS_CS) & RPL) != 0) return give_up();
  if (old_rsp < low || old_rsp - low >= ALIGNED || old_rsp > top_va) return give_up();
  rip = word_at(regs_va + UREGS_RIP);
  rbp = word_at(regs_va + UREGS_RBP);
  rbp_known = true;
  rsp = old_rsp;
  called = false;
  found_va = regs_va + UREGS_RIP;
  return WALK_RIP;
}

/** The canonical frame address that the rule means, 0 when that is not known. */
function find_cfa(rule: u64): u64 {
  const by_rsp = sp_of(rule) == NO_SP ? 0 : rsp + <u64>sp_of(rule);
  const by_rbp = rbp_of(rule) == RBP_AT && rbp_known ? rbp + <u64>at_of(rule) : 0;
  if (by_rsp != 0 && by_rbp != 0 && by_rsp != by_rbp) return 0;
  return by_rsp != 0 ? by_rsp : by_rbp;
}

/** One step outwards: WALK_*. */
export function next_frame(): u32 {
  if (over) return WALK_END;
  if (rsp >= end_va) return finish();
  const rule = find_rule(rip, called);
  if (rule == 0) return give_up();
  if (rbp_of(rule) == RBP_MARK) return leave_entry(rule);
  const cfa = find_cfa(rule);
  const slot_va = cfa - 8;
  if (cfa == 0 || slot_va < rsp || (slot_va & 7) != 0) return give_up();
  if (slot_va == start_va) return finish(); // nobody has called this function
  if (!is_word(slot_va)) return give_up();
  if (rbp_of(rule) != RBP_CALLER) {
    const saved_va = cfa - <u64>saved_of(rule);
    rbp_known = saved_of(rule) != 0 && saved_va >= rsp && is_word(saved_va);
    if (rbp_known) rbp = word_at(saved_va);
  }
  rip = word_at(slot_va);
  rsp = cfa;
  called = true;
  found_va = slot_va;
  return WALK_RETURN;
}
