// The stack (Intel SDM vol. 1, ch. 6): PUSH, POP, PUSHF, POPF, ENTER, LEAVE. RSP changes only after
// the access succeeded.

import { STOP_BUDGET } from "../../abi";
import { Cpu } from "../cpu";
import { is_canonical, read_off, write_off } from "../mem";
import { FIXED, has_io_privilege, IF, IOPL, POPF_MASK, RF, TF } from "./flags";
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
import { DONE, FAULT, STOP } from "./result";

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
    case Op.RetFar:
    case Op.Iret:
    case Op.Call:
    case Op.PushSeg:
    case Op.PopSeg:
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

/** Ring 3 cannot change IOPL, nor IF below IOPL 3. With TF set the run goes on in single steps. */
export function do_popf(cpu: Cpu, insn: Insn): u32 {
  const off = read_off(cpu.rsp, 1 << (<u32>insn.width));
  if (off == 0) return FAULT;
  let mask = POPF_MASK | (cpu.user != 0 ? 0 : IOPL);
  if (!has_io_privilege(cpu)) mask &= ~IF;
  if (insn.width == 1) mask &= 0xffff;
  cpu.rflags = (cpu.rflags & ~(mask | RF)) | (load_width(off, insn.width) & mask) | FIXED;
  cpu.rsp += 1 << (<u32>insn.width);
  if ((cpu.rflags & TF) == 0) return DONE;
  cpu.rip += insn.len;
  return STOP + STOP_BUDGET;
}

export function do_leave(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = read_off(cpu.rbp, 1 << width);
  if (off == 0) return FAULT;
  cpu.rsp = cpu.rbp + (1 << width);
  set_register(cpu, RBP, width, load_width(off, width));
  return DONE;
}

/** ENTER: a frame with a display of its `levels` outer ones. All is looked at before anything is
 *  written, in the order of the accesses; the new stack top must be writable, too. */
export function do_enter(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const size: u64 = 1 << width;
  const levels = (insn.imm >> 16) & 31;
  const frame = cpu.rsp - size;
  const top = frame - levels * size;
  const end = top - (insn.imm & 0xffff);
  if (write_off(frame, <u32>size) == 0) return FAULT;
  for (let n: u64 = 1; n <= levels; n++) {
    if (n < levels && read_off(cpu.rbp - n * size, <u32>size) == 0) return FAULT;
    if (write_off(frame - n * size, <u32>size) == 0) return FAULT;
  }
  if (write_off(end, <u32>size) == 0) return FAULT;
  push(cpu, width, cpu.rbp);
  for (let n: u64 = 1; n < levels; n++) {
    push(cpu, width, load_width(read_off(cpu.rbp - n * size, <u32>size), width));
  }
  if (levels != 0) push(cpu, width, frame);
  set_register(cpu, RBP, width, frame);
  cpu.rsp = end;
  return DONE;
}
