// Calling a function of the hypervisor on a CPU: a fresh stack, DF clear, the psABI's argument
// registers, and a return address at which nothing is mapped, so that returning there ends the
// call. The CPU must be idle; whatever ends the call leaves it idle again.

import {
  RESULT_CPU,
  RESULT_ERROR,
  RESULT_FAULT_RIP,
  RESULT_FAULT_VA,
  RESULT_INSTRUCTIONS,
  RESULT_RAX,
  RESULT_SIZE,
  RESULT_STOP,
  RESULT_VECTOR,
  STOP_BUDGET,
  STOP_FAULT,
  STOP_GATE,
  STOP_HALT,
  STOP_IPI,
} from "../abi";
import { borrow, give_back, is_free, refuse_busy } from "./borrow";
import { advance } from "./clock";
import { Cpu, CPU_HYPERVISOR, cpu_at } from "./cpu";
import { enter_domain } from "./domain";
import { VECTOR_EVENT_CHECK } from "./entries";
import { fix_up } from "./fault";
import { answer_gate } from "./gate";
import { header } from "./header";
import { keep_house } from "./housekeeping";
import { pend_all } from "./interrupt";
import { RETURN_VA } from "./layout";
import { peek_off } from "./mem";
import { HYPERVISOR_CS, RFLAGS_IF, RFLAGS_RESET, set_current } from "./smp";
import { next_quantum, pick_cpu, run_quantum } from "./turn";
import { run_cpu } from "./x86/run";

/** Instructions of a call that does not say. */
const DEFAULT_BUDGET: u64 = 100000000;

/** Instructions of the whole machine in which a CPU has to come by to be borrowed. */
const CLAIM_BUDGET: u64 = 50000000;
/** Turns in which CPUs finish the interrupts that a call has left behind. */
const DRAIN_TURNS: u32 = 1000000;

/** Lets the machine run until a CPU that `wanted` means (-1: any) can be borrowed; null and
 *  -EBUSY cpu-busy when that takes too long. */
export function claim_cpu(wanted: i32): Cpu | null {
  const h = header();
  const end = h.retired + CLAIM_BUDGET;
  const only = wanted >= 0;
  const last: u32 = only ? <u32>wanted + 1 : h.nr_cpus;
  let called = false;
  while (true) {
    for (let id: u32 = only ? <u32>wanted : 0; id < last; id++) {
      if (is_free(cpu_at(id))) return cpu_at(id);
    }
    if (h.live_cpus == 0 || h.retired >= end) break;
    if (!called) pend_all(VECTOR_EVENT_CHECK); // who sleeps in a hypercall wakes up
    called = true;
    keep_house();
    const next = pick_cpu();
    if (next == null) break;
    run_quantum(next, next_quantum());
  }
  refuse_busy(cpu_at(only ? <u32>wanted : 0));
  return null;
}

/** Runs the call among all the others that have something to do, until it ends or has used
 *  `budget`. */
function execute_among(cpu: Cpu, budget: u64): u32 {
  const end = cpu.retired + budget;
  while (cpu.retired < end) {
    keep_house();
    const next = pick_cpu();
    if (next == null) return STOP_HALT; // it waits, and nobody is left who could end that
    if (next != cpu) {
      run_quantum(next, next_quantum());
      continue;
    }
    const stop = run_quantum(cpu, min<u64>(end - cpu.retired, next_quantum()));
    if (stop != STOP_BUDGET) return stop;
  }
  return STOP_BUDGET;
}

/** Runs hypervisor code until something else than a gate or an expected fault stops it. Other
 *  CPUs get their turns as soon as they have something to do. */
function execute(cpu: Cpu, budget: u64): u32 {
  let left = budget;
  while (left != 0) {
    if (header().live_cpus != 0) return execute_among(cpu, left);
    enter_domain(cpu.domain, false);
    const before = cpu.retired;
    const stop = run_cpu(cpu, left);
    // An expected fault costs one instruction, so that a fixup that faults again comes to an end.
    const fixed = stop == STOP_FAULT && fix_up(cpu);
    const done = min<u64>(cpu.retired - before + <u64>fixed, left);
    advance(done);
    left -= done;
    if (stop == STOP_GATE) answer_gate(cpu);
    else if (stop == STOP_IPI) return execute_among(cpu, left);
    else if (!fixed) return stop;
  }
  return STOP_BUDGET;
}

/** CPUs that work only when they are called finish what the call has made them begin. */
function drain(): void {
  if (header().live_cpus != 0) return;
  for (let n: u32 = 0; n < DRAIN_TURNS; n++) {
    const next = pick_cpu();
    if (next == null) return;
    run_quantum(next, next_quantum());
  }
}

/** Prepares a CPU to run the function at `va` with interrupts as `flags` has them. */
export function enter_function(cpu: Cpu, va: u64, flags: u64): void {
  const rsp = borrow(cpu);
  memory.fill(changetype<usize>(cpu), 0, 128);
  cpu.rflags = RFLAGS_RESET | flags;
  cpu.rsp = rsp;
  cpu.cs = HYPERVISOR_CS;
  cpu.ss = 0;
  // Without a stack the function faults at its return, if not before.
  const top = peek_off(rsp);
  if (top != 0) store<u64>(top, RETURN_VA);
  cpu.rip = va;
  cpu.user = 0;
}

/** Argument n of a function call, in the psABI's order. */
function set_argument(cpu: Cpu, n: u32, value: u64): void {
  if (n == 0) cpu.rdi = value;
  else if (n == 1) cpu.rsi = value;
  else if (n == 2) cpu.rdx = value;
  else if (n == 3) cpu.rcx = value;
  else if (n == 4) cpu.r8 = value;
  else if (n == 5) cpu.r9 = value;
}

export function set_arguments(cpu: Cpu, args_off: usize, nargs: u32): void {
  for (let n: u32 = 0; n < min<u32>(nargs, 6); n++) {
    set_argument(cpu, n, load<u64>(args_off + ((<usize>n) << 3)));
  }
}

/** What enter_function() prepared is over: the CPU is what it was before. */
export function leave_function(cpu: Cpu, stop: u32): void {
  cpu.stop = stop;
  cpu.result_rax = cpu.rax;
  cpu.result_rip = cpu.rip;
  cpu.crashed = 0;
  give_back(cpu);
}

/** Runs what enter_function() prepared, for `domain` (-1: nobody). Returns STOP_*. */
export function run_call(cpu: Cpu, domain: i32, budget: u64): u32 {
  set_current(cpu, domain);
  cpu.state = CPU_HYPERVISOR;
  cpu.borrowed = 1;
  header().in_call = 1;
  const before = cpu.retired;
  const random = header().rng;
  const stop = execute(cpu, budget == 0 ? DEFAULT_BUDGET : budget);
  cpu.budget = cpu.retired - before;
  leave_function(cpu, stop);
  if (header().rng != random) drain();
  header().in_call = 0;
  return stop;
}

/** Calls the function at `va` with `nargs` (up to 6) u64 arguments from `args_off`, on behalf of
 *  `domain` (-1: nobody). Returns STOP_*. */
export function call_function(
  cpu: Cpu,
  va: u64,
  args_off: usize,
  nargs: u32,
  budget: u64,
  domain: i32 = -1,
): u32 {
  enter_function(cpu, va, RFLAGS_IF);
  set_arguments(cpu, args_off, nargs);
  return run_call(cpu, domain, budget);
}

/** Writes RESULT_* of a CPU's last call. */
export function write_result(to: usize, cpu: Cpu): void {
  const fault = cpu.stop == STOP_FAULT;
  memory.fill(to, 0, RESULT_SIZE);
  store<u32>(to + RESULT_STOP, cpu.stop);
  store<u32>(to + RESULT_CPU, cpu.id);
  store<u64>(to + RESULT_RAX, cpu.result_rax);
  store<u64>(to + RESULT_INSTRUCTIONS, cpu.budget);
  store<u64>(to + RESULT_FAULT_RIP, fault ? cpu.fault_rip : cpu.result_rip);
  if (!fault) return;
  store<u32>(to + RESULT_VECTOR, cpu.fault_vector);
  store<u32>(to + RESULT_ERROR, cpu.fault_error);
  store<u64>(to + RESULT_FAULT_VA, cpu.fault_va);
}
