// What must hold at every moment, whatever the CPUs do: asked by the search for schedules and by
// tests. A violation is a defect of the hypervisor's own patching, never of a payload.

import {
  PERM_X,
  VIOLATION_BETWEEN,
  VIOLATION_FAULT,
  VIOLATION_GUEST,
  VIOLATION_LATE,
  VIOLATION_RETURN,
  VIOLATION_UNLOADED,
  XSPLICE_STATUS_PROGRESS,
} from "../abi";
import { Cpu, CPU_OFFLINE, cpu_at } from "../hv/cpu";
import { enter_domain } from "../hv/domain";
import { header } from "../hv/header";
import { is_mapped, peek_off } from "../hv/mem";
import { note_violation } from "../hv/preempt";
import { INFO_GUEST_REGS, is_on_stack } from "../hv/stack";
import { first_payload, is_payload, next_payload, Payload } from "./payload";
import { Splice, splice_at } from "./splice";

/** Work is looked at between turns, so it ends a little after its time. */
const SLACK_NS: u64 = 4096;

/** True for an address of the payload area at which no code is. */
function is_dangling(va: u64): bool {
  const h = header();
  if (va < h.payload_base_va || va >= h.payload_end_va) return false;
  return !is_mapped(va, 1, PERM_X);
}

function check_cpu(cpu: Cpu): void {
  if (cpu.lost != 0) note_violation(VIOLATION_GUEST, cpu.id, cpu.lost_rip);
  if (cpu.state == CPU_OFFLINE || cpu.live == 0) return;
  if (cpu.crashed != 0) note_violation(VIOLATION_FAULT, cpu.id, cpu.rip);
  if (cpu.user != 0) return;
  if (is_dangling(cpu.rip)) note_violation(VIOLATION_UNLOADED, cpu.id, cpu.rip);
  // Code may put its stack pointer anywhere.
  if (!is_on_stack(cpu, cpu.rsp)) return;
  const end_va = cpu.stack_top_va - INFO_GUEST_REGS;
  for (let va = cpu.rsp & ~7; va < end_va; va += 8) {
    const off = peek_off(va);
    if (off != 0 && is_dangling(load<u64>(off))) note_violation(VIOLATION_RETURN, cpu.id, va);
  }
}

/** Whether a place holds the whole old or the whole new bytes. */
function is_whole(s: Splice): bool {
  if (s.to_off == 0) return true;
  if (memory.compare(s.to_off, s.old_off, s.length) == 0) return true;
  return memory.compare(s.to_off, s.new_off, s.length) == 0;
}

function check_payload_memory(p: Payload): void {
  if (p.prepared_off == 0) return;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (!is_whole(s)) note_violation(VIOLATION_BETWEEN, 0, s.va);
  }
}

/** VIOLATION_* of the first invariant that was ever found broken, 0 none. */
export function check_invariants(): u32 {
  const h = header();
  enter_domain(-1, false);
  for (let id: u32 = 0; id < h.nr_cpus; id++) check_cpu(cpu_at(id));
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    check_payload_memory(p);
    const late = p.deadline_ns != 0 && h.time_ns > p.deadline_ns + SLACK_NS;
    if (p.status == XSPLICE_STATUS_PROGRESS && late) note_violation(VIOLATION_LATE, 0, 0);
  }
  return h.violation;
}
