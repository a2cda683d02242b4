// run_cpu: lets one CPU execute. Exact: it stops after as many instructions as it was given, so
// that the same machine given the same quanta does the same. Blocks run whole; what is left of the
// budget is decoded as a shorter block. Works in slices, because the WebAssembly engine can only
// replace its first, quick translation of a function by its optimised one when the function is
// entered again.

import { STOP_BUDGET } from "../../abi";
import { Cpu } from "../cpu";
import { tail_block } from "./cache";
import { retired_last, run_blocks, set_retired_before, stop_fault } from "./exec";
import { after_instruction, before_instruction, is_traced } from "./trace";

const SLICE: u64 = 0x40000;

/** The same as run_cpu, instruction by instruction, so that each is seen. */
function run_traced(cpu: Cpu, instructions: u64): u32 {
  let done: u64 = 0;
  let stop: u32 = STOP_BUDGET;
  while (stop == STOP_BUDGET && done < instructions) {
    const va = cpu.rip;
    set_retired_before(done);
    const one = tail_block(va, 1);
    if (one == 0) {
      stop = stop_fault(cpu, va);
      break;
    }
    before_instruction(va);
    stop = run_blocks(cpu, 1, one);
    if (retired_last() != 0) after_instruction(va, cpu.rip);
    done += retired_last();
  }
  cpu.retired += done;
  cpu.stop = stop;
  return stop;
}

/**
 * Executes up to `instructions` from Cpu.rip on, in the context that the caller has set (mem.ts).
 * Returns STOP_*: after STOP_FAULT nothing of the faulting instruction is done and Cpu.rip is at
 * it; after the others Cpu.rip is where to go on.
 */
export function run_cpu(cpu: Cpu, instructions: u64): u32 {
  if (is_traced()) return run_traced(cpu, instructions);
  let done: u64 = 0;
  let stop: u32 = STOP_BUDGET;
  while (stop == STOP_BUDGET && done < instructions) {
    const rest = instructions - done;
    set_retired_before(done);
    stop = run_blocks(cpu, <i32>min(rest, SLICE), 0);
    let count: u64 = retired_last();
    if (stop == STOP_BUDGET && count == 0) {
      const tail = tail_block(cpu.rip, <u32>rest);
      if (tail == 0) {
        stop = stop_fault(cpu, cpu.rip);
        break;
      }
      stop = run_blocks(cpu, <i32>rest, tail);
      count = retired_last();
    }
    done += count;
  }
  cpu.retired += done;
  cpu.stop = stop;
  return stop;
}
