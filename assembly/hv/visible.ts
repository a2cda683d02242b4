// Steps of a schedule as large as they can be without hiding an order that matters (partial-order
// reduction): a CPU executes up to and with the first instruction that another CPU could notice.
// That is an access to memory that CPUs share, a gate, an IPI, a change of ring, a halt, or an
// instruction that leads to other code as far as patching is concerned: into or out of bytes that
// change, a function that changes, a payload. What lies between two of these touches only the CPU's
// own registers, stack and guest, and may come before or after anything that others do.

import { STOP_BUDGET } from "../abi";
import {
  VISIBLE_CODE,
  VISIBLE_EVENT,
  VISIBLE_LIMIT,
  VISIBLE_PAUSE,
  VISIBLE_SHARED,
  VISIBLE_WAITS,
} from "../abi_schedules";
import { Cpu, cpu_at } from "./cpu";
import { enter_domain } from "./domain";
import { header } from "./header";
import { run_code_class_hook } from "./hooks";
import { keep_house } from "./housekeeping";
import { peek_off } from "./mem";
import { flush_tlb } from "./pages";
import { STACK_SIZE } from "./param";
import { can_step } from "./step";
import { is_runnable, run_quantum } from "./turn";
import { note_write, set_watching, take_shared, watch_stack } from "./watch";
import { limit_blocks } from "./x86/cache";

// Classes of code, from install_code_class().
export const CLASS_OTHER: u32 = 0;
export const CLASS_GUEST: u32 = 1;
export const CLASS_PAYLOAD: u32 = 2; // a payload's memory
export const CLASS_CHANGED: u32 = 3; // bytes that change
export const CLASS_FUNCTION: u32 = 4; // + slot of a payload: a function that it changes

/** `pause` */
const PAUSE: u16 = 0x90f3;

/** Begins or ends a search: what is noted is forgotten. */
export function watch(on: bool): void {
  set_watching(on);
  limit_blocks(on);
  flush_tlb();
  enter_domain(-1, false);
  // Where the machine itself writes: frames of entries, and who is current.
  for (let id: u32 = 0; on && id < header().nr_cpus; id++) {
    note_write(peek_off(cpu_at(id).stack_top_va - 8));
  }
}


@inline
function class_of(cpu: Cpu): u32 {
  return cpu.user != 0 ? CLASS_GUEST : run_code_class_hook(cpu.rip);
}

function is_at_pause(cpu: Cpu): bool {
  if (cpu.user != 0) return false;
  const off = peek_off(cpu.rip);
  return off != 0 && load<u16>(off) == PAUSE;
}

function run_visibly(cpu: Cpu, limit: u32): u32 {
  const place = class_of(cpu);
  // Translations of this CPU's own stack are no other's.
  if (watch_stack(peek_off(cpu.stack_top_va - STACK_SIZE))) flush_tlb();
  take_shared();
  for (let n: u32 = 0; n < limit; n++) {
    const pauses = is_at_pause(cpu);
    const retired = cpu.retired;
    run_quantum(cpu, 1);
    if (!is_runnable(cpu)) return VISIBLE_WAITS;
    if (cpu.retired != retired && cpu.stop != STOP_BUDGET) return VISIBLE_EVENT;
    if (take_shared()) return VISIBLE_SHARED;
    if (pauses) return VISIBLE_PAUSE;
    const now = class_of(cpu);
    if (now != place || now == CLASS_CHANGED) return VISIBLE_CODE;
  }
  return VISIBLE_LIMIT;
}

/** One step of CPU `id`: VISIBLE_* that ended it, 0 when the CPU cannot run now. */
export function step_visible(id: u32, limit: u32): u32 {
  const cpu = cpu_at(id);
  if (!can_step(cpu)) return 0;
  const why = run_visibly(cpu, limit);
  keep_house();
  return why;
}
