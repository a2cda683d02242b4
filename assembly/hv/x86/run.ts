// run_cpu: lets one CPU execute. Exact: it stops after as many instructions as it was given, so
// that the same machine given the same quanta does the same. Blocks run whole; what is left of the
// budget is decoded as a shorter block. Works in slices, because the WebAssembly engine can only
// replace its first, quick translation of a function by its optimised one when the function is
// entered again.

import { STOP_BUDGET, STOP_FAULT, STOP_HALT, STOP_IPI, VECTOR_DB } from "../../abi";
import { Cpu } from "../cpu";
import { BLOCK_RECORDS } from "./blocks";
import { tail_block } from "./cache";
import { DR6_BS } from "./control";
import { retired_last, run_blocks, set_retired_before, stop_fault } from "./exec";
import { TF } from "./flags";
import { Insn } from "./insn";
import { Op } from "./ops";
import { SS } from "./segment";
import { system_of } from "./state";
import { latch_trap } from "./system";
import { after_instruction, before_instruction, is_traced } from "./trace";

const SLICE: u64 = 0x40000;

/** One instruction, `done` of this run in front of it: seen by who traces, and with TF set #DB
 *  behind it (SDM vol. 3, 17.3.1.4). */
function step(cpu: Cpu, done: u64): u32 {
  const va = cpu.rip;
  const traps = (cpu.rflags & TF) != 0;
  set_retired_before(done);
  const one = tail_block(va, 1);
  if (one == 0) return stop_fault(cpu, va);
  if (is_traced()) before_instruction(va);
  const stop = run_blocks(cpu, 1, one);
  if (retired_last() == 0) return stop;
  if (is_traced()) after_instruction(va, cpu.rip);
  const ends = stop == STOP_BUDGET || stop == STOP_HALT || stop == STOP_IPI;
  if (!traps || !ends || loads_stack(one)) return stop;
  system_of(cpu).dr6 |= DR6_BS;
  latch_trap(cpu, VECTOR_DB, va);
  return STOP_FAULT;
}

/** MOV to SS: no trap until the stack pointer that goes with it is loaded, too. */
function loads_stack(block: usize): bool {
  const insn = changetype<Insn>(block + BLOCK_RECORDS);
  return insn.id == <u16>Op.WriteSeg && <u32>(insn.reg >> 3) == SS;
}

/** As many whole blocks as fit into `rest`, or one that was made to fit. */
function run_slice(cpu: Cpu, rest: u64): u32 {
  const stop = run_blocks(cpu, <i32>min(rest, SLICE), 0);
  if (stop != STOP_BUDGET || retired_last() != 0) return stop;
  const tail = tail_block(cpu.rip, <u32>rest);
  return tail == 0 ? stop_fault(cpu, cpu.rip) : run_blocks(cpu, <i32>rest, tail);
}

/**
 * Executes up to `instructions` from Cpu.rip on, in the context that the caller has set (mem.ts).
 * Returns STOP_*: after STOP_FAULT with a fault nothing of the faulting instruction is done and
 * Cpu.rip is at it; after a trap (#DB, #BP, #OF) and after the others Cpu.rip is where to go on.
 */
export function run_cpu(cpu: Cpu, instructions: u64): u32 {
  let done: u64 = 0;
  let stop: u32 = STOP_BUDGET;
  const steps = is_traced();
  while (stop == STOP_BUDGET && done < instructions) {
    set_retired_before(done);
    const stepping = steps || (cpu.rflags & TF) != 0;
    stop = stepping ? step(cpu, done) : run_slice(cpu, instructions - done);
    done += retired_last();
  }
  cpu.retired += done;
  cpu.stop = stop;
  return stop;
}
