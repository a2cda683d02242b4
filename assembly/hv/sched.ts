// The scheduler: lets the machine run. Between calls all CPUs are idle, so what there is to do is
// what operations left for later: tasklets, one after the other, and the rendezvous that they ask
// for.

import {
  RUN_CPU, RUN_INSTRUCTIONS, RUN_SIZE, RUN_STOP, RUN_TIME_NS, STOP_IDLE, STOP_TIME,
} from "../abi";
import { skip_to } from "./clock";
import { enter_domain } from "./domain";
import { header } from "./header";
import { rendezvous_pending, try_rendezvous } from "./rendezvous";
import { run_tasklet, tasklets_pending } from "./tasklet";

/** One step of what is pending. False: there is nothing that could be done now. */
function step(): bool {
  enter_domain(-1, false);
  if (rendezvous_pending()) return try_rendezvous();
  return run_tasklet();
}

/** Lets the machine run for `instructions` or `ns` of virtual time, whichever is over first (0: not
 *  bounded by it; both 0: until nothing is pending). Returns STOP_*. */
export function run_machine(instructions: u64, limit_ns: u64): u32 {
  const h = header();
  // Idle CPUs retire nothing, but an instruction is a nanosecond.
  const bounded = limit_ns == 0 || (instructions != 0 && instructions < limit_ns);
  const ns = bounded ? instructions : limit_ns;
  const end = ns == 0 || ns > u64.MAX_VALUE - h.time_ns ? u64.MAX_VALUE : h.time_ns + ns;
  while (rendezvous_pending() || tasklets_pending()) {
    if (step()) continue;
    // With every CPU idle nothing changes but the time: it goes on to where the request gives up.
    const deadline = h.work_deadline_ns;
    if (deadline == 0 || deadline >= end) break;
    skip_to(deadline);
  }
  if (ns == 0) return STOP_IDLE;
  skip_to(end);
  return STOP_TIME;
}

/** Writes RUN_* of a run that began at the given counters. */
export function write_run(to: usize, stop: u32, retired: u64, time_ns: u64): void {
  memory.fill(to, 0, RUN_SIZE);
  store<u64>(to + RUN_INSTRUCTIONS, header().retired - retired);
  store<u64>(to + RUN_TIME_NS, header().time_ns - time_ns);
  store<u32>(to + RUN_STOP, stop);
  store<u32>(to + RUN_CPU, 0);
}
