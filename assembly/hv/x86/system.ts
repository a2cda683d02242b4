// System instructions that are no matter of segments, control registers or ports (Intel SDM vol. 2
// and 3): privilege, MSRs, the TLB, time, interrupts by instruction.

import {
  STOP_FAULT,
  STOP_GATE,
  STOP_HALT,
  STOP_IPI,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_OF,
  VECTOR_UD,
} from "../../abi";
import { Cpu } from "../cpu";
import { flush_tlb } from "../pages";
import { is_canonical, read_off } from "../mem";
import { identify } from "./cpuid";
import { AC, change_flags, has_io_privilege, IF } from "./flags";
import { Insn, INSN_ADDR32 } from "./insn";
import { is_icr, read_msr, time_stamp, write_msr } from "./msr";
import { Op } from "./ops";
import { address_va, load_width, rm_read, segment_base, set_register } from "./operand";
import { DONE, FAULT, JUMP, raise, STOP } from "./result";
import { CR0_TS, CR4_FSGSBASE, CR4_TSD } from "./state";

let enter_vector: ((cpu: Cpu, vector: u32) => bool) | null = null;

/** Who delivers an interrupt that an instruction of the hypervisor asks for; false: the image
 *  serves none of this vector. */
export function install_vectors(hook: (cpu: Cpu, vector: u32) => bool): void {
  enter_vector = hook;
}


@inline
function stop_behind(cpu: Cpu, insn: Insn, reason: u32): u32 {
  cpu.rip += insn.len;
  return STOP + reason;
}

/** Instructions without operands that are refused outside of ring 0. */
export function do_privileged(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  switch (<u32>insn.id) {
    case Op.Hlt:
      return stop_behind(cpu, insn, STOP_HALT);
    case Op.Clts:
      cpu.cr0 &= ~CR0_TS;
      break;
    case Op.Rdmsr:
      return read_msr(cpu) ? DONE : raise(VECTOR_GP, 0);
    case Op.Wrmsr:
      if (!write_msr(cpu)) return raise(VECTOR_GP, 0);
      // Whoever was called should get a turn before this CPU begins to wait for it.
      return is_icr(cpu) ? stop_behind(cpu, insn, STOP_IPI) : DONE;
    case Op.Invlpg:
      flush_tlb();
      break;
    case Op.Swapgs: {
      const base = cpu.gs_base;
      cpu.gs_base = cpu.kernel_gs_base;
      cpu.kernel_gs_base = base;
      break;
    }
    default:
      break; // WBINVD, INVD
  }
  return DONE;
}

/** CLI STI: IOPL decides. CLAC STAC: not an instruction outside of ring 0. */
export function do_mask(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.Clac || insn.id == Op.Stac) {
    if (cpu.user != 0) return raise(VECTOR_UD, 0);
    change_flags(cpu, AC, insn.id == Op.Stac ? AC : 0);
    return DONE;
  }
  if (!has_io_privilege(cpu)) return raise(VECTOR_GP, 0);
  change_flags(cpu, IF, insn.id == Op.Sti ? IF : 0);
  return DONE;
}

/** Types of INVPCID: one address, one context, all with and all without global ones. */
const INVPCID_ADDRESS: u64 = 0;
const INVPCID_TYPES: u64 = 4;

export function do_invpcid(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const off = read_off(address_va(cpu, insn), 16);
  if (off == 0) return FAULT;
  const kind = load<u64>(changetype<usize>(cpu) + <usize>insn.reg);
  let good = kind < INVPCID_TYPES;
  if (kind < 2) good = load<u64>(off) == 0; // no PCID but 0, as CR4 has no PCIDE
  if (kind == INVPCID_ADDRESS) good = good && is_canonical(load<u64>(off, 8));
  if (!good) return raise(VECTOR_GP, 0);
  flush_tlb();
  return DONE;
}

/** MONITOR MWAIT: a hint to wait; this processor goes on at once, as it may (vol. 2, MWAIT). */
export function do_monitor(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_UD, 0);
  if (insn.id == Op.Mwait) return ((<u32>cpu.rcx) & ~1) != 0 ? raise(VECTOR_GP, 0) : DONE;
  if (<u32>cpu.rcx != 0) return raise(VECTOR_GP, 0);
  const offset = insn.has(INSN_ADDR32) ? cpu.rax & 0xffffffff : cpu.rax;
  return read_off(offset + segment_base(cpu, insn), 1) == 0 ? FAULT : DONE;
}

/** CLFLUSH CLFLUSHOPT CLWB: nothing to write back, but the address must be readable. */
export function do_flush(cpu: Cpu, insn: Insn): u32 {
  return rm_read(cpu, insn, 0) == 0 ? FAULT : DONE;
}

function is_refused(cpu: Cpu, mask: u64): bool {
  return cpu.user != 0 && (cpu.cr4 & mask) != 0;
}

/** CPUID, RDTSC and their kind: any ring may ask, as far as CR4 allows it. */
export function do_identify(cpu: Cpu, insn: Insn): u32 {
  switch (<u32>insn.id) {
    case Op.Cpuid:
      identify(cpu);
      break;
    case Op.Rdpid:
      set_register(cpu, insn.rm, 3, cpu.id);
      break;
    case Op.Rdpmc:
      return raise(VECTOR_GP, 0); // CPUID announces no counter
    default:
      if (is_refused(cpu, CR4_TSD)) return raise(VECTOR_GP, 0);
      if (insn.id == Op.Rdtscp) cpu.rcx = cpu.id;
      cpu.rax = time_stamp() & 0xffffffff;
      cpu.rdx = time_stamp() >> 32;
  }
  return DONE;
}

/** RDFSBASE RDGSBASE WRFSBASE WRGSBASE. */
export function do_segment_base(cpu: Cpu, insn: Insn): u32 {
  if ((cpu.cr4 & CR4_FSGSBASE) == 0) return raise(VECTOR_UD, 0);
  const id: u32 = insn.id;
  if (id == Op.Rdfsbase || id == Op.Rdgsbase) {
    set_register(cpu, insn.rm, insn.width, id == Op.Rdfsbase ? cpu.fs_base : cpu.gs_base);
    return DONE;
  }
  const value = load_width(changetype<usize>(cpu) + insn.rm, insn.width);
  if (!is_canonical(value)) return raise(VECTOR_GP, 0);
  if (id == Op.Wrfsbase) cpu.fs_base = value;
  else cpu.gs_base = value;
  return DONE;
}

/** VMCALL: the gate into the machine, for hypervisor code only. */
export function do_vmcall(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_UD, 0);
  return stop_behind(cpu, insn, STOP_GATE);
}

/** A trap: the instruction is done, and RIP is behind it (vol. 3, 6.5). */
function trap(cpu: Cpu, insn: Insn, vector: u32): u32 {
  latch_trap(cpu, vector, cpu.rip);
  return stop_behind(cpu, insn, STOP_FAULT);
}

/** Fills the CPU's fault latch about the instruction at `va`, which has been executed. */
export function latch_trap(cpu: Cpu, vector: u32, va: u64): void {
  cpu.fault_vector = vector;
  cpu.fault_error = 0;
  cpu.fault_va = 0;
  cpu.fault_rip = va;
}

/**
 * INT n. Gates that ring 3 may use lead to #BP and #OF, as in Xen's IDT; through all others it gets
 * #GP with the vector and the IDT bit. Hypervisor code reaches what the image serves.
 */
function interrupt(cpu: Cpu, insn: Insn, vector: u32): u32 {
  if (vector == VECTOR_BP || vector == VECTOR_OF) return trap(cpu, insn, vector);
  const hook = enter_vector;
  const start_va = cpu.rip;
  if (cpu.user == 0 && hook !== null) {
    cpu.rip += insn.len; // where the handler comes back to
    if (hook(cpu, vector)) return JUMP;
    cpu.rip = start_va;
  }
  return raise(VECTOR_GP, (vector << 3) | 2);
}

/** INT1 INT3 INT UD. */
export function do_trap(cpu: Cpu, insn: Insn): u32 {
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Int1: return trap(cpu, insn, VECTOR_DB);
    case Op.Int3: return trap(cpu, insn, VECTOR_BP);
    case Op.Int: return interrupt(cpu, insn, <u32>insn.imm);
    default: return raise(VECTOR_UD, 0);
  }
}
