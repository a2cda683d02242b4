// Calling a function of the hypervisor on a CPU: a fresh stack, DF clear, the psABI's argument
// registers, and a return address at which nothing is mapped, so that returning there ends the
// call. The CPU must be idle; whatever ends the call leaves it idle again.

import {
  EBUSY, RESULT_CPU, RESULT_ERROR, RESULT_FAULT_RIP, RESULT_FAULT_VA, RESULT_INSTRUCTIONS,
  RESULT_RAX, RESULT_SIZE, RESULT_STOP, RESULT_VECTOR, STOP_BUDGET, STOP_FAULT, STOP_GATE,
} from "../abi";
import { REASON_CPU_BUSY } from "../reasons";
import { advance } from "./clock";
import { Cpu, CPU_HYPERVISOR, CPU_IDLE } from "./cpu";
import { enter_domain } from "./domain";
import { fix_up } from "./fault";
import { answer_gate } from "./gate";
import { RETURN_VA } from "./layout";
import { peek_off } from "./mem";
import { refusal, refuse } from "./refusal";
import { RFLAGS_IF, RFLAGS_RESET, set_current } from "./smp";
import { entry_rsp } from "./stack";
import { run_cpu } from "./x86/run";

/** Instructions of a call that does not say. */
const DEFAULT_BUDGET: u64 = 100000000;

/** 0, or -EBUSY cpu-busy: something runs there already. */
export function check_idle(cpu: Cpu): i32 {
  if (cpu.state == CPU_IDLE) return 0;
  const rc = refuse(EBUSY, REASON_CPU_BUSY);
  refusal().cpu = cpu.id;
  return rc;
}

/** Runs hypervisor code until something else than a gate or an expected fault stops it. */
function execute(cpu: Cpu, budget: u64): u32 {
  let left = budget;
  while (left != 0) {
    enter_domain(cpu.domain, false);
    const before = cpu.retired;
    const stop = run_cpu(cpu, left);
    // An expected fault costs one instruction, so that a fixup that faults again comes to an end.
    const fixed = stop == STOP_FAULT && fix_up(cpu);
    const done = min<u64>(cpu.retired - before + <u64>fixed, left);
    advance(done);
    left -= done;
    if (stop == STOP_GATE) answer_gate(cpu);
    else if (!fixed) return stop;
  }
  return STOP_BUDGET;
}

/** Prepares a CPU to run the function at `va` with interrupts as `flags` has them. */
export function enter_function(cpu: Cpu, va: u64, flags: u64): void {
  memory.fill(changetype<usize>(cpu), 0, 128);
  cpu.rflags = RFLAGS_RESET | flags;
  cpu.rsp = entry_rsp(cpu);
  store<u64>(peek_off(cpu.rsp), RETURN_VA);
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
    set_argument(cpu, n, load<u64>(args_off + (<usize>n << 3)));
  }
}

/** Runs what enter_function() prepared, for `domain` (-1: nobody). Returns STOP_*. */
export function run_call(cpu: Cpu, domain: i32, budget: u64): u32 {
  set_current(cpu, domain);
  cpu.state = CPU_HYPERVISOR;
  const before = cpu.retired;
  const stop = execute(cpu, budget == 0 ? DEFAULT_BUDGET : budget);
  cpu.budget = cpu.retired - before;
  cpu.stop = stop;
  cpu.state = CPU_IDLE;
  set_current(cpu, -1);
  return stop;
}

/** Calls the function at `va` with `nargs` (up to 6) u64 arguments from `args_off`. Returns
 *  STOP_*. */
export function call_function(cpu: Cpu, va: u64, args_off: usize, nargs: u32, budget: u64): u32 {
  enter_function(cpu, va, RFLAGS_IF);
  set_arguments(cpu, args_off, nargs);
  return run_call(cpu, -1, budget);
}

/** Writes RESULT_* of a CPU's last call. */
export function write_result(to: usize, cpu: Cpu): void {
  const fault = cpu.stop == STOP_FAULT;
  memory.fill(to, 0, RESULT_SIZE);
  store<u32>(to + RESULT_STOP, cpu.stop);
  store<u32>(to + RESULT_CPU, cpu.id);
  store<u64>(to + RESULT_RAX, cpu.rax);
  store<u64>(to + RESULT_INSTRUCTIONS, cpu.budget);
  store<u64>(to + RESULT_FAULT_RIP, fault ? cpu.fault_rip : cpu.rip);
  if (!fault) return;
  store<u32>(to + RESULT_VECTOR, cpu.fault_vector);
  store<u32>(to + RESULT_ERROR, cpu.fault_error);
  store<u64>(to + RESULT_FAULT_VA, cpu.fault_va);
}
