// No code that is being changed may be on a CPU's stack (R50, R181, R219): before an apply the old
// functions and the patched instructions, before a revert the new code as well, before an unload
// the payload's whole memory. The ranges are sorted and merged once; every word of every used stack
// and every rip is then looked up in them. A word that only looks like an address counts too:
// sound, not precise. How the looking up is done: hv/stack_scan.ts; a machine booted with
// OPTION_STACK_FRAMES passes over the locals of functions with frames (hv/frame_walk.ts).

import { Cpu, CPU_HYPERVISOR, CPU_OFFLINE, cpu_at } from "../hv/cpu";
import { find_in_frames } from "../hv/frame_walk";
import { GUARD_STACK, is_out } from "../hv/guards";
import { header } from "../hv/header";
import { peek_off } from "../hv/mem";
import { STACK_SIZE } from "../hv/param";
import { EBUSY, OPTION_STACK_FRAMES, XSPLICE_SECTION_NO_STACKCHECK } from "../abi";
import { refusal, refuse_at } from "../hv/refusal";
import { INFO_GUEST_REGS } from "../hv/stack";
import { is_in_ranges, prepare_scan, range_at, RANGE_STRIDE, scan_words } from "../hv/stack_scan";
import { PLACE_XSPLICE_PATCH, REASON_ON_STACK } from "../reasons";
import { Payload } from "./payload";
import { splice_at, SPLICE_BUG, SPLICE_DATA, SPLICE_FIELD, Splice } from "./splice";

/** Most ranges that collect_ranges makes. */
@inline
export function ranges_needed(p: Payload): u32 {
  return p.splices_count + 2;
}

/** Appends a range to a list sorted by lo_va, merging what touches; sorted input costs nothing. */
function add_range(p: Payload, lo_va: u64, hi_va: u64): void {
  let at = p.ranges_count;
  while (at != 0 && range_at(p.ranges_off, at - 1).lo_va > lo_va) at--;
  if (at != 0 && range_at(p.ranges_off, at - 1).hi_va >= lo_va) {
    const before = range_at(p.ranges_off, at - 1);
    before.hi_va = max<u64>(before.hi_va, hi_va);
    absorb(p, at - 1);
    return;
  }
  const off = changetype<usize>(range_at(p.ranges_off, at));
  memory.copy(off + RANGE_STRIDE, off, RANGE_STRIDE * <usize>(p.ranges_count - at));
  const r = range_at(p.ranges_off, at);
  r.lo_va = lo_va;
  r.hi_va = hi_va;
  p.ranges_count++;
  absorb(p, at);
}

/** Swallows ranges behind `at` that it now reaches. */
function absorb(p: Payload, at: u32): void {
  const r = range_at(p.ranges_off, at);
  let next = at + 1;
  while (next < p.ranges_count && range_at(p.ranges_off, next).lo_va <= r.hi_va) {
    r.hi_va = max<u64>(r.hi_va, range_at(p.ranges_off, next).hi_va);
    next++;
  }
  if (next == at + 1) return;
  const to = changetype<usize>(range_at(p.ranges_off, at + 1));
  const from = changetype<usize>(range_at(p.ranges_off, next));
  memory.copy(to, from, RANGE_STRIDE * <usize>(p.ranges_count - next));
  p.ranges_count -= next - at - 1;
}

/** What must not be on a stack for this splice: the whole old function, or only the instruction
 *  whose field changes (a caller goes on behind it, which is safe). */
function add_splice(p: Payload, s: Splice): void {
  if ((s.flags & XSPLICE_SECTION_NO_STACKCHECK) != 0) return;
  if (s.kind == SPLICE_DATA || s.kind == SPLICE_BUG) return;
  if (s.kind == SPLICE_FIELD) {
    add_range(p, s.va - 1, s.va + <u64>s.length);
    return;
  }
  const end = max<u64>(s.object_va + s.object_size, s.va + <u64>s.length);
  add_range(p, min<u64>(s.object_va, s.va), end);
}

/** Fills the payload's ranges: old code, and with `new_code` everything executable of its own. */
export function collect_ranges(p: Payload, new_code: bool): void {
  p.ranges_count = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) add_splice(p, splice_at(p, i));
  if (!new_code) return;
  if (p.text_size != 0) add_range(p, p.text_va, p.text_va + p.text_size);
  if (p.islands_pages != 0)
    add_range(p, p.islands_va, p.islands_va + ((<u64>p.islands_pages) << 12));
}

/** The words in use of a CPU's hypervisor stack: from rsp up to the saved registers of the
 *  guest, which may hold whatever the guest likes. */
function find_word(cpu: Cpu): u64 {
  const end_va = cpu.stack_top_va - INFO_GUEST_REGS;
  const va = cpu.rsp & ~7;
  if (va >= end_va || va < cpu.stack_top_va - STACK_SIZE) return 0;
  if ((header().options & OPTION_STACK_FRAMES) != 0) return find_in_frames(cpu, va, end_va);
  const off = peek_off(va); // the stack's frames are adjacent
  if (off == 0) return 0;
  const found = scan_words(off, off + <usize>(end_va - va));
  return found == 0 ? 0 : va + <u64>(found - off);
}

/** Whether the code of one CPU that is inside the hypervisor is in the ranges; fills the
 *  refusal. */
function is_cpu_inside(cpu: Cpu): bool {
  // A CPU in its guest, or that is not called, has an empty stack. One that idles has the idle
  // loop's.
  if (cpu.user != 0 || cpu.state == CPU_OFFLINE) return false;
  if (cpu.live == 0 && cpu.state != CPU_HYPERVISOR) return false;
  refusal().cpu = cpu.id;
  if (is_in_ranges(cpu.rip)) {
    refusal().va = cpu.rip;
    return true;
  }
  const at = find_word(cpu);
  if (at == 0) return false;
  refusal().va = load<u64>(peek_off(at));
  refusal().va2 = at;
  return true;
}

/** 0 when no CPU is inside any of the sorted ranges; else -EBUSY on-stack with CPU and address. */
export function find_on_stack(ranges_off: usize, count: u32): i32 {
  if (count == 0 || is_out(GUARD_STACK)) return 0;
  prepare_scan(ranges_off, count);
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (is_cpu_inside(cpu_at(id))) {
      return refuse_at(EBUSY, REASON_ON_STACK, PLACE_XSPLICE_PATCH, 0);
    }
  }
  refusal().cpu = 0;
  return 0;
}
