// Runs a hook of today's payload, as code, on a CPU of its own (spec/livepatch-today 4). What a
// hook calls in the hypervisor is executed as well, except for the few functions that reach into
// machinery which is this machine's own: printk, panic, and the parts of live patching itself. At
// their entries stands a gate while a hook runs; stopping there, the machine does what they would
// do. A hook that faults or does not come back would have brought the real hypervisor down.

import { EFAULT, STOP_BUDGET, STOP_FAULT, STOP_GATE, STOP_RETURN, EBUSY } from "../../abi";
import { is_free } from "../../hv/borrow";
import { enter_function, leave_function } from "../../hv/call";
import { advance } from "../../hv/clock";
import { CPU_HYPERVISOR, Cpu, cpu_at } from "../../hv/cpu";
import { enter_domain } from "../../hv/domain";
import { fix_up } from "../../hv/fault";
import { header } from "../../hv/header";
import { known_symbol } from "../../hv/image";
import { peek, poke } from "../../hv/mem";
import { refusal, refuse, refuse_at } from "../../hv/refusal";
import { RFLAGS_IF, set_current } from "../../hv/smp";
import { run_cpu } from "../../hv/x86/run";
import {
  PLACE_LP_HOOK,
  REASON_CPU_BUSY,
  REASON_XEN_CRASH_HOOK_FAULT,
  REASON_XEN_HANG_HOOK,
} from "../../reasons";
import { is_payload, Payload } from "../payload";
import { func_at } from "./funcs";
import { hook_target } from "./hooks";
import { print_format } from "./printf";
import { first_today, HOOK_LOAD, livepatch, next_today } from "./record";
import { is_applied, refresh_struct } from "./struct_payload";
import { service } from "./services";

/** Instructions after which a hook is said not to come back: a tenth of a second of a real machine.
 *  */
const BUDGET: u64 = 20000000;
const NR_GATES: u32 = 12;
const GATE_LEN: u32 = 3;
/** vmcall */
const GATE_BYTES: u32 = 0xc1010f;
const BYTES = memory.data(8);

/** {u64 va, u32 bytes that were there, u32} of each gate; va 0: none. */
const GATES = memory.data(192);

function gate_name(i: u32): string {
  switch (i) {
    case 0:
      return "printk";
    case 1:
      return "panic";
    case 2:
      return "arch_livepatch_quiesce";
    case 3:
      return "arch_livepatch_revive";
    case 4:
      return "arch_livepatch_apply";
    case 5:
      return "arch_livepatch_revert";
    case 6:
      return "arch_livepatch_post_action";
    case 7:
      return "revert_payload";
    case 8:
      return "revert_payload_tail";
    case 9:
      return "relax_virtual_region_perms";
    case 10:
      return "tighten_virtual_region_perms";
    default:
      return "vprintk";
  }
}
export const SERVICE_PRINTK: u32 = 0;
export const SERVICE_PANIC: u32 = 1;

/** True when an applied payload has changed the bytes of [va, va + GATE_LEN). */
function is_patched(va: u64): bool {
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
      if (!is_applied(p, i)) continue;
      const old = func_at(p, i).old_addr;
      if (va < old + 36 && old < va + GATE_LEN) return true;
    }
  }
  return false;
}

function open_gates(): void {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const at = GATES + ((<usize>i) << 4);
    const va = known_symbol(gate_name(i));
    store<u64>(at, 0);
    if (va == 0 || is_patched(va) || peek(BYTES, va, GATE_LEN) != 0) continue;
    store<u64>(at, va);
    store<u32>(at, load<u32>(BYTES), 8);
    store<u32>(BYTES, GATE_BYTES);
    poke(va, BYTES, GATE_LEN);
  }
}

/** Takes the gates away; one that has been overwritten meanwhile is somebody's patch. */
function close_gates(): void {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const at = GATES + ((<usize>i) << 4);
    const va = load<u64>(at);
    if (va == 0) continue;
    if (peek(BYTES, va, GATE_LEN) != 0 || (load<u32>(BYTES) & 0xffffff) != GATE_BYTES) continue;
    poke(va, at + 8, GATE_LEN);
    store<u64>(at, 0);
  }
}

/** Which gate a CPU has stopped behind; NR_GATES: none of ours. */
function gate_of(rip: u64): u32 {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const va = load<u64>(GATES + ((<usize>i) << 4));
    if (va != 0 && va + GATE_LEN == rip) return i;
  }
  return NR_GATES;
}

/** Answers for the function at whose entry the CPU is, and returns from it. False: it does not
 *  return. */
function answer(cpu: Cpu): bool {
  const i = gate_of(cpu.rip);
  if (i == SERVICE_PANIC || i == NR_GATES) return false;
  if (i == SERVICE_PRINTK) print_format(cpu);
  else {
    // The services look at the functions that they change: no gate may be in the way.
    const result = service(gate_name(i), cpu.rdi, cpu.rsi);
    cpu.rax = <u64>(<i64>result);
    enter_domain(-1, false);
  }
  if (peek(BYTES, cpu.rsp, 8) != 0) return false;
  cpu.rip = load<u64>(BYTES);
  cpu.rsp += 8;
  return true;
}

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
    if (fixed) continue;
    if (stop != STOP_GATE) return stop;
    if (!answer(cpu)) return STOP_FAULT;
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
  refresh_struct(p);
  open_gates();
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
  close_gates();
  enter_domain(domain, false);
  if (stop == STOP_RETURN) return 0;
  const hang = stop == STOP_BUDGET;
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
