// What became of an instruction: the values that every executor function returns.

import { latch_fault } from "../mem";

/** Done: go on behind it. */
export const DONE: u32 = 0;
/** Done, and it wrote Cpu.rip. */
export const JUMP: u32 = 1;
/** Nothing done; the fault is latched in mem.ts. */
export const FAULT: u32 = 2;
/** Done, Cpu.rip is written, and the CPU stops: + STOP_*. */
export const STOP: u32 = 16;

/** Latches a fault that is not about an address. */
export function raise(vector: u32, error: u32): u32 {
  latch_fault(vector, error);
  return FAULT;
}
