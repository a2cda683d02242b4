// The scheduler: lets the machine run. CPUs that run on their own (a machine with a workload)
// take turns; when all of them sleep, virtual time goes to the next event at once. Without a
// workload CPUs are idle between calls, and what there is to do is what operations left for
// later: tasklets, one after the other, and the rendezvous that they ask for.

import {
  RUN_CPU,
  RUN_INSTRUCTIONS,
  RUN_SIZE,
  RUN_STOP,
  RUN_TIME_NS,
  STOP_BUDGET,
  STOP_FAULT,
  STOP_IDLE,
  STOP_TIME,
} from "../abi";
import { ring_alarm } from "./alarm";
import { skip_to, TIME_MAX } from "./clock";
import { enter_domain } from "./domain";
import { header } from "./header";
import { keep_house } from "./housekeeping";
import { rendezvous_pending, try_rendezvous } from "./rendezvous";
import { run_tasklet, tasklets_pending } from "./tasklet";
import { next_quantum, pick_cpu, run_quantum } from "./turn";

/** A run without a bound ends here at the latest: guests never come to an end by themselves. */
const UNBOUNDED: u64 = 4000000000;


@inline
function is_pending(): bool {
  return rendezvous_pending() || tasklets_pending() || header().begun != 0;
}

/** One step of what is pending. False: there is nothing that could be done now. */
function step(): bool {
  enter_domain(-1, false);
  if (ring_alarm()) return true;
  if (rendezvous_pending()) return try_rendezvous();
  return run_tasklet();
}

/** When a request gives up if nothing else happens, `end_ns` if none does. */
function next_deadline(end_ns: u64): u64 {
  const h = header();
  let next = h.alarm_ns != 0 ? min<u64>(end_ns, h.alarm_ns) : end_ns;
  if (h.work_id != 0 && h.work_deadline_ns != 0) next = min<u64>(next, h.work_deadline_ns);
  return next;
}

/** Nobody can run before this. */
function next_event(end_ns: u64): u64 {
  return min<u64>(next_deadline(end_ns), header().next_timer_ns);
}

/** Nobody can run now: time goes on to what happens next. */
export function skip_to_event(): void {
  keep_house();
  skip_to(next_event(u64.MAX_VALUE));
}

/** CPU that the last run stopped at. */
let stopped_cpu: u32 = 0;

/** The end of a run in which nothing will happen any more. */
function asleep(end_ns: u64): u32 {
  if (end_ns == u64.MAX_VALUE) return STOP_IDLE;
  skip_to(end_ns);
  return STOP_TIME;
}

/** A machine with a workload. `settle`: only until nothing is pending. */
function run_live(end_retired: u64, end_ns: u64, settle: bool): u32 {
  const h = header();
  let awake_ns = h.time_ns;
  while (true) {
    keep_house();
    if (settle && !is_pending()) return STOP_IDLE;
    if (h.time_ns >= end_ns) return settle ? STOP_BUDGET : STOP_TIME;
    if (h.retired >= end_retired) return STOP_BUDGET;
    const cpu = pick_cpu();
    if (cpu == null) {
      // Timers alone wake nobody: every CPU has crashed, or sleeps with interrupts off.
      if (h.time_ns - awake_ns > UNBOUNDED) return asleep(end_ns);
      skip_to(next_event(end_ns));
      continue;
    }
    awake_ns = h.time_ns;
    const left = min<u64>(end_retired - h.retired, end_ns - h.time_ns);
    stopped_cpu = cpu.id;
    if (run_quantum(cpu, min<u64>(next_quantum(), left)) == STOP_FAULT) return STOP_FAULT;
  }
}

/** Lets the machine run for `instructions` or `ns` of virtual time, whichever is over first (0: not
 *  bounded by it; both 0: until nothing is pending). Returns STOP_*. */
export function run_machine(instructions: u64, limit_ns: u64): u32 {
  const h = header();
  stopped_cpu = 0;
  if (h.live_cpus != 0) {
    const settle = instructions == 0 && limit_ns == 0;
    const ns = settle ? UNBOUNDED : limit_ns;
    return run_live(later(h.retired, instructions), later_ns(h.time_ns, ns), settle);
  }
  // Idle CPUs retire nothing, but an instruction is a nanosecond.
  const bounded = limit_ns == 0 || (instructions != 0 && instructions < limit_ns);
  const ns = bounded ? instructions : limit_ns;
  const end = later_ns(h.time_ns, ns);
  while (is_pending()) {
    if (step()) continue;
    // With every CPU idle nothing changes but the time: it goes on to where the request gives up.
    const deadline = next_deadline(end);
    if (deadline == end) break;
    skip_to(deadline);
  }
  if (ns == 0) return STOP_IDLE;
  skip_to(end);
  return STOP_TIME;
}

/** The same as a time: none lies behind TIME_MAX. */
function later_ns(from: u64, ns: u64): u64 {
  const end = later(from, ns);
  return ns == 0 ? end : min<u64>(end, TIME_MAX - 1);
}

/** `count` behind `from`; 0 and what would wrap: never. */
function later(from: u64, count: u64): u64 {
  return count == 0 || count > u64.MAX_VALUE - from ? u64.MAX_VALUE : from + count;
}

/** Lets the machine run until `hotplug` is through, at most `instructions`. */
export function run_until_unheld(instructions: u64): bool {
  const h = header();
  const end = later(h.retired, instructions);
  while (h.hold != 0 && h.retired < end) {
    keep_house();
    if (h.hold == 0) break;
    const cpu = pick_cpu();
    if (cpu == null) return false;
    run_quantum(cpu, next_quantum());
  }
  return h.hold == 0;
}

/** Writes RUN_* of a run that began at the given counters. */
export function write_run(to: usize, stop: u32, retired: u64, time_ns: u64): void {
  memory.fill(to, 0, RUN_SIZE);
  store<u64>(to + RUN_INSTRUCTIONS, header().retired - retired);
  store<u64>(to + RUN_TIME_NS, header().time_ns - time_ns);
  store<u32>(to + RUN_STOP, stop);
  store<u32>(to + RUN_CPU, stopped_cpu);
}
