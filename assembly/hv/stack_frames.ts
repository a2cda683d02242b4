// The frames of a CPU's stack for whoever asks: FRAME_* records, innermost first. What the walk
// proves is a return address or an interrupted instruction; of the words behind that, each that
// points into code may be one, and is counted as one. A frame's number is its place in this list,
// from 1; 0 is the CPU's own rip.

import { PERM_X } from "../abi";
import { FRAME_BELOW, FRAME_KIND, FRAME_RECORD_SIZE, FRAME_VA } from "../abi_stacks";
import { forget_rules } from "./cfa";
import { Cpu } from "./cpu";
import {
  begin_walk,
  next_frame,
  WALK_END,
  walk_end_va,
  WALK_WORDS,
  word_off,
  word_va,
} from "./frame_walk";
import { is_hypervisor_va, is_mapped } from "./mem";
import { IO_SIZE } from "./param";
import { is_inside } from "./stack";

const FRAMES_MAX: u32 = IO_SIZE / FRAME_RECORD_SIZE;

function is_code(va: u64): bool {
  return is_hypervisor_va(va) && is_mapped(va, 1, PERM_X);
}

/** How many of the words in [off, end_off) point into code. */
export function count_code(off: usize, end_off: usize): u32 {
  let count: u32 = 0;
  for (; off < end_off; off += 8) count += <u32>is_code(load<u64>(off));
  return count;
}

function write_frame(to: usize, cpu: Cpu, at_va: u64, kind: u32): usize {
  store<u64>(to + FRAME_VA, load<u64>(word_off(at_va)));
  store<u32>(to + FRAME_BELOW, <u32>(cpu.stack_top_va - at_va));
  store<u32>(to + FRAME_KIND, kind);
  return to + FRAME_RECORD_SIZE;
}

/** Writes the frames of a CPU. `frames` false: nothing is proved, every word counts. Returns how
 *  many there are. */
export function write_frames(to: usize, cpu: Cpu, frames: bool): u32 {
  if (!is_inside(cpu)) return 0;
  const start = to;
  const end = to + <usize>FRAMES_MAX * FRAME_RECORD_SIZE;
  forget_rules();
  begin_walk(cpu, frames);
  for (let kind = next_frame(); kind != WALK_END; kind = next_frame()) {
    if (kind != WALK_WORDS) {
      if (to < end) to = write_frame(to, cpu, word_va(), kind);
      continue;
    }
    for (let va = word_va(); va < walk_end_va(); va += 8) {
      if (to < end && is_code(load<u64>(word_off(va)))) to = write_frame(to, cpu, va, kind);
    }
  }
  return <u32>((to - start) / FRAME_RECORD_SIZE);
}
if (<u64>FRAMES_MAX < 4096) ERROR("a whole stack of frames does not fit");
