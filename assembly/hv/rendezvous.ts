// The rendezvous: work that changes the hypervisor's own code is done while every CPU stands at
// the patch point, in the hypervisor, interrupts off (RFC R189-R193). Where that is was chosen at
// boot (K62): before the way into a guest or into idling, where stacks are empty, or at the tail
// of the time rendezvous, where the work of whoever was interrupted is still on them. IPIs force
// every CPU through; when the request's time is over everybody is released and nothing has been
// changed. A CPU that only works when it is called, and is not called, is at the patch point: its
// stack is empty and it fetches code afresh.

import { EAGAIN, GATE_GUEST_ENTRY, GATE_RENDEZVOUS_TAIL, QUIESCE_RENDEZVOUS } from "../abi";
import { is_under_way } from "./begun";
import { Cpu, CPU_GUEST, CPU_HYPERVISOR, CPU_OFFLINE, cpu_at } from "./cpu";
import { VECTOR_EVENT_CHECK, VECTOR_TIMER } from "./entries";
import { GUARD_BARRIER, GUARD_DEADLINE, GUARD_RELEASE, is_out } from "./guards";
import { header } from "./header";
import { run_expired_hook, run_work_hook } from "./hooks";
import { pend, pend_all } from "./interrupt";
import { keep_refusal_of_call, restore_refusal_of_call } from "./refusal";

/** Bytes of the gate instruction, `vmcall`. */
export const GATE_LENGTH: u64 = 3;
export const GATE_BYTES: u32 = 0xc1010f;


@inline
export function rendezvous_pending(): bool {
  return header().work_id != 0;
}

/** The gate at which CPUs meet for patching. */
export function patch_gate(): u32 {
  return header().quiesce == QUIESCE_RENDEZVOUS ? GATE_RENDEZVOUS_TAIL : GATE_GUEST_ENTRY;
}

/** Makes every CPU come by. The time rendezvous does not wait for its second. */
export function force_through(): void {
  if (header().live_cpus == 0) return;
  if (patch_gate() == GATE_GUEST_ENTRY) pend_all(VECTOR_EVENT_CHECK);
  else pend(cpu_at(0), VECTOR_TIMER);
}

/** One request at a time. False: another one is under way (-EBUSY is the caller's to say). */
export function request_rendezvous(id: u32, data: u32, deadline_ns: u64): bool {
  const h = header();
  if (h.work_id != 0) return false;
  h.work_id = id;
  h.work_data = data;
  h.work_deadline_ns = deadline_ns;
  h.stop_ns = 0;
  force_through();
  return true;
}

function is_missing(cpu: Cpu, gate: u32): bool {
  if (cpu.state == CPU_OFFLINE) return false;
  if (cpu.live != 0 && cpu.crashed == 0) return cpu.waiting != gate;
  return cpu.state == CPU_HYPERVISOR || cpu.state == CPU_GUEST;
}

/** The first CPU from `id` on that is online and not at `gate`, -1 when all are there. */
function missing_at(gate: u32, id: u32): i32 {
  for (; id < header().nr_cpus; id++) {
    if (is_missing(cpu_at(id), gate)) return <i32>id;
  }
  return -1;
}

/** The first online CPU that is not at the patch point, -1 when all are. */
export function missing_cpu(): i32 {
  return missing_at(patch_gate(), 0);
}

/** How many online CPUs are not at the patch point. */
export function missing_count(): u32 {
  let n: u32 = 0;
  const gate = patch_gate();
  for (let id = missing_at(gate, 0); id >= 0; id = missing_at(gate, <u32>id + 1)) n++;
  return n;
}

/** True when every CPU waits before its guest, whatever for. */
export function all_at_guest_entry(): bool {
  return missing_at(GATE_GUEST_ENTRY, 0) < 0;
}

function count_online(): u32 {
  let n: u32 = 0;
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (cpu_at(id).state != CPU_OFFLINE) n++;
  }
  return n;
}

/** The tail of one time rendezvous: they wait only if the work was there before the first
 *  arrived, else some have passed already and the others would wait for them. */
function arrive_at_tail(): bool {
  const h = header();
  const wanted = h.work_id != 0 && h.quiesce == QUIESCE_RENDEZVOUS;
  if (h.tail_count == 0) h.tail_armed = <u32>wanted;
  if (++h.tail_count == count_online()) h.tail_count = 0;
  return wanted && h.tail_armed != 0;
}

/** Whether a CPU stands still for hotplug: all do, but one that is to go brings the hypercall to an
 *  end that was begun on it. */
function is_held(cpu: Cpu): bool {
  const h = header();
  if (h.hold == 0) return false;
  return h.hold_online != 0 || h.hold != cpu.id + 1 || !is_under_way(cpu);
}

/** A CPU stands behind a gate: it waits there, or goes on (false). */
export function arrive(cpu: Cpu, gate: u32): bool {
  const h = header();
  let waits = gate == GATE_GUEST_ENTRY && is_held(cpu);
  if (gate == GATE_RENDEZVOUS_TAIL) waits = arrive_at_tail();
  else if (h.work_id != 0 && gate == patch_gate()) {
    waits = !is_out(GUARD_BARRIER) || !is_anyone_there();
  }
  if (!waits) return false;
  cpu.waiting = gate;
  if (h.stop_since_ns == 0) h.stop_since_ns = max<u64>(h.time_ns, 1);
  cpu.rip -= GATE_LENGTH; // an interrupt that it takes here comes back to the gate
  return true;
}

/** A waiting CPU goes on, and sees nothing of what it had fetched before (R218: decoded code of
 *  changed pages is gone). */
function release(cpu: Cpu): void {
  cpu.idling = <u32>(cpu.waiting == GATE_GUEST_ENTRY && cpu.rdi == 1);
  cpu.waiting = 0;
  cpu.rip += GATE_LENGTH;
  cpu.rax = 0;
  cpu.serialised++;
  // What an interrupt raised while it waited is seen to by one more pass.
  if (cpu.interrupted != 0) pend(cpu, VECTOR_EVENT_CHECK);
  cpu.interrupted = 0;
}

/** Everybody who waits goes on. */
export function release_all(): void {
  const h = header();
  if (h.stop_since_ns != 0) h.stop_ns += h.time_ns - min<u64>(h.stop_since_ns, h.time_ns);
  h.stop_since_ns = 0;
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (cpu_at(id).waiting != 0) release(cpu_at(id));
  }
}

function give_up(): void {
  const h = header();
  const id = h.work_id;
  keep_refusal_of_call();
  run_expired_hook(id, h.work_data);
  restore_refusal_of_call();
  h.work_id = 0;
  h.tail_armed = 0;
  if (!is_out(GUARD_RELEASE)) release_all();
}

function is_anyone_there(): bool {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (cpu_at(id).waiting == patch_gate()) return true;
  }
  return false;
}

/** Does the pending work if everybody is there, or gives it up when its time is over. True: it is
 *  over. */
export function try_rendezvous(): bool {
  const h = header();
  if (h.work_id == 0) return false;
  const all = missing_cpu() < 0;
  if (all || (is_out(GUARD_BARRIER) && is_anyone_there())) {
    // Work that cannot be done yet (old code on a stack) asks to be tried again with -EAGAIN.
    keep_refusal_of_call();
    const rc = run_work_hook(h.work_id, h.work_data);
    restore_refusal_of_call();
    if (rc != -EAGAIN) {
      h.work_id = 0;
      h.tail_armed = 0;
      release_all();
      return true;
    }
  }
  const late = h.work_deadline_ns != 0 && h.time_ns >= h.work_deadline_ns;
  if (late && !is_out(GUARD_DEADLINE)) {
    give_up();
    return true;
  }
  if (all && h.live_cpus != 0) {
    release_all();
    force_through();
  }
  return false;
}
