// One step of a schedule that is chosen from outside: which CPU executes next and how many
// instructions. For the search (hv/visible.ts) and for tests of races.

import { Cpu, CPU_OFFLINE, cpu_at } from "./cpu";
import { keep_house } from "./housekeeping";
import { is_runnable, run_quantum } from "./turn";

/** What is due is done; whether CPU `id` can run then. */
export function can_step(cpu: Cpu): bool {
  keep_house();
  return cpu.state != CPU_OFFLINE && is_runnable(cpu);
}

/** Runs CPU `id`. False: it cannot run now. */
export function step_cpu(id: u32, instructions: u64): bool {
  const cpu = cpu_at(id);
  if (!can_step(cpu)) return false;
  run_quantum(cpu, instructions);
  keep_house();
  return true;
}
