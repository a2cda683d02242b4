// What became of an instruction: the values that every executor function returns.

/** Done: go on behind it. */
export const DONE: u32 = 0;
/** Done, and it wrote Cpu.rip. */
export const JUMP: u32 = 1;
/** Nothing done; the fault is latched in mem.ts. */
export const FAULT: u32 = 2;
/** Done, Cpu.rip is written, and the CPU stops: + STOP_*. */
export const STOP: u32 = 16;
