// One CPU's turn: what is requested of it is delivered, it executes a quantum, and what stopped
// it is dealt with: gates, a guest's syscall, a change of ring, HLT, faults. Which CPU's turn it
// is, and for how long, comes from the machine's generator, so that the same seed gives the same
// interleaving.

import {
  GATE_GUEST_ENTRY,
  GATE_RENDEZVOUS_TAIL,
  STOP_BUDGET,
  STOP_CONTEXT,
  STOP_FAULT,
  STOP_GATE,
  STOP_HALT,
  STOP_IPI,
  STOP_RETURN,
  STOP_SYSCALL,
  VECTOR_DF,
} from "../abi";
import { end_hypercall, has_returned, is_under_way } from "./begun";
import { advance } from "./clock";
import { Cpu, CPU_GUEST, CPU_HYPERVISOR, CPU_IDLE, CPU_OFFLINE, cpu_at } from "./cpu";
import { enter_domain } from "./domain";
import { crash_guest, is_guests_own } from "./domain_crash";
import { fix_up } from "./fault";
import { answer_gate } from "./gate";
import { header } from "./header";
import { deliver, is_wanted } from "./interrupt";
import { peek_off } from "./mem";
import { arrive } from "./rendezvous";
import { HYPERVISOR_CS, HYPERVISOR_SS, RFLAGS_IF } from "./smp";
import { INFO_RIP } from "./stack";
import { run_tasklets } from "./tasklet";
import { run_cpu } from "./x86/run";

/** Longest quantum while nothing is pending, and while CPUs are on their way to a patch point. */
const QUANTUM: u64 = 1024;
const QUANTUM_PENDING: u64 = 128;
const TF: u64 = 0x100;

/** xorshift64*: the state is part of the machine; seed 0 has its own. */
export function next_random(): u64 {
  const h = header();
  let x = h.rng == 0 ? 0x9e3779b97f4a7c15 : h.rng;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  h.rng = x;
  return x * 0x2545f4914f6cdd1d;
}

export function next_quantum(): u64 {
  const h = header();
  const pending = h.work_id != 0 || h.nr_tasklets != 0 || h.hold != 0;
  return 1 + ((next_random() >> 33) % (pending ? QUANTUM_PENDING : QUANTUM));
}

/** Could this CPU execute an instruction now? */
export function is_runnable(cpu: Cpu): bool {
  if (cpu.state == CPU_OFFLINE || cpu.crashed != 0) return false;
  if (cpu.waiting != 0 || cpu.halted != 0) return is_wanted(cpu);
  return cpu.live != 0 || cpu.borrowed != 0 || cpu.excursion != 0 || is_wanted(cpu);
}

/** A CPU that can run, null when none can. */
export function pick_cpu(): Cpu | null {
  const count = header().nr_cpus;
  const first = <u32>((next_random() >> 33) % <u64>count);
  for (let i: u32 = 0; i < count; i++) {
    const cpu = cpu_at(first + i < count ? first + i : first + i - count);
    if (is_runnable(cpu)) return cpu;
  }
  return null;
}

/** SYSCALL of a guest, as the image expects it (its README, "Contract"). */
function enter_syscall(cpu: Cpu): void {
  const at = cpu.stack_top_va - INFO_RIP + 24; // where an interrupt would have pushed rsp
  const off = peek_off(at);
  store<u64>(off, cpu.rsp);
  store<u64>(off, cpu.ss, 8);
  cpu.rsp = at;
  cpu.rip = header().lstar_enter_va;
  cpu.rflags = cpu.rflags & ~(RFLAGS_IF | TF);
  cpu.cs = HYPERVISOR_CS;
  cpu.ss = HYPERVISOR_SS;
  cpu.user = 0;
  cpu.state = CPU_HYPERVISOR;
}

/** A fault that nothing expected: the CPU stays where it is, for whoever looks. */
function crash(cpu: Cpu): u32 {
  cpu.crashed = 1;
  header().crashes++;
  if (is_under_way(cpu)) end_hypercall(cpu, STOP_FAULT);
  return STOP_FAULT;
}

/** Answers the gate at which the CPU stopped. */
export function pass_gate(cpu: Cpu): void {
  const gate = <u32>cpu.rax;
  if (cpu.live == 0 || (gate != GATE_GUEST_ENTRY && gate != GATE_RENDEZVOUS_TAIL)) {
    answer_gate(cpu);
    return;
  }
  if (gate == GATE_GUEST_ENTRY) run_tasklets();
  enter_domain(cpu.domain, false);
  if (arrive(cpu, gate)) return;
  cpu.idling = <u32>(gate == GATE_GUEST_ENTRY && cpu.rdi == 1);
  cpu.rax = 0;
}

/** What has to be done about a stop. Returns STOP_BUDGET when the CPU can go on. */
function settle(cpu: Cpu, stop: u32): u32 {
  switch (stop) {
    case STOP_GATE:
      pass_gate(cpu);
      return STOP_BUDGET;
    case STOP_SYSCALL:
      enter_syscall(cpu);
      return STOP_BUDGET;
    case STOP_IPI:
      return STOP_BUDGET;
    case STOP_CONTEXT:
      if (cpu.user != 0) cpu.nmi_frame_va = 0; // no NMI is in service any more
      if (is_under_way(cpu) && has_returned(cpu)) {
        end_hypercall(cpu, STOP_RETURN);
        return STOP_BUDGET;
      }
      cpu.state = cpu.user != 0 ? CPU_GUEST : CPU_HYPERVISOR;
      return STOP_BUDGET;
    case STOP_FAULT:
      if (!is_guests_own(cpu)) return crash(cpu);
      crash_guest(cpu);
      return STOP_BUDGET;
    case STOP_HALT:
      if (cpu.borrowed != 0 && !is_under_way(cpu)) return STOP_HALT;
      cpu.halted = 1;
      if (cpu.idling != 0) cpu.state = CPU_IDLE;
      return STOP_BUDGET;
    case STOP_RETURN:
      if (cpu.excursion == 0) return STOP_RETURN;
      cpu.excursion = 0;
      cpu.state = CPU_IDLE;
      return STOP_BUDGET;
    default:
      return stop;
  }
}

/** Up to `quantum` instructions of a CPU that can run. Returns STOP_BUDGET when it can go on,
 *  else what its caller has to deal with: STOP_RETURN, STOP_HALT of a borrowed CPU, STOP_FAULT.
 *  */
export function run_quantum(cpu: Cpu, quantum: u64): u32 {
  enter_domain(cpu.domain, cpu.user != 0);
  if (!deliver(cpu)) {
    cpu.fault_vector = VECTOR_DF;
    cpu.fault_rip = cpu.rip;
    return crash(cpu);
  }
  if (cpu.waiting != 0 || cpu.halted != 0) return STOP_BUDGET;
  enter_domain(cpu.domain, cpu.user != 0);
  const before = cpu.retired;
  const stop = run_cpu(cpu, quantum);
  // An expected fault costs one instruction, so that a fixup that faults again comes to an end.
  const fixed = stop == STOP_FAULT && fix_up(cpu);
  advance(cpu.retired - before + <u64>fixed);
  return stop == STOP_BUDGET || fixed ? STOP_BUDGET : settle(cpu, stop);
}
