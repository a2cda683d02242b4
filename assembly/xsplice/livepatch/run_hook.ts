// Runs a hook of today's payload, as code, on a CPU of its own (spec/livepatch-today 4), with
// struct payload as its argument. What it changes there counts, as it does for Xen. Load and unload
// hooks run while the hypervisor's code and constants are writable; the others make them so
// themselves. A hook that faults or does not come back would have brought the real hypervisor down.

import {
  EBUSY,
  EFAULT,
  STOP_BUDGET,
  STOP_FAULT,
  STOP_GATE,
  STOP_HALT,
  STOP_IPI,
  STOP_RETURN,
} from "../../abi";
import { is_free } from "../../hv/borrow";
import { enter_function, leave_function } from "../../hv/call";
import { advance } from "../../hv/clock";
import { CPU_HYPERVISOR, Cpu, cpu_at } from "../../hv/cpu";
import { enter_domain } from "../../hv/domain";
import { fix_up } from "../../hv/fault";
import { header } from "../../hv/header";
import { relax_protection } from "../../hv/mem";
import { refusal, refuse, refuse_at } from "../../hv/refusal";
import { RFLAGS_IF, set_current } from "../../hv/smp";
import { run_cpu } from "../../hv/x86/run";
import {
  PLACE_LP_HOOK,
  REASON_CPU_BUSY,
  REASON_XEN_CRASH_HOOK_FAULT,
  REASON_XEN_HANG_HOOK,
} from "../../reasons";
import { Payload } from "../payload";
import { answer_gate, close_gates, open_gates } from "./gates";
import { hook_target } from "./hooks";
import { HOOK_LOAD, livepatch } from "./record";
import { absorb_structs, refresh_structs } from "./struct_payload";

/** Instructions after which a hook is said not to come back: a tenth of a second of a real machine.
 *  */
const BUDGET: u64 = 20000000;
function execute(cpu: Cpu): u32 {
  let left = BUDGET;
  while (left != 0) {
    enter_domain(-1, false);
    const before = cpu.retired;
    const stop = run_cpu(cpu, left);
    const fixed = stop == STOP_FAULT && fix_up(cpu);
    const done = min<u64>(cpu.retired - before + 1, left);
    advance(done);
    left -= done;
    if (fixed || stop == STOP_IPI) continue;
    if (stop != STOP_GATE) return stop;
    if (!answer_gate(cpu)) return STOP_FAULT;
  }
  return STOP_BUDGET;
}

function idle_cpu(): i32 {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    if (is_free(cpu_at(id))) return <i32>id;
  }
  return -1;
}

// What the last hook returned in eax.
let result: i32 = 0;
export function hook_result(): i32 {
  return result;
}

/** Runs entry `entry` of a kind of hook of `p`. 0: it has returned (hook_result()); else a refusal.
 *  Afterwards the context is that of `domain`. */
export function run_hook(p: Payload, kind: u32, entry: u32, quiesced: bool, domain: i32): i32 {
  const id = idle_cpu();
  if (id < 0) return refuse(EBUSY, REASON_CPU_BUSY);
  const cpu = cpu_at(<u32>id);
  const va = hook_target(p, kind, entry);
  refresh_structs();
  open_gates();
  relax_protection(kind >= HOOK_LOAD);
  enter_function(cpu, va, quiesced ? 0 : RFLAGS_IF);
  cpu.rdi = kind >= HOOK_LOAD ? 0 : livepatch(p).private_va;
  set_current(cpu, -1);
  cpu.state = CPU_HYPERVISOR;
  const before = cpu.retired;
  const stop = execute(cpu);
  cpu.budget = cpu.retired - before;
  const rip = cpu.rip;
  result = <i32>cpu.rax;
  leave_function(cpu, stop);
  relax_protection(false);
  close_gates();
  enter_domain(domain, false);
  if (stop == STOP_RETURN) {
    absorb_structs();
    return 0;
  }
  const hang = stop == STOP_BUDGET || stop == STOP_HALT;
  const reason = hang ? REASON_XEN_HANG_HOOK : REASON_XEN_CRASH_HOOK_FAULT;
  const rc = refuse_at(EFAULT, reason, PLACE_LP_HOOK, kind);
  const r = refusal();
  r.index2 = entry;
  r.cpu = cpu.id;
  r.va = rip;
  r.va2 = stop == STOP_FAULT ? cpu.fault_va : va;
  r.value = stop == STOP_FAULT ? cpu.fault_vector : stop;
  return rc;
}
