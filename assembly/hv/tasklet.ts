// Tasklets: work that an operation leaves for later, done when the machine runs, in the order in
// which it was scheduled (Xen's tasklet.c). Pending work is part of the machine and survives a
// snapshot: it names its function by number (hv/hooks.ts).

import { header } from "./header";
import { keep_refusal_of_call, restore_refusal_of_call } from "./refusal";
import { run_tasklet_hook } from "./hooks";
import { TASKLETS_OFF, TASKLET_SIZE } from "./layout";
import { NR_PAYLOADS, NR_TASKLETS } from "./param";


@unmanaged
class Tasklet {
  id: u32; // 0: free
  data: u32;
  order: u64;
}
if (offsetof<Tasklet>() != TASKLET_SIZE) ERROR("Tasklet is 16 bytes");


@inline
function tasklet_at(i: u32): Tasklet {
  return changetype<Tasklet>(TASKLETS_OFF + TASKLET_SIZE * <usize>i);
}

/** Schedules tasklet `id` with `data`; one that is already pending stays where it is. False:
 *  full. */
export function schedule_tasklet(id: u32, data: u32): bool {
  let free: u32 = NR_TASKLETS;
  for (let i: u32 = 0; i < NR_TASKLETS; i++) {
    const t = tasklet_at(i);
    if (t.id == id && t.data == data) return true;
    if (t.id == 0 && free == NR_TASKLETS) free = i;
  }
  if (free == NR_TASKLETS) return false;
  const t = tasklet_at(free);
  t.id = id;
  t.data = data;
  t.order = ++header().next_tasklet;
  header().nr_tasklets++;
  return true;
}

/** Takes a pending tasklet back. False when it was not pending. */
export function kill_tasklet(id: u32, data: u32): bool {
  for (let i: u32 = 0; i < NR_TASKLETS; i++) {
    const t = tasklet_at(i);
    if (t.id != id || t.data != data) continue;
    memory.fill(changetype<usize>(t), 0, TASKLET_SIZE);
    header().nr_tasklets--;
    return true;
  }
  return false;
}

/** Of a machine from a file: as many are pending as it says, each of a kind up to `kinds`, for a
 *  payload, and once. */
export function audit_tasklets(kinds: u32): bool {
  let n: u32 = 0;
  for (let i: u32 = 0; i < NR_TASKLETS; i++) {
    const t = tasklet_at(i);
    if (t.id == 0) continue;
    if (t.id > kinds || t.data >= NR_PAYLOADS || t.order > header().next_tasklet) return false;
    for (let k: u32 = 0; k < i; k++) {
      if (tasklet_at(k).id == t.id && tasklet_at(k).data == t.data) return false;
    }
    n++;
  }
  return n == header().nr_tasklets;
}

/** Whether tasklet `id` with `data` is pending. */
export function is_scheduled(id: u32, data: u32): bool {
  if (header().nr_tasklets == 0) return false;
  for (let i: u32 = 0; i < NR_TASKLETS; i++) {
    if (tasklet_at(i).id == id && tasklet_at(i).data == data) return true;
  }
  return false;
}


@inline
export function tasklets_pending(): bool {
  return header().nr_tasklets != 0;
}

/** Runs the oldest pending tasklet. False when there is none. */
export function run_tasklet(): bool {
  if (header().nr_tasklets == 0) return false;
  let oldest: u32 = NR_TASKLETS;
  for (let i: u32 = 0; i < NR_TASKLETS; i++) {
    if (tasklet_at(i).id == 0) continue;
    if (oldest == NR_TASKLETS || tasklet_at(i).order < tasklet_at(oldest).order) oldest = i;
  }
  const t = tasklet_at(oldest);
  const id = t.id;
  const data = t.data;
  memory.fill(changetype<usize>(t), 0, TASKLET_SIZE);
  header().nr_tasklets--;
  run_tasklet_hook(id, data);
  return true;
}

/** Runs all that are pending, as a CPU does before it enters its guest or idles. Why a hypercall
 *  was refused that is still on its way back to the host is not forgotten over it. */
export function run_tasklets(): void {
  header().kicked = 0;
  if (header().nr_tasklets == 0) return;
  keep_refusal_of_call();
  for (let i: u32 = 0; i < NR_TASKLETS && run_tasklet(); i++) continue;
  restore_refusal_of_call();
}
