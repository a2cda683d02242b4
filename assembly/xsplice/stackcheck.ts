// No code that is being changed may be on a CPU's stack (R50, R181, R219): every rip and every
// stack in use is looked at for addresses of the payload's ranges (stack_ranges.ts). By default
// every word counts, also one that only looks like an address: sound, not precise. A machine booted
// with OPTION_STACK_FRAMES asks of the words only what hv/frame_walk.ts cannot prove to be none.
// Memory that goes away at an unload is another question: a pointer to it that some function keeps
// is as bad as a return address, so every word counts there, and every register.

import { EBUSY, OPTION_STACK_FRAMES } from "../abi";
import { VIOLATION_ON_STACK } from "../abi_schedules";
import { is_free } from "../hv/borrow";
import { forget_rules } from "../hv/cfa";
import { Cpu, cpu_at } from "../hv/cpu";
import {
  begin_walk,
  next_frame,
  WALK_END,
  walk_end_va,
  WALK_WORDS,
  word_off,
  word_va,
} from "../hv/frame_walk";
import { GUARD_STACK, is_out } from "../hv/guards";
import { header } from "../hv/header";
import { note_violation } from "../hv/preempt";
import { refusal, refuse_at } from "../hv/refusal";
import { is_inside } from "../hv/stack";
import { count_code } from "../hv/stack_frames";
import { is_in_ranges, prepare_scan, scan_words } from "../hv/stack_scan";
import { is_watching } from "../hv/watch";
import { PLACE_XSPLICE_PATCH, REASON_ON_STACK } from "../reasons";
import { name_label } from "./label";
import { Payload } from "./payload";
import { splice_at } from "./splice";
import { is_guarded } from "./stack_ranges";

const REGISTERS: usize = 16;
const SAVED_RIP: usize = offsetof<Cpu>("rip");

/** Fills the refusal: which CPU, which frame of it (0: its rip), which address, whether that is
 *  surely a frame, and where CPUs meet. */
function found(cpu: Cpu, frame: u32, va: u64, at_va: u64, sure: bool): bool {
  const r = refusal();
  r.cpu = cpu.id;
  r.va = va;
  r.va2 = at_va;
  r.value = frame;
  r.limit = <u64>sure;
  r.index2 = header().quiesce;
  return true;
}

/** Looks through the words of a CPU's stack, or of its frames alone. */
function is_on_stack(cpu: Cpu, frames: bool): bool {
  let frame: u32 = 0;
  begin_walk(cpu, frames);
  for (let kind = next_frame(); kind != WALK_END; kind = next_frame()) {
    const from_va = word_va();
    const from = word_off(from_va);
    if (kind == WALK_WORDS) {
      const at = scan_words(from, word_off(walk_end_va()));
      if (at == 0) return false;
      frame += count_code(from, at + 8);
      return found(cpu, frame, load<u64>(at), from_va + <u64>(at - from), false);
    }
    frame++;
    if (is_in_ranges(load<u64>(from))) return found(cpu, frame, load<u64>(from), from_va, true);
  }
  return false;
}

/** Whether the code of one CPU is in the ranges; fills the refusal. */
function is_cpu_inside(cpu: Cpu, frames: bool): bool {
  if (!is_inside(cpu)) return false;
  if (is_in_ranges(cpu.rip)) return found(cpu, 0, cpu.rip, 0, true);
  if (cpu.borrowed != 0 && cpu.live != 0) {
    const rip = load<u64>(cpu.saved_off + SAVED_RIP);
    if (is_in_ranges(rip)) return found(cpu, 0, rip, 0, true);
  }
  return is_on_stack(cpu, frames);
}

/** 0 when no CPU is inside any of the sorted ranges; else -EBUSY on-stack with CPU, frame and
 *  address. */
export function find_on_stack(ranges_off: usize, count: u32): i32 {
  if (count == 0 || is_out(GUARD_STACK)) return 0;
  const frames = (header().options & OPTION_STACK_FRAMES) != 0;
  forget_rules();
  prepare_scan(ranges_off, count);
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (is_cpu_inside(cpu_at(id), frames)) {
      return refuse_at(EBUSY, REASON_ON_STACK, PLACE_XSPLICE_PATCH, 0);
    }
  }
  return 0;
}

/** The same for a payload's ranges, with the entry and the label of what is still in use. */
export function check_stacks(p: Payload): i32 {
  const rc = find_on_stack(p.ranges_off, p.ranges_count);
  if (rc == 0) return 0;
  const va = refusal().va;
  refusal().place = 0; // the payload's own code, or an earlier one's
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (!is_guarded(s, va)) continue;
    name_label(p, s);
    return refuse_at(EBUSY, REASON_ON_STACK, PLACE_XSPLICE_PATCH, s.index);
  }
  return rc;
}

/** The payload's bytes are about to change, whoever has said that they may: while somebody watches,
 *  no CPU may be in its ranges, nor have a word on its stack that counts. */
export function check_unused(p: Payload): void {
  if (!is_watching() || p.ranges_count == 0 || is_out(GUARD_STACK)) return;
  const frames = (header().options & OPTION_STACK_FRAMES) != 0;
  forget_rules();
  prepare_scan(p.ranges_off, p.ranges_count);
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (!is_cpu_inside(cpu_at(id), frames)) continue;
    note_violation(VIOLATION_ON_STACK, id, refusal().va);
  }
}

/** In the middle of hypervisor code a register may hold what is called next. */
function is_in_register(cpu: Cpu): bool {
  if (is_free(cpu)) return false;
  const at = changetype<usize>(cpu);
  for (let n: usize = 0; n < REGISTERS; n++) {
    const value = load<u64>(at + (n << 3));
    if (is_in_ranges(value)) return found(cpu, 0, value, 0, false);
  }
  return false;
}

/** Whether any CPU could come back to the ranges in any way: memory there must not go away. */
export function is_held(ranges_off: usize, count: u32): bool {
  if (count == 0 || is_out(GUARD_STACK)) return false;
  prepare_scan(ranges_off, count);
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (is_cpu_inside(cpu, false) || (is_inside(cpu) && is_in_register(cpu))) return true;
  }
  return false;
}
