// The stack (Intel SDM vol. 1, ch. 6): PUSH, POP, PUSHF, POPF, ENTER, LEAVE. RSP changes only after
// the access succeeded.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { is_canonical, latch_fault, read_off, write_off } from "../mem";
import { FIXED, IF, POPF_MASK, RF } from "./flags";
import { FS_BASE, GS_BASE, Insn, INSN_MEM, SEG_FS, SEG_GS } from "./insn";
import { Op } from "./ops";
import {
  address_va,
  load_width,
  rm_read,
  rm_write,
  set_register,
  set_rm,
  store_memory,
} from "./operand";
import { DONE, FAULT } from "./result";

const RSP: u8 = 32;
const RBP: u8 = 40;

/** Is the memory operand in the stack segment? RSP and RBP as base mean it, without FS and GS. */
function is_stack_operand(insn: Insn): bool {
  if (!insn.has(INSN_MEM) || (insn.base != RSP && insn.base != RBP)) return false;
  return (insn.scale & (SEG_FS | SEG_GS)) == 0 && insn.index != FS_BASE && insn.index != GS_BASE;
}

/** Of the instruction that used an address which is not canonical: was it one of the stack? */
export function is_stack_access(cpu: Cpu, insn: Insn): bool {
  switch (<u32>insn.id) {
    case Op.Push:
    case Op.Pop:
    case Op.CallRm: {
      // Two accesses, if the operand is in memory.
      if (!insn.has(INSN_MEM)) return true;
      const va = address_va(cpu, insn);
      const last_va = va + (1 << (<u64>insn.width)) - 1;
      return (is_canonical(va) && is_canonical(last_va)) || is_stack_operand(insn);
    }
    case Op.PushImm:
    case Op.Pushf:
    case Op.Popf:
    case Op.Leave:
    case Op.Enter:
    case Op.Ret:
    case Op.Iret:
    case Op.Call:
      return true;
    default:
      return is_stack_operand(insn);
  }
}

/** Pushes `value`; false with a latched fault. */
export function push(cpu: Cpu, width: u32, value: u64): bool {
  const va = cpu.rsp - (1 << width);
  const off = write_off(va, 1 << width);
  if (off == 0) return false;
  store_memory(off, width, value);
  cpu.rsp = va;
  return true;
}

export function do_push(cpu: Cpu, insn: Insn): u32 {
  const off = rm_read(cpu, insn, insn.width);
  if (off == 0) return FAULT;
  return push(cpu, insn.width, load_width(off, insn.width)) ? DONE : FAULT;
}

export function do_push_imm(cpu: Cpu, insn: Insn): u32 {
  return push(cpu, insn.width, insn.imm) ? DONE : FAULT;
}

/** An address in RSP's terms counts after the increment. */
export function do_pop(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const from = cpu.rsp;
  const off = read_off(from, 1 << width);
  if (off == 0) return FAULT;
  const value = load_width(off, width);
  cpu.rsp = from + (1 << width);
  if (!insn.has(INSN_MEM)) {
    set_register(cpu, insn.rm, width, value);
    return DONE;
  }
  const to_off = rm_write(cpu, insn, width);
  if (to_off == 0) {
    cpu.rsp = from;
    return FAULT;
  }
  set_rm(cpu, insn, to_off, width, value);
  return DONE;
}

export function do_pushf(cpu: Cpu, insn: Insn): u32 {
  return push(cpu, insn.width, cpu.rflags & ~RF) ? DONE : FAULT;
}

/** User code cannot change IF (IOPL is 0). */
export function do_popf(cpu: Cpu, insn: Insn): u32 {
  const off = read_off(cpu.rsp, 1 << (<u32>insn.width));
  if (off == 0) return FAULT;
  let mask = POPF_MASK;
  if (cpu.user != 0) mask &= ~IF;
  if (insn.width == 1) mask &= 0xffff;
  cpu.rflags = (cpu.rflags & ~(mask | RF)) | (load_width(off, insn.width) & mask) | FIXED;
  cpu.rsp += 1 << (<u32>insn.width);
  return DONE;
}

export function do_leave(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = read_off(cpu.rbp, 1 << width);
  if (off == 0) return FAULT;
  cpu.rsp = cpu.rbp + (1 << width);
  set_register(cpu, 40, width, load_width(off, width));
  return DONE;
}

/** Nesting levels are for languages that nobody compiles any more: refused, as #GP. */
export function do_enter(cpu: Cpu, insn: Insn): u32 {
  if (insn.imm >> 16 != 0 || insn.width != 3) {
    latch_fault(VECTOR_GP, 0);
    return FAULT;
  }
  const frame = cpu.rsp - 8;
  const size = insn.imm & 0xffff;
  // The processor also checks that the new stack top can be written.
  if (write_off(frame, 8) == 0 || write_off(frame - size, 8) == 0) return FAULT;
  push(cpu, 3, cpu.rbp);
  cpu.rbp = frame;
  cpu.rsp = frame - size;
  return DONE;
}
