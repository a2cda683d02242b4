// Moves and conversions (Intel SDM vol. 2: MOV, MOVZX, MOVSX, MOVSXD, LEA, CBW to CQO, SETcc,
// CMOVcc, XLAT).

import { Cpu } from "../cpu";
import { read_off } from "../mem";
import { condition_of, sign_extend, sign_of } from "./flags";
import { Insn, INSN_ADDR32, INSN_TO_REG } from "./insn";
import { Op } from "./ops";
import {
  effective_offset,
  get_reg,
  get_source,
  load_width,
  rm_read,
  rm_write,
  segment_base,
  set_register,
  set_rm,
} from "./operand";
import { DONE, FAULT } from "./result";

export function do_mov(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  if (insn.has(INSN_TO_REG)) {
    const off = rm_read(cpu, insn, width);
    if (off == 0) return FAULT;
    set_register(cpu, insn.reg, width, load_width(off, width));
    return DONE;
  }
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, width, get_source(cpu, insn, width));
  return DONE;
}

/** MOVZX MOVSX MOVSXD; `sub` is the width of the source. */
export function do_extend(cpu: Cpu, insn: Insn): u32 {
  const from: u32 = min<u32>(insn.sub, insn.width);
  const off = rm_read(cpu, insn, from);
  if (off == 0) return FAULT;
  const value = load_width(off, from);
  const extended = insn.id == Op.Movsx ? sign_extend(value, from) : value;
  set_register(cpu, insn.reg, insn.width, extended);
  return DONE;
}

export function do_lea(cpu: Cpu, insn: Insn): u32 {
  set_register(cpu, insn.reg, insn.width, effective_offset(cpu, insn));
  return DONE;
}

/** CBW CWDE CDQE: RAX from its lower half. */
export function do_cbw(cpu: Cpu, insn: Insn): u32 {
  set_register(cpu, 0, insn.width, sign_extend(cpu.rax, insn.width - 1));
  return DONE;
}

/** CWD CDQ CQO: RDX filled with the sign of RAX. */
export function do_cwd(cpu: Cpu, insn: Insn): u32 {
  const negative = (cpu.rax & sign_of(insn.width)) != 0;
  set_register(cpu, 16, insn.width, negative ? ~(<u64>0) : 0);
  return DONE;
}

export function do_setcc(cpu: Cpu, insn: Insn): u32 {
  const off = rm_write(cpu, insn, 0);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, 0, condition_of(cpu.rflags, insn.sub) ? 1 : 0);
  return DONE;
}

/** Reads its source in any case, and clears the upper half of a 32-bit register in any case. */
export function do_cmov(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const met = condition_of(cpu.rflags, insn.sub);
  const value = met ? load_width(off, width) : get_reg(cpu, insn, width);
  set_register(cpu, insn.reg, width, value);
  return DONE;
}

export function do_xlat(cpu: Cpu, insn: Insn): u32 {
  let offset = cpu.rbx + (cpu.rax & 0xff);
  if (insn.has(INSN_ADDR32)) offset &= 0xffffffff;
  const off = read_off(offset + segment_base(cpu, insn), 1);
  if (off == 0) return FAULT;
  set_register(cpu, 0, 0, load<u8>(off));
  return DONE;
}
