// Transfers that load CS (Intel SDM vol. 3, 5.8 and 6.14; vol. 2: CALL, JMP, RET, IRET, SYSCALL,
// SYSRET, SYSENTER, SYSEXIT). All code is 64-bit: a selector of compatibility mode is refused with
// #GP, and so are call gates. A change of ring stops: what addresses mean changes with it.

import {
  STOP_BUDGET,
  STOP_CONTEXT,
  STOP_SYSCALL,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_UD,
} from "../../abi";
import { Cpu } from "../cpu";
import { is_canonical, latch_fault, read_off, write_off } from "../mem";
import {
  bad_selector,
  dpl,
  find,
  is_64bit,
  is_code,
  is_conforming,
  is_null,
  is_present,
  set_accessed,
} from "./descriptor";
import { FIXED, has_io_privilege, IF, IOPL, NT, POPF_MASK, RF, TF } from "./flags";
import { Insn } from "./insn";
import { Op } from "./ops";
import { address_va, load_width } from "./operand";
import { FAULT, JUMP, raise, STOP } from "./result";
import { check_stack, cpl, drop_segments } from "./segment";
import { push } from "./stack";
import { EFER_SCE, system_of } from "./state";

/** The code segment that a far CALL, JMP (`level` is CPL) or return (`level` is the RPL) names. */
function check_code(cpu: Cpu, selector: u32, returns: bool): bool {
  if (is_null(selector)) return bad_selector(VECTOR_GP, 0);
  if (!find(cpu, selector)) return false;
  const rpl = selector & 3;
  const level = returns ? rpl : cpl(cpu);
  let good = is_code() && is_64bit();
  if (returns) good = good && rpl >= cpl(cpu) && (rpl == 0 || rpl == 3);
  else good = good && (is_conforming() || rpl <= level);
  if (!good || (is_conforming() ? dpl() > level : dpl() != level)) {
    return bad_selector(VECTOR_GP, selector);
  }
  return (is_present() || bad_selector(VECTOR_NP, selector)) && set_accessed(cpu, selector);
}

function check_target(va: u64): bool {
  if (is_canonical(va)) return true;
  latch_fault(VECTOR_GP, 0);
  return false;
}

/** Far CALL and JMP through memory: offset, then selector. */
export function do_far(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const size: usize = 1 << width;
  const off = read_off(address_va(cpu, insn), <u32>size + 2);
  if (off == 0) return FAULT;
  const target_va = load_width(off, width);
  const selector = <u32>load<u16>(off + size);
  if (!check_code(cpu, selector, false) || !check_target(target_va)) return FAULT;
  if (insn.id == Op.CallFar) {
    // Both words or none.
    const rsp = cpu.rsp;
    const room = write_off(rsp - size, <u32>size) != 0 && write_off(rsp - 2 * size, <u32>size) != 0;
    if (!room) return FAULT;
    push(cpu, width, cpu.cs);
    push(cpu, width, cpu.rip + insn.len);
  }
  cpu.cs = <u16>((selector & ~3) | cpl(cpu));
  cpu.rip = target_va;
  return JUMP;
}

/** Words of a return frame, as they stand on the stack. */
const FRAME = memory.data(40);

/** Reads `count` words of `width` from RSP on; false with a latched fault. */
function read_frame(cpu: Cpu, width: u32, count: u32): bool {
  const size: u32 = 1 << width;
  for (let i: u32 = 0; i < count; i++) {
    const off = read_off(cpu.rsp + i * size, size);
    if (off == 0) return false;
    store<u64>(FRAME + (i << 3), load_width(off, width));
  }
  return true;
}


@inline
function word(i: usize): u64 {
  return load<u64>(FRAME + (i << 3));
}

/** Goes on in another ring, with a stack of its own. */
function enter_ring(cpu: Cpu, level: u32): u32 {
  if (level == cpl(cpu)) return (cpu.rflags & TF) != 0 ? STOP + STOP_BUDGET : JUMP;
  cpu.user = 1;
  drop_segments(cpu);
  return STOP + STOP_CONTEXT;
}

/** RET to a selector: to an outer ring it has a stack pointer, too. */
export function do_ret_far(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const size: u64 = 1 << width;
  if (!read_frame(cpu, width, 2)) return FAULT;
  const target_va = word(0);
  const selector = (<u32>word(1)) & 0xffff;
  if (!check_code(cpu, selector, true)) return FAULT;
  const level = selector & 3;
  if (level == cpl(cpu)) {
    if (!check_target(target_va)) return FAULT;
    cpu.rsp += 2 * size + insn.imm;
  } else {
    const outer_va = cpu.rsp + 2 * size + insn.imm;
    const rsp_off = read_off(outer_va, <u32>size);
    if (rsp_off == 0) return FAULT;
    const rsp = load_width(rsp_off, width);
    const ss_off = read_off(outer_va + size, <u32>size);
    if (ss_off == 0) return FAULT;
    const ss = load<u16>(ss_off);
    if (!check_stack(cpu, ss, level) || !check_target(target_va)) return FAULT;
    cpu.rsp = rsp + insn.imm;
    cpu.ss = ss;
  }
  cpu.cs = <u16>selector;
  cpu.rip = target_va;
  return enter_ring(cpu, level);
}

/** IRET: in 64-bit mode it always pops SS and RSP. */
export function do_iret(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  if ((cpu.rflags & NT) != 0) return raise(VECTOR_GP, 0);
  if (!read_frame(cpu, width, 5)) return FAULT;
  const selector = (<u32>word(1)) & 0xffff;
  const ss = (<u32>word(4)) & 0xffff;
  if (!check_code(cpu, selector, true) || !check_stack(cpu, ss, selector & 3)) return FAULT;
  if (!check_target(word(0))) return FAULT;
  let mask = POPF_MASK | (cpu.user != 0 ? 0 : IOPL);
  if (!has_io_privilege(cpu)) mask &= ~IF;
  if (width == 1) mask &= 0xffff;
  cpu.rip = word(0);
  cpu.cs = <u16>selector;
  cpu.rflags = (cpu.rflags & ~(mask | RF)) | (word(2) & mask) | FIXED;
  cpu.rsp = word(3);
  cpu.ss = <u16>ss;
  return enter_ring(cpu, selector & 3);
}

/** SYSCALL from user code: the scheduler brings the CPU into the hypervisor. */
export function do_syscall(cpu: Cpu, insn: Insn): u32 {
  if (cpu.user == 0 || (cpu.efer & EFER_SCE) == 0) return raise(VECTOR_UD, 0);
  cpu.rip += insn.len;
  cpu.rcx = cpu.rip;
  cpu.r11 = cpu.rflags & ~RF;
  return STOP + STOP_SYSCALL;
}

/** Ring 3's selectors, as SYSRET and SYSEXIT make them: nothing is looked up. */
function leave_to(cpu: Cpu, cs: u64, ss: u64, target_va: u64): u32 {
  cpu.rip = target_va;
  cpu.cs = (<u16>cs) | 3;
  cpu.ss = (<u16>ss) | 3;
  cpu.user = 1;
  return STOP + STOP_CONTEXT;
}

export function do_sysret(cpu: Cpu, insn: Insn): u32 {
  if ((cpu.efer & EFER_SCE) == 0) return raise(VECTOR_UD, 0);
  if (cpu.user != 0 || insn.width != 3 || !is_canonical(cpu.rcx)) return raise(VECTOR_GP, 0);
  cpu.rflags = (cpu.r11 & (POPF_MASK | IOPL)) | FIXED;
  return leave_to(cpu, (cpu.star >> 48) + 16, (cpu.star >> 48) + 8, cpu.rcx);
}

/** SYSENTER and SYSEXIT: where they lead stands in their MSRs; no selector, #GP. */
export function do_sysenter(cpu: Cpu, insn: Insn): u32 {
  const system = system_of(cpu);
  const cs = system.sysenter_cs & 0xfffc;
  if (cs == 0) return raise(VECTOR_GP, 0);
  if (insn.id == Op.Sysexit) {
    const good = is_canonical(cpu.rcx) && is_canonical(cpu.rdx);
    if (cpu.user != 0 || insn.width != 3 || !good) return raise(VECTOR_GP, 0);
    cpu.rsp = cpu.rcx;
    return leave_to(cpu, cs + 32, cs + 40, cpu.rdx);
  }
  cpu.rip = system.sysenter_eip;
  cpu.rsp = system.sysenter_esp;
  cpu.cs = <u16>cs;
  cpu.ss = <u16>cs + 8;
  cpu.rflags &= ~(IF | RF);
  if (cpu.user == 0) return JUMP;
  cpu.user = 0;
  return STOP + STOP_CONTEXT;
}
