// The moments inside a change to code. With every guard in place nobody can run between two of
// its bytes: all CPUs stand at the patch point and the change is one step. When a test has taken
// guards out, whoever is not held gets turns here, one instruction at a time, and a CPU that is
// about to execute what is half written is noted.

import { CPU_OFFLINE, cpu_at } from "./cpu";
import { enter_domain } from "./domain";
import { header } from "./header";
import { GATE_GUEST_ENTRY, GATE_RENDEZVOUS_TAIL, QUIESCE_RENDEZVOUS } from "../abi";
import { VIOLATION_BARRIER, VIOLATION_HALF_WRITTEN } from "../abi_schedules";
import { GUARD_BARRIER, is_out } from "./guards";
import { is_watching } from "./watch";
import { is_runnable, run_quantum } from "./turn";

/** Instructions that each CPU gets at one moment: enough to come from a guest into the
 *  hypervisor. */
const TURNS: u32 = 400;

/** True when a test wants changes to be torn. */
@inline
export function is_torn(): bool {
  return header().test_guards != 0 && header().live_cpus != 0;
}

/** Notes the first violation. */
export function note_violation(kind: u32, cpu: u32, va: u64): void {
  const h = header();
  if (h.violation != 0) return;
  h.violation = kind;
  h.violation_cpu = cpu;
  h.violation_va = va;
}

/** Code is about to change: while somebody watches, every CPU has to stand at the patch point.
 *  Asked of the CPUs themselves, not of whoever counts them. */
export function check_barrier(): void {
  const h = header();
  if (!is_watching() || h.live_cpus == 0 || is_out(GUARD_BARRIER)) return;
  const gate = h.quiesce == QUIESCE_RENDEZVOUS ? GATE_RENDEZVOUS_TAIL : GATE_GUEST_ENTRY;
  for (let id: u32 = 0; id < h.nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (cpu.live == 0 || cpu.crashed != 0 || cpu.waiting == <u32>gate) continue;
    note_violation(VIOLATION_BARRIER, id, cpu.rip);
  }
}

/** A moment at which [lo_va, hi_va) is neither old nor new. */
export function preempt_point(lo_va: u64, hi_va: u64): void {
  for (let turn: u32 = 0; turn < TURNS; turn++) {
    for (let id: u32 = 0; id < header().nr_cpus; id++) {
      const cpu = cpu_at(id);
      if (cpu.state == CPU_OFFLINE || !is_runnable(cpu)) continue;
      if (cpu.user == 0 && cpu.rip >= lo_va && cpu.rip < hi_va) {
        note_violation(VIOLATION_HALF_WRITTEN, id, cpu.rip);
        return;
      }
      run_quantum(cpu, 1);
    }
  }
  enter_domain(-1, false);
}
