// System instructions (Intel SDM vol. 3): privilege, control registers, ports, interrupts and the
// ways in and out of the hypervisor. There is no descriptor table here: interrupts and faults are
// delivered by the scheduler, so INT n is #GP and LGDT and its relatives are not instructions of
// this machine.

import {
  STOP_CONTEXT,
  STOP_GATE,
  STOP_HALT,
  STOP_IPI,
  STOP_SYSCALL,
  VECTOR_BP,
  VECTOR_GP,
  VECTOR_UD,
} from "../../abi";
import { Cpu } from "../cpu";
import { flush_tlb } from "../pages";
import { is_canonical, latch_fault, read_off } from "../mem";
import { AC, change_flags, FIXED, IF, POPF_MASK, RF, ZF } from "./flags";
import { Insn, INSN_IMM, INSN_MEM } from "./insn";
import { identify, is_icr, read_msr, time_stamp, write_msr } from "./msr";
import { Op } from "./ops";
import { load_width, rm_read, rm_write, set_register, set_rm } from "./operand";
import { DONE, FAULT, JUMP, STOP } from "./result";

let port_out: ((port: u32, value: u32) => void) | null = null;

/** Who takes OUT: the console listens at port 0xe9. */
export function install_port_out(hook: (port: u32, value: u32) => void): void {
  port_out = hook;
}

export function raise(vector: u32, error: u32): u32 {
  latch_fault(vector, error);
  return FAULT;
}


@inline
function stop_behind(cpu: Cpu, insn: Insn, reason: u32): u32 {
  cpu.rip += insn.len;
  return STOP + reason;
}

/** IN reads all ones: nobody answers. OUT reaches the hook. */
export function do_port(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const width = min<u32>(insn.width, 2);
  const port = insn.has(INSN_IMM) ? <u32>insn.imm : (<u32>cpu.rdx) & 0xffff;
  if (insn.id == Op.In) {
    set_register(cpu, 0, width, ~(<u64>0));
    return DONE;
  }
  const hook = port_out;
  if (hook !== null) {
    for (let i: u32 = 0; i < 1 << width; i++) hook(port + i, ((<u32>cpu.rax) >> (8 * i)) & 0xff);
  }
  return DONE;
}

/** MOV to and from CR0 CR2 CR3 CR4 CR8, and debug registers, which hold their reset values. */
export function do_control(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const id: u32 = insn.id;
  const number: u32 = insn.reg >> 3;
  const value = load<u64>(changetype<usize>(cpu) + insn.rm);
  if (id == Op.ReadDr) {
    set_register(cpu, insn.rm, 3, number == 6 ? 0xffff0ff0 : number == 7 ? 0x400 : 0);
    return DONE;
  }
  if (id == Op.WriteDr) return DONE;
  const at = changetype<usize>(cpu);
  let off: usize;
  if (number == 0) off = at + offsetof<Cpu>("cr0");
  else if (number == 2) off = at + offsetof<Cpu>("cr2");
  else if (number == 3) off = at + offsetof<Cpu>("cr3");
  else if (number == 4) off = at + offsetof<Cpu>("cr4");
  else if (number == 8) off = at + offsetof<Cpu>("cr8");
  else return raise(VECTOR_UD, 0);
  if (id == Op.ReadCr) set_register(cpu, insn.rm, 3, load<u64>(off));
  else store<u64>(off, value);
  return DONE;
}

/** What needs ring 0 and has no operands. */
export function do_privileged(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) {
    const is_smap = insn.id == Op.Clac || insn.id == Op.Stac;
    return raise(is_smap ? VECTOR_UD : VECTOR_GP, 0);
  }
  switch (<u32>insn.id) {
    case Op.Hlt:
      return stop_behind(cpu, insn, STOP_HALT);
    case Op.Cli:
      change_flags(cpu, IF, 0);
      break;
    case Op.Sti:
      change_flags(cpu, IF, IF);
      break;
    case Op.Clac:
      change_flags(cpu, AC, 0);
      break;
    case Op.Stac:
      change_flags(cpu, AC, AC);
      break;
    case Op.Clts:
      cpu.cr0 &= ~(<u64>8);
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

/** What any ring may execute and only touches registers. */
export function do_unprivileged(cpu: Cpu, insn: Insn): u32 {
  switch (<u32>insn.id) {
    case Op.Cpuid:
      identify(cpu);
      break;
    case Op.Rdtscp:
      cpu.rcx = cpu.id; // falls through
    case Op.Rdtsc:
      cpu.rax = time_stamp() & 0xffffffff;
      cpu.rdx = time_stamp() >> 32;
      break;
    case Op.Rdpid:
      set_register(cpu, insn.rm, 3, cpu.id);
      break;
    case Op.Rdfsbase:
      set_register(cpu, insn.rm, insn.width, cpu.fs_base);
      break;
    case Op.Rdgsbase:
      set_register(cpu, insn.rm, insn.width, cpu.gs_base);
      break;
    default: {
      const value = load_width(changetype<usize>(cpu) + insn.rm, insn.width);
      if (!is_canonical(value)) return raise(VECTOR_GP, 0);
      if (insn.id == Op.Wrfsbase) cpu.fs_base = value;
      else cpu.gs_base = value;
    }
  }
  return DONE;
}

/** VERW: without descriptor tables, a selector can be written when it is not null. */
export function do_verw(cpu: Cpu, insn: Insn): u32 {
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  change_flags(cpu, ZF, (load<u16>(off) & ~3) != 0 ? ZF : 0);
  return DONE;
}

/** Selectors in ModRM.reg order: ES CS SS DS FS GS. */
function selector_off(cpu: Cpu, number: u32): usize {
  const at = changetype<usize>(cpu);
  switch (number) {
    case 0:
      return at + offsetof<Cpu>("es");
    case 1:
      return at + offsetof<Cpu>("cs");
    case 2:
      return at + offsetof<Cpu>("ss");
    case 3:
      return at + offsetof<Cpu>("ds");
    case 4:
      return at + offsetof<Cpu>("fs");
    case 5:
      return at + offsetof<Cpu>("gs");
    default:
      return 0;
  }
}

export function do_segment(cpu: Cpu, insn: Insn): u32 {
  const number = (<u32>(insn.reg >> 3)) & 7;
  const selector = selector_off(cpu, number);
  if (selector == 0) return raise(VECTOR_UD, 0);
  if (insn.id == Op.ReadSeg) {
    const width: u32 = insn.has(INSN_MEM) ? 1 : insn.width;
    const off = rm_write(cpu, insn, width);
    if (off == 0) return FAULT;
    set_rm(cpu, insn, off, width, load<u16>(selector));
    return DONE;
  }
  if (number == 1) return raise(VECTOR_UD, 0);
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  store<u16>(selector, load<u16>(off));
  if (number == 4) cpu.fs_base = 0;
  else if (number == 5) cpu.gs_base = 0;
  return DONE;
}

/** IRETQ. A change of ring stops: what addresses mean changes with it. */
export function do_iret(cpu: Cpu, insn: Insn): u32 {
  if (insn.width != 3) return raise(VECTOR_GP, 0);
  const off = read_off(cpu.rsp, 40);
  if (off == 0) return FAULT;
  const cs = load<u16>(off, 8);
  const to_user = (cs & 3) != 0;
  if (!is_canonical(load<u64>(off)) || (cpu.user != 0 && !to_user))
    return raise(VECTOR_GP, cs & ~3);
  const mask = cpu.user != 0 ? POPF_MASK & ~IF : POPF_MASK;
  cpu.rip = load<u64>(off);
  cpu.cs = cs;
  cpu.rflags = (cpu.rflags & ~(mask | RF)) | (load<u64>(off, 16) & mask) | FIXED;
  cpu.ss = load<u16>(off, 32);
  cpu.rsp = load<u64>(off, 24);
  if (to_user == (cpu.user != 0)) return JUMP;
  cpu.user = <u32>to_user;
  return STOP + STOP_CONTEXT;
}

/** SYSCALL from user code: the scheduler brings the CPU into the hypervisor. */
export function do_syscall(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user == 0) return raise(VECTOR_UD, 0);
  cpu.rcx = cpu.rip + insn.len;
  cpu.r11 = cpu.rflags & ~RF;
  return stop_behind(cpu, insn, STOP_SYSCALL);
}

export function do_sysret(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0 || insn.width != 3 || !is_canonical(cpu.rcx)) return raise(VECTOR_GP, 0);
  cpu.rip = cpu.rcx;
  cpu.rflags = (cpu.r11 & (POPF_MASK | 0x3000)) | FIXED;
  cpu.cs = (<u16>((cpu.star >> 48) + 16)) | 3;
  cpu.ss = (<u16>((cpu.star >> 48) + 8)) | 3;
  cpu.user = 1;
  return STOP + STOP_CONTEXT;
}

/** VMCALL: the gate into the machine, for hypervisor code only. */
export function do_vmcall(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user != 0) return raise(VECTOR_UD, 0);
  return stop_behind(cpu, insn, STOP_GATE);
}

export function do_trap(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.Int3) return raise(VECTOR_BP, 0);
  // Error code of a missing gate: IDT bit, vector.
  if (insn.id == Op.Int) return raise(VECTOR_GP, ((<u32>insn.imm) << 3) | 2);
  return raise(VECTOR_UD, 0);
}
