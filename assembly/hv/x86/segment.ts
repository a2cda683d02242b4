// Segment registers (Intel SDM vol. 3, 3.4.3, 5.6 and 5.8; vol. 2: MOV, PUSH, POP, LFS, LAR, LSL,
// VERR, VERW). In 64-bit mode only the bases of FS and GS count, but loading one of the others is
// checked all the same.

import { VECTOR_GP, VECTOR_NP, VECTOR_SS, VECTOR_UD } from "../../abi";
import { Cpu } from "../cpu";
import { read_off } from "../mem";
import {
  bad_selector,
  base,
  dpl,
  find,
  FOUND,
  high,
  is_conforming,
  is_null,
  is_present,
  is_readable,
  is_segment,
  is_writable_data,
  limit,
  look_up,
  set_accessed,
  type,
  TYPE_CALL_GATE,
  TYPE_LDT,
  TYPE_TSS,
  TYPE_TSS_BUSY,
  UNREADABLE,
} from "./descriptor";
import { change_flags, ZF } from "./flags";
import { Insn, INSN_MEM } from "./insn";
import { Op } from "./ops";
import { address_va, load_width, rm_read, rm_write, set_register, set_rm } from "./operand";
import { DONE, FAULT, raise } from "./result";
import { push } from "./stack";

/** Numbers of segment registers, as ModRM.reg has them. */
export const CS: u32 = 1;
export const SS: u32 = 2;
const FS: u32 = 4;
const GS: u32 = 5;

/** Selectors lie behind each other in the order ES.. would have; the record has CS first. */
function selector_off(cpu: Cpu, number: u32): usize {
  const at = changetype<usize>(cpu);
  // prettier-ignore
  switch (number) {
    case 0: return at + offsetof<Cpu>("es");
    case CS: return at + offsetof<Cpu>("cs");
    case SS: return at + offsetof<Cpu>("ss");
    case 3: return at + offsetof<Cpu>("ds");
    case FS: return at + offsetof<Cpu>("fs");
    case GS: return at + offsetof<Cpu>("gs");
    default: return 0;
  }
}


@inline
export function cpl(cpu: Cpu): u32 {
  return cpu.user != 0 ? 3 : 0;
}

/** Would SS take the selector at privilege `level`? Null is allowed but in ring 3. */
export function check_stack(cpu: Cpu, selector: u32, level: u32): bool {
  if (is_null(selector)) {
    return (level != 3 && (selector & 3) == level) || bad_selector(VECTOR_GP, 0);
  }
  if (!find(cpu, selector)) return false;
  if ((selector & 3) != level || dpl() != level || !is_writable_data()) {
    return bad_selector(VECTOR_GP, selector);
  }
  return (is_present() || bad_selector(VECTOR_SS, selector)) && set_accessed(cpu, selector);
}

function check_data(cpu: Cpu, selector: u32): bool {
  if (is_null(selector)) return true;
  if (!find(cpu, selector)) return false;
  const level = max(cpl(cpu), selector & 3);
  if (!is_readable() || (!is_conforming() && level > dpl())) {
    return bad_selector(VECTOR_GP, selector);
  }
  return (is_present() || bad_selector(VECTOR_NP, selector)) && set_accessed(cpu, selector);
}

/** Loads a segment register other than CS; false with a latched fault. */
function load_segment(cpu: Cpu, number: u32, selector: u32): bool {
  const fits = number == SS ? check_stack(cpu, selector, cpl(cpu)) : check_data(cpu, selector);
  if (!fits) return false;
  store<u16>(selector_off(cpu, number), <u16>selector);
  const from = is_null(selector) ? 0 : base();
  if (number == FS) cpu.fs_base = from;
  else if (number == GS) cpu.gs_base = from;
  return true;
}

/** A return to ring 3 takes away segments that it may not use (vol. 3, 5.8.6). */
export function drop_segments(cpu: Cpu): void {
  for (let number: u32 = 0; number <= GS; number++) {
    if (number == CS || number == SS) continue;
    const off = selector_off(cpu, number);
    const selector = <u32>load<u16>(off);
    const found = !is_null(selector) && look_up(cpu, selector) == FOUND;
    if (!found || (dpl() < 3 && !is_conforming())) store<u16>(off, 0);
  }
}

/** MOV from and to a segment register. */
export function do_segment(cpu: Cpu, insn: Insn): u32 {
  const number = (<u32>(insn.reg >> 3)) & 7;
  const selector = selector_off(cpu, number);
  if (selector == 0 || (insn.id == Op.WriteSeg && number == CS)) return raise(VECTOR_UD, 0);
  if (insn.id == Op.ReadSeg) {
    const width: u32 = insn.has(INSN_MEM) ? 1 : insn.width;
    const off = rm_write(cpu, insn, width);
    if (off == 0) return FAULT;
    set_rm(cpu, insn, off, width, load<u16>(selector));
    return DONE;
  }
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  return load_segment(cpu, number, load<u16>(off)) ? DONE : FAULT;
}

/** PUSH and POP of FS (`sub` 0, 1) and GS (8, 9). */
export function do_stack_segment(cpu: Cpu, insn: Insn): u32 {
  const number = insn.sub < 8 ? FS : GS;
  if (insn.id == Op.PushSeg) {
    return push(cpu, insn.width, load<u16>(selector_off(cpu, number))) ? DONE : FAULT;
  }
  const off = read_off(cpu.rsp, 1 << (<u32>insn.width));
  if (off == 0 || !load_segment(cpu, number, load<u16>(off))) return FAULT;
  cpu.rsp += 1 << (<u32>insn.width);
  return DONE;
}

/** LSS LFS LGS: `sub` is the segment register. */
export function do_load_far(cpu: Cpu, insn: Insn): u32 {
  const size: usize = 1 << (<u32>insn.width);
  const off = read_off(address_va(cpu, insn), <u32>size + 2);
  if (off == 0) return FAULT;
  const offset = load_width(off, insn.width);
  if (!load_segment(cpu, insn.sub, load<u16>(off + size))) return FAULT;
  set_register(cpu, insn.reg, insn.width, offset);
  return DONE;
}

/** Has the system descriptor read last what LAR (LSL) asks for? */
function is_answered(id: u32): bool {
  const kind = type();
  if (kind == TYPE_LDT || kind == TYPE_TSS || kind == TYPE_TSS_BUSY) return true;
  return id == Op.Lar && kind == TYPE_CALL_GATE;
}

/** May the program at its privilege see the descriptor, and has it what is asked for? */
function is_visible(cpu: Cpu, id: u32, selector: u32): bool {
  const conforming = is_conforming();
  if (!conforming && max(cpl(cpu), selector & 3) > dpl()) return false;
  if (id == Op.Verr) return is_readable();
  if (id == Op.Verw) return is_writable_data();
  return is_segment() || is_answered(id);
}

/** LAR LSL VERR VERW: what a selector means, in ZF and the register. */
export function do_verify(cpu: Cpu, insn: Insn): u32 {
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  const selector = <u32>load<u16>(off);
  const id: u32 = insn.id;
  let good = false;
  if (!is_null(selector)) {
    const found = look_up(cpu, selector);
    if (found == UNREADABLE) return FAULT;
    good = found == FOUND && is_visible(cpu, id, selector);
  }
  change_flags(cpu, ZF, good ? ZF : 0);
  if (good && id == Op.Lar) set_register(cpu, insn.reg, insn.width, high() & 0xffff00);
  else if (good && id == Op.Lsl) set_register(cpu, insn.reg, insn.width, limit());
  return DONE;
}
