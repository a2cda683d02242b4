// The part of the front panel (index.ts) for schedules that are chosen from outside: the search for
// trouble, and tests of races. Numbers only, as there.

import { enter_domain } from "./hv/domain";
import { frame_owner, OWNER_PAGETABLE } from "./hv/frames";
import { header } from "./hv/header";
import { request_hotplug } from "./hv/hotplug";
import { FRAMES_OFF, IO_OFF, OWNERS_OFF } from "./hv/layout";
import { drop_frame_code, flush_tlb } from "./hv/pages";
import { skip_to_event } from "./hv/sched";
import { schedule_hash } from "./hv/schedule_hash";
import { step_cpu } from "./hv/step";
import { step_visible, watch } from "./hv/visible";
import { written_count, written_off } from "./hv/watch";
import { flush_code } from "./hv/x86/cache";
import { drop_changed_code } from "./xsplice/code_class";
import { check_invariants } from "./xsplice/invariants";

/** Lets one CPU execute up to `instructions`; 0 when it cannot run now. */
export function hv_step(cpu: u32, instructions: u32): u32 {
  return cpu < header().nr_cpus && step_cpu(cpu, instructions) ? 1 : 0;
}

/** Lets one CPU execute until another could notice, at most `limit` instructions; VISIBLE_*, 0 when
 *  it cannot run now. */
export function hv_step_visible(cpu: u32, limit: u32): u32 {
  return cpu < header().nr_cpus ? step_visible(cpu, limit) : 0;
}

/** Asks for a CPU to go or to come, and does not wait: 0 done, 1 when everybody has come by; or a
 *  refusal. */
export function hv_hotplug(cpu: u32, online: u32): i32 {
  return request_hotplug(cpu, online != 0);
}

/** Nobody can run: the time goes on to the next event. */
export function hv_skip(): void {
  skip_to_event();
}

/** Begins (on) or ends to watch: hv_step_visible, hv_schedule_hash and hv_watched mean something
 *  only in between. */
export function hv_watch(on: u32): void {
  watch(on != 0);
}
/** Frames written since the watch began: how many, their WATCHED_RECORDs from hv_watched_off on. */
export function hv_watched(): u32 {
  return written_count();
}
export function hv_watched_off(): u32 {
  return <u32>written_off();
}

/** A byte per frame: who owns it (FRAME_OWNER_*). */
export function hv_owners_off(): u32 {
  return <u32>OWNERS_OFF;
}
/** The first frame. */
export function hv_frames_off(): u32 {
  return <u32>FRAMES_OFF;
}

/** The host has put back what was in `count` pages, their offsets as u32 in I/O: what was derived
 *  from them is dropped. */
export function hv_rolled_back(count: u32): void {
  for (let i: usize = 0; i < count; i++) {
    const off = <usize>load<u32>(IO_OFF + (i << 2));
    if (off < FRAMES_OFF) continue;
    if (frame_owner(off) == OWNER_PAGETABLE) flush_code();
    else drop_frame_code(off);
  }
  flush_tlb();
  enter_domain(-1, false);
  drop_changed_code();
}

/** Hash of all that decides how the machine goes on. */
export function hv_schedule_hash(): u64 {
  return schedule_hash();
}

/** VIOLATION_* of the first invariant of patching that was broken, 0 none; CPU and address in
 *  I/O. */
export function hv_violation(): u32 {
  const found = check_invariants();
  store<u64>(IO_OFF, header().violation_va);
  store<u32>(IO_OFF + 8, header().violation_cpu);
  return found;
}

/** Takes guards out (GUARD_*), 0 puts all of them back; forgets what was violated. */
export function hv_test_guards(mask: u32): void {
  header().test_guards = mask;
  header().violation = 0;
}
