// Transfers of control (Intel SDM vol. 2: CALL, RET, JMP, Jcc, LOOPcc, JRCXZ). A target that is not
// canonical faults at the branch, before anything is pushed or popped.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { is_canonical, latch_fault, read_off, write_off } from "../mem";
import { condition_of, ZF } from "./flags";
import { Insn, INSN_ADDR32 } from "./insn";
import { Op } from "./ops";
import { rm_read } from "./operand";
import { DONE, FAULT, JUMP } from "./result";
import { push } from "./stack";

function transfer(cpu: Cpu, target_va: u64): u32 {
  cpu.rip = target_va;
  return JUMP;
}

function bad_target(): u32 {
  latch_fault(VECTOR_GP, 0);
  return FAULT;
}

/** CALL rel32 and JMP rel. */
export function do_jump(cpu: Cpu, insn: Insn): u32 {
  if (!is_canonical(insn.imm)) return bad_target();
  if (insn.id == Op.Call && !push(cpu, 3, cpu.rip + insn.len)) return FAULT;
  return transfer(cpu, insn.imm);
}

/** CALL r/m64 and JMP r/m64. */
export function do_jump_indirect(cpu: Cpu, insn: Insn): u32 {
  const off = rm_read(cpu, insn, 3);
  if (off == 0) return FAULT;
  const target_va = load<u64>(off);
  const calls = insn.id == Op.CallRm;
  if (calls && write_off(cpu.rsp - 8, 8) == 0) return FAULT;
  if (!is_canonical(target_va)) return bad_target();
  if (calls) push(cpu, 3, cpu.rip + insn.len);
  return transfer(cpu, target_va);
}

export function do_ret(cpu: Cpu, insn: Insn): u32 {
  const off = read_off(cpu.rsp, 8);
  if (off == 0) return FAULT;
  const target_va = load<u64>(off);
  if (!is_canonical(target_va)) return bad_target();
  cpu.rsp += 8 + insn.imm;
  return transfer(cpu, target_va);
}

export function do_jcc(cpu: Cpu, insn: Insn): u32 {
  return condition_of(cpu.rflags, insn.sub) ? transfer(cpu, insn.imm) : DONE;
}

/** LOOP LOOPE LOOPNE JRCXZ: they count in RCX, or ECX with an address-size prefix. */
export function do_loop(cpu: Cpu, insn: Insn): u32 {
  const mask: u64 = insn.has(INSN_ADDR32) ? 0xffffffff : ~(<u64>0);
  if (insn.id == Op.Jrcxz) return (cpu.rcx & mask) == 0 ? transfer(cpu, insn.imm) : DONE;
  cpu.rcx = (cpu.rcx - 1) & mask;
  let taken = cpu.rcx != 0;
  const zero = (cpu.rflags & ZF) != 0;
  if (insn.id == Op.Loope) taken = taken && zero;
  else if (insn.id == Op.Loopne) taken = taken && !zero;
  return taken ? transfer(cpu, insn.imm) : DONE;
}
