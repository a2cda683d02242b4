// What the machine itself does between two turns: the timer ticks, a CPU is sent to where
// tasklets run, the rendezvous is held, CPUs come and go.

import { GATE_GUEST_ENTRY } from "../abi";
import { ring_alarm } from "./alarm";
import { CPU_OFFLINE, cpu_at } from "./cpu";
import { VECTOR_EVENT_CHECK, VECTOR_TIMER } from "./entries";
import { TIMER_PERIOD_NS } from "./guest";
import { header } from "./header";
import { try_hotplug } from "./hotplug";
import { has_requests, pend, pend_all } from "./interrupt";
import { patch_gate, try_rendezvous } from "./rendezvous";

/** Sends the first CPU that runs on its own through the hypervisor. */
function kick(): void {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (cpu.live == 0 || cpu.state == CPU_OFFLINE || cpu.crashed != 0) continue;
    header().kicked = 1;
    pend(cpu, VECTOR_EVENT_CHECK);
    return;
  }
}

/** Whether CPUs are wanted before their guests. */
function is_calling(): bool {
  const h = header();
  if (h.nr_tasklets != 0 || h.hold != 0) return true;
  return h.work_id != 0 && patch_gate() == GATE_GUEST_ENTRY;
}

/** An interrupt that is taken right before HLT wakes nobody: who sleeps in a hypercall is called
 *  again. An idle loop looks once more before it sleeps. */
function call_sleepers(): void {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (cpu.halted == 0 || cpu.idling != 0 || cpu.live == 0 || has_requests(cpu)) continue;
    pend(cpu, VECTOR_EVENT_CHECK);
  }
}

/** Only for machines whose CPUs run on their own. */
export function keep_house(): void {
  const h = header();
  if (h.live_cpus == 0) return;
  if (h.time_ns >= h.next_timer_ns) {
    pend_all(VECTOR_TIMER);
    h.next_timer_ns += TIMER_PERIOD_NS;
  }
  ring_alarm();
  if (h.nr_tasklets != 0 && h.kicked == 0) kick();
  if (is_calling()) call_sleepers();
  if (h.hold != 0) try_hotplug();
  if (h.work_id != 0) try_rendezvous();
}
