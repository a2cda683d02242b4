// What the machine itself does between two turns: the timer ticks, a CPU is sent to where
// tasklets run, the rendezvous is held, CPUs come and go.

import { CPU_OFFLINE, cpu_at } from "./cpu";
import { VECTOR_EVENT_CHECK, VECTOR_TIMER } from "./entries";
import { TIMER_PERIOD_NS } from "./guest";
import { header } from "./header";
import { try_hotplug } from "./hotplug";
import { pend, pend_all } from "./interrupt";
import { try_rendezvous } from "./rendezvous";

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

/** Only for machines whose CPUs run on their own. */
export function keep_house(): void {
  const h = header();
  if (h.live_cpus == 0) return;
  if (h.time_ns >= h.next_timer_ns) {
    pend_all(VECTOR_TIMER);
    h.next_timer_ns += TIMER_PERIOD_NS;
  }
  if (h.nr_tasklets != 0 && h.kicked == 0) kick();
  if (h.hold != 0) try_hotplug();
  if (h.work_id != 0) try_rendezvous();
}
