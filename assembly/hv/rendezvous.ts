// The rendezvous: work that changes the hypervisor's own code is done while every CPU stands at the
// patch point, in the hypervisor, its stack empty, interrupts off (RFC R189-R193). A request waits
// until all online CPUs are there; when its time is over everybody is released and nothing has been
// changed. A CPU that is idle is at the patch point: it has nothing on its stack and fetches code
// afresh when it resumes.

import { CPU_GUEST, CPU_HYPERVISOR, cpu_at } from "./cpu";
import { header } from "./header";
import { run_expired_hook, run_work_hook } from "./hooks";

/** One request at a time. False: another one is under way (-EBUSY is the caller's to say). */
export function request_rendezvous(id: u32, data: u32, deadline_ns: u64): bool {
  const h = header();
  if (h.work_id != 0) return false;
  h.work_id = id;
  h.work_data = data;
  h.work_deadline_ns = deadline_ns;
  return true;
}

@inline
export function rendezvous_pending(): bool {
  return header().work_id != 0;
}

/** The first online CPU that is not at the patch point, -1 when all are. */
export function missing_cpu(): i32 {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    const state = cpu_at(id).state;
    if (state == CPU_HYPERVISOR || state == CPU_GUEST) return <i32>id;
  }
  return -1;
}

/** Does the pending work if everybody is there, or gives it up when its time is over. True: it is
 *  over. */
export function try_rendezvous(): bool {
  const h = header();
  const id = h.work_id;
  if (id == 0) return false;
  if (missing_cpu() < 0) {
    // Work that cannot be done yet (old code on a stack) asks to be tried again with -EAGAIN.
    if (run_work_hook(id, h.work_data) != -11) {
      h.work_id = 0;
      return true;
    }
  }
  if (h.work_deadline_ns == 0 || h.time_ns < h.work_deadline_ns) return false;
  h.work_id = 0;
  run_expired_hook(id, h.work_data);
  return true;
}
