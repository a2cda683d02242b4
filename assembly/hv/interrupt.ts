// Interrupts (Intel SDM vol. 3, ch. 6 and 10): requested in a CPU's record, one bit a vector as
// in the APIC's IRR, and delivered at instruction boundaries when the CPU has them enabled. A
// frame is pushed as the processor does it, the handler is the image's. At the patch point before
// the way into a guest a CPU waits with its interrupt window open, so that two CPUs never wait
// for each other; at the tail of the time rendezvous it is closed. NMIs are masked while a CPU
// waits (RFC R223), and served when it goes on.

import { GATE_GUEST_ENTRY, VECTOR_NMI } from "../abi";
import { Cpu, CPU_HYPERVISOR, CPU_OFFLINE, cpu_at } from "./cpu";
import { entry_of_vector } from "./entries";
import { GUARD_NMI_MASK, is_out } from "./guards";
import { header } from "./header";
import { keep_frame } from "./journal";
import { RETURN_VA } from "./layout";
import { peek_off } from "./mem";
import { HYPERVISOR_CS, RFLAGS_IF } from "./smp";
import { INFO_GUEST_REGS, INFO_RIP } from "./stack";

const TF: u64 = 0x100;
const STI: u8 = 0xfb;
const HLT: u8 = 0xf4;

/** Requests an interrupt; false when the image serves none of this vector. */
export function pend(cpu: Cpu, vector: u32): bool {
  if (vector > 255 || entry_of_vector(vector) == 0) return false;
  const at = changetype<usize>(cpu) + offsetof<Cpu>("irr0") + ((<usize>(vector >> 6)) << 3);
  store<u64>(at, load<u64>(at) | ((<u64>1) << (vector & 63)));
  return true;
}

/** The same for every online CPU that runs on its own. */
export function pend_all(vector: u32): void {
  for (let id: u32 = 0; id < header().nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (cpu.live != 0 && cpu.state != CPU_OFFLINE) pend(cpu, vector);
  }
}

export function pend_nmi(cpu: Cpu): bool {
  if (header().nmi_va == 0) return false;
  cpu.nmi_pending = 1;
  return true;
}

/** The APIC's ICR: an interrupt from one CPU to another. One that is not online never takes it. */
export function send_ipi(target: u32, low: u32): bool {
  const vector = low & 0xff;
  if (entry_of_vector(vector) == 0) return false;
  if (target >= header().nr_cpus || cpu_at(target).state == CPU_OFFLINE) return true;
  return pend(cpu_at(target), vector);
}


@inline
export function has_requests(cpu: Cpu): bool {
  return (cpu.irr0 | cpu.irr1 | cpu.irr2 | cpu.irr3) != 0;
}

/** Takes the highest vector requested. */
function take_vector(cpu: Cpu): u32 {
  for (let word: i32 = 3; word >= 0; word--) {
    const at = changetype<usize>(cpu) + offsetof<Cpu>("irr0") + ((<usize>word) << 3);
    const bits = load<u64>(at);
    if (bits == 0) continue;
    const bit = <u32>(63 - clz(bits));
    store<u64>(at, bits & ~((<u64>1) << bit));
    return ((<u32>word) << 6) | bit;
  }
  return 0;
}

/** An NMI is in service until its frame has been popped: further ones wait (SDM vol. 3, 6.7.1). */
export function is_in_nmi(cpu: Cpu): bool {
  if (cpu.nmi_frame_va == 0) return false;
  if (cpu.user == 0 && cpu.rsp <= cpu.nmi_frame_va) return true;
  cpu.nmi_frame_va = 0;
  return false;
}

/** Between STI and HLT nothing is delivered: what the handler asks for would be slept over. */
function is_shadowed(cpu: Cpu): bool {
  if (cpu.user != 0 || cpu.halted != 0) return false;
  const at = peek_off(cpu.rip);
  if (at == 0 || load<u8>(at) != HLT) return false;
  const before = peek_off(cpu.rip - 1);
  return before != 0 && load<u8>(before) == STI;
}


@inline
function takes_nmi(cpu: Cpu): bool {
  if (cpu.nmi_pending == 0) return false;
  if (cpu.waiting != 0 && (!is_out(GUARD_NMI_MASK) || cpu.waiting != GATE_GUEST_ENTRY))
    return false;
  return !is_in_nmi(cpu);
}


@inline
function takes_interrupt(cpu: Cpu): bool {
  if (!has_requests(cpu)) return false;
  if (cpu.waiting != 0) return cpu.waiting == GATE_GUEST_ENTRY;
  return (cpu.rflags & RFLAGS_IF) != 0;
}

/** Whether deliver() would deliver something, but for the shadow of STI. */
export function is_wanted(cpu: Cpu): bool {
  return takes_nmi(cpu) || takes_interrupt(cpu);
}

function push_word(va: u64, value: u64): bool {
  const off = peek_off(va);
  if (off == 0 || !keep_frame(off)) return false;
  store<u64>(off, value);
  return true;
}

/** Enters `entry_va` as through an interrupt gate. False: the stack has no room. */
function enter(cpu: Cpu, entry_va: u64): bool {
  const parked = cpu.live == 0 && cpu.borrowed == 0 && cpu.state != CPU_HYPERVISOR;
  if (parked) {
    cpu.rsp = cpu.stack_top_va - INFO_GUEST_REGS;
    cpu.rip = RETURN_VA;
    cpu.excursion = 1;
  }
  let rsp = cpu.rsp & ~15;
  if (cpu.user != 0) rsp = cpu.stack_top_va - INFO_RIP + 40;
  if (!push_word(rsp - 8, cpu.ss) || !push_word(rsp - 40, cpu.rip)) return false;
  push_word(rsp - 16, cpu.rsp);
  push_word(rsp - 24, cpu.rflags);
  push_word(rsp - 32, cpu.cs);
  cpu.rsp = rsp - 40;
  cpu.rip = entry_va;
  cpu.rflags = cpu.rflags & ~(RFLAGS_IF | TF);
  cpu.cs = HYPERVISOR_CS;
  cpu.ss = 0;
  cpu.user = 0;
  cpu.state = CPU_HYPERVISOR;
  cpu.halted = 0;
  cpu.idling = 0;
  return true;
}

/** Delivers what is requested and may be delivered now. False: the hypervisor's stack is used up.
 *  */
export function deliver(cpu: Cpu): bool {
  if (takes_nmi(cpu)) {
    cpu.nmi_pending = 0;
    cpu.waiting = 0;
    if (!enter(cpu, header().nmi_va)) return false;
    cpu.nmi_frame_va = cpu.rsp;
    return true;
  }
  if (!takes_interrupt(cpu) || is_shadowed(cpu)) return true;
  if (cpu.waiting != 0) {
    cpu.waiting = 0; // it comes back to its gate
    cpu.interrupted = 1;
  }
  return enter(cpu, entry_of_vector(take_vector(cpu)));
}

/** INT n of hypervisor code: through the image's entry, NMIs not masked (SDM vol. 3, 6.7.1).
 *  False: there is no such entry, or no room on the stack. */
export function enter_by_instruction(cpu: Cpu, vector: u32): bool {
  const entry_va = vector == <u32>VECTOR_NMI ? header().nmi_va : entry_of_vector(vector);
  return entry_va != 0 && enter(cpu, entry_va);
}
