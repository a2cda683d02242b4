// ADD..CMP, TEST, INC, DEC, NOT, NEG, and their exchanging relatives XADD and CMPXCHG (Intel SDM
// vol. 2). Width is data. LOCK needs nothing: one CPU executes at a time.

import { Cpu } from "../cpu";
import { BOUNCE_OFF, commit_split, write_off } from "../mem";
import {
  add_flags,
  ARITHMETIC,
  CF,
  change_flags,
  mask_of,
  result_flags,
  set_flags,
  sub_flags,
  ZF,
} from "./flags";
import { Insn, INSN_TO_REG } from "./insn";
import { Op } from "./ops";
import {
  address_va,
  get_reg,
  get_source,
  load_width,
  misaligned,
  rm_read,
  rm_write,
  set_register,
  set_rm,
} from "./operand";
import { DONE, FAULT } from "./result";

/** The operation on values masked to `width`; sets the flags, returns the masked result. */
export function alu(cpu: Cpu, id: u32, width: u32, a: u64, b: u64): u64 {
  const mask = mask_of(width);
  let result: u64;
  // prettier-ignore
  switch (id) {
    case Op.Add: result = (a + b) & mask; break;
    case Op.Adc: result = (a + b + (cpu.rflags & CF)) & mask; break;
    case Op.Sbb: result = (a - b - (cpu.rflags & CF)) & mask; break;
    case Op.Sub:
    case Op.Cmp: result = (a - b) & mask; break;
    case Op.Or: result = a | b; break;
    case Op.Xor: result = a ^ b; break;
    default: result = a & b;
  }
  if (id == Op.Add || id == Op.Adc) set_flags(cpu, add_flags(a, b, result, width));
  else if (id == Op.Sub || id == Op.Sbb || id == Op.Cmp) {
    set_flags(cpu, sub_flags(a, b, result, width));
  } else set_flags(cpu, result_flags(result, width));
  return result;
}

/** ADD OR ADC SBB AND SUB XOR CMP TEST, whichever way the operands go. */
export function do_alu(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const id: u32 = insn.id;
  if (insn.has(INSN_TO_REG)) {
    const off = rm_read(cpu, insn, width);
    if (off == 0) return FAULT;
    const result = alu(cpu, id, width, get_reg(cpu, insn, width), load_width(off, width));
    if (id != Op.Cmp) set_register(cpu, insn.reg, width, result);
    return DONE;
  }
  const keeps = id == Op.Cmp || id == Op.Test;
  const off = keeps ? rm_read(cpu, insn, width) : rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const result = alu(cpu, id, width, load_width(off, width), get_source(cpu, insn, width));
  if (!keeps) set_rm(cpu, insn, off, width, result);
  return DONE;
}

/** INC DEC NOT NEG. */
export function do_unary(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  const mask = mask_of(width);
  let result: u64;
  if (insn.id == Op.Not) result = ~a & mask;
  else if (insn.id == Op.Neg) {
    result = (0 - a) & mask;
    set_flags(cpu, sub_flags(0, a, result, width));
  } else if (insn.id == Op.Inc) {
    result = (a + 1) & mask;
    change_flags(cpu, ARITHMETIC & ~CF, add_flags(a, 1, result, width) & ~CF);
  } else {
    result = (a - 1) & mask;
    change_flags(cpu, ARITHMETIC & ~CF, sub_flags(a, 1, result, width) & ~CF);
  }
  set_rm(cpu, insn, off, width, result);
  return DONE;
}

export function do_xadd(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  const sum = alu(cpu, Op.Add, width, a, get_reg(cpu, insn, width));
  set_register(cpu, insn.reg, width, a);
  set_rm(cpu, insn, off, width, sum);
  return DONE;
}

export function do_xchg(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  const b = get_reg(cpu, insn, width);
  set_register(cpu, insn.reg, width, a);
  set_rm(cpu, insn, off, width, b);
  return DONE;
}

/** Needs write permission even when it does not match, as the processor does. */
export function do_cmpxchg(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  const accumulator = cpu.rax & mask_of(width);
  alu(cpu, Op.Cmp, width, accumulator, a);
  if (accumulator == a) set_rm(cpu, insn, off, width, get_reg(cpu, insn, width));
  else set_register(cpu, 0, width, a);
  return DONE;
}

/** CMPXCHG8B, CMPXCHG16B. */
export function do_cmpxchg8(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width == 3 ? 3 : 2;
  const half: usize = 1 << width;
  const va = address_va(cpu, insn);
  if (width == 3 && misaligned(va, 15)) return FAULT;
  const off = write_off(va, <u32>half * 2);
  if (off == 0) return FAULT;
  const low = load_width(off, width);
  const high = load_width(off + half, width);
  const mask = mask_of(width);
  const same = low == (cpu.rax & mask) && high == (cpu.rdx & mask);
  if (same) {
    if (width == 3) {
      store<u64>(off, cpu.rbx);
      store<u64>(off, cpu.rcx, 8);
    } else {
      store<u32>(off, <u32>cpu.rbx);
      store<u32>(off, <u32>cpu.rcx, 4);
    }
    if (off == BOUNCE_OFF) commit_split();
  } else {
    cpu.rax = low;
    cpu.rdx = high;
  }
  change_flags(cpu, ZF, same ? ZF : 0);
  return DONE;
}
