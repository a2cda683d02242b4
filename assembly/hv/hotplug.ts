// CPUs go offline and come back (RFC R222). As in Xen it happens while all CPUs stand still
// before their guests: nobody then waits for the one that goes, and one that comes begins there
// and meets a rendezvous that is under way instead of slipping past it.

import { EBUSY, EINVAL } from "../abi";
import { REASON_CPU_BUSY, REASON_NO_SUCH_CPU } from "../reasons";
import { begun, BEGUN_SIZE } from "./begun";
import { Cpu, CPU_IDLE, CPU_OFFLINE, cpu_at } from "./cpu";
import { VECTOR_EVENT_CHECK } from "./entries";
import { enter_domain } from "./domain";
import { GUARD_HOTPLUG, is_out } from "./guards";
import { start_cpu } from "./guest";
import { header } from "./header";
import { pend_all } from "./interrupt";
import { refusal, refuse } from "./refusal";
import { all_at_guest_entry, force_through, release_all } from "./rendezvous";
import { reset_cpu, set_current, tell_online } from "./smp";

/** A CPU is gone: it has nothing to run and is in nobody's map. */
function take_off(cpu: Cpu): void {
  cpu.live = 0;
  cpu.waiting = 0;
  cpu.halted = 0;
  cpu.state = CPU_OFFLINE;
  tell_online(cpu.id, false);
}

/** What outlives a CPU's absence: the loss of its guest, and a result that nobody has collected. */
const LOSS_SIZE: usize = offsetof<Cpu>() - offsetof<Cpu>("lost");
const KEPT = memory.data(296);
if (LOSS_SIZE + BEGUN_SIZE > 296) ERROR("what a CPU keeps outgrows its copy");

/** A CPU is back, as after boot, but for what it keeps, what it retired, and its stack. */
function put_on(id: u32): void {
  const record = changetype<usize>(cpu_at(id));
  const top = cpu_at(id).stack_top_va;
  const retired = cpu_at(id).retired;
  memory.copy(KEPT, record + offsetof<Cpu>("lost"), LOSS_SIZE);
  memory.copy(KEPT + LOSS_SIZE, changetype<usize>(begun(cpu_at(id))), BEGUN_SIZE);
  const cpu = reset_cpu(id);
  memory.copy(record + offsetof<Cpu>("lost"), KEPT, LOSS_SIZE);
  memory.copy(changetype<usize>(begun(cpu)), KEPT + LOSS_SIZE, BEGUN_SIZE);
  cpu.stack_top_va = top;
  cpu.retired = retired;
  set_current(cpu, -1);
  if (header().live_cpus != 0) start_cpu(cpu);
  tell_online(id, true);
}

/** Carries the pending change out once everybody stands before a guest. */
export function try_hotplug(): void {
  const h = header();
  if (!all_at_guest_entry() && !is_out(GUARD_HOTPLUG)) return;
  const id = h.hold - 1;
  enter_domain(-1, false);
  if (h.hold_online != 0) put_on(id);
  else take_off(cpu_at(id));
  h.hold = 0;
  h.tail_count = 0;
  release_all();
  if (h.work_id != 0) force_through();
}

/** Gives a change up that did not come about. */
export function drop_hotplug(id: u32): i32 {
  const h = header();
  h.hold = 0;
  release_all();
  if (h.work_id != 0) force_through();
  const rc = refuse(EBUSY, REASON_CPU_BUSY);
  refusal().cpu = id;
  refusal().va = cpu_at(id).rip;
  return rc;
}

function refuse_cpu(id: u32): i32 {
  const rc = refuse(EINVAL, REASON_NO_SUCH_CPU);
  refusal().cpu = id;
  refusal().value = id;
  refusal().limit = header().nr_cpus;
  return rc;
}

/** Asks for CPU `id` to go or to come. 0: done, 1: the machine has to run for it; or a refusal.
 *  CPU 0, which keeps the time, stays. */
export function request_hotplug(id: u32, online: bool): i32 {
  const h = header();
  if (id == 0 || id >= h.nr_cpus) return refuse_cpu(id);
  const cpu = cpu_at(id);
  if ((cpu.state != CPU_OFFLINE) == online) return 0;
  if (h.live_cpus == 0) {
    if (!online && cpu.state != CPU_IDLE) return drop_hotplug(id);
    enter_domain(-1, false);
    if (online) put_on(id);
    else take_off(cpu);
    return 0;
  }
  if (h.hold != 0) return drop_hotplug(id);
  h.hold = id + 1;
  h.hold_online = <u32>online;
  pend_all(VECTOR_EVENT_CHECK);
  return 1;
}
