// String instructions (Intel SDM vol. 2: MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS, REP). A repeated
// one works in steps that end at a page boundary or after STEP elements, with RSI, RDI and RCX up
// to date, and then starts again at itself: restartable after a fault, and interrupts come in
// between. A step counts as one instruction, so that none runs longer than the budget of a run.
// With TF set a step is one element, behind which the processor traps.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { PAGE_SIZE } from "../param";
import { read_off, write_off } from "../mem";
import { alu } from "./alu";
import { DF, has_io_privilege, mask_of, TF, ZF } from "./flags";
import { Insn, INSN_ADDR32, INSN_REP, INSN_REPNE } from "./insn";
import { Op } from "./ops";
import { load_width, segment_base, set_register, store_memory } from "./operand";
import { port_element } from "./port";
import { DONE, FAULT, JUMP, raise } from "./result";

const STEP: u64 = 1024;

function advanced(at: u64, by: u64, mask: u64): u64 {
  return (at + by) & mask;
}

/** One element; false with a latched fault and nothing done. */
function element(cpu: Cpu, insn: Insn, mask: u64): bool {
  const id: u32 = insn.id;
  if (id == Op.Ins || id == Op.Outs) return port_element(cpu, insn, mask);
  const width: u32 = insn.width;
  const size: u64 = 1 << width;
  const by = (cpu.rflags & DF) != 0 ? 0 - size : size;
  let value: u64 = cpu.rax & mask_of(width);
  if (id == Op.Movs || id == Op.Lods || id == Op.Cmps) {
    const from_off = read_off((cpu.rsi & mask) + segment_base(cpu, insn), <u32>size);
    if (from_off == 0) return false;
    value = load_width(from_off, width);
  }
  if (id == Op.Scas || id == Op.Cmps) {
    const off = read_off(cpu.rdi & mask, <u32>size);
    if (off == 0) return false;
    alu(cpu, Op.Cmp, width, value, load_width(off, width));
  } else if (id == Op.Lods) set_register(cpu, 0, width, value);
  else {
    const off = write_off(cpu.rdi & mask, <u32>size);
    if (off == 0) return false;
    store_memory(off, width, value);
  }
  if (id == Op.Movs || id == Op.Lods || id == Op.Cmps) cpu.rsi = advanced(cpu.rsi, by, mask);
  if (id != Op.Lods) cpu.rdi = advanced(cpu.rdi, by, mask);
  return true;
}


@inline
function left_in_page(va: u64): u64 {
  return PAGE_SIZE - (va & (PAGE_SIZE - 1));
}

/** Whole elements forward within one page by block copy or fill. Returns how many, 0 = not this
 *  way. */
function block(cpu: Cpu, insn: Insn, count: u64): u64 {
  const width: u32 = insn.width;
  const is_move = insn.id == Op.Movs;
  if ((!is_move && insn.id != Op.Stos) || (cpu.rflags & (DF | TF)) != 0) return 0;
  if (insn.has(INSN_ADDR32) || segment_base(cpu, insn) != 0) return 0;
  let room = left_in_page(cpu.rdi);
  if (is_move) room = min(room, left_in_page(cpu.rsi));
  const n = min(count, room >> width);
  if (n < 2) return 0;
  const bytes = (<usize>n) << width;
  if (is_move) {
    const from_off = read_off(cpu.rsi, 1);
    const to_off: usize = from_off == 0 ? 0 : write_off(cpu.rdi, 1);
    // A source that the copy itself overwrites repeats a pattern: element by element.
    if (to_off == 0 || to_off - from_off < bytes) return 0;
    memory.copy(to_off, from_off, bytes);
    cpu.rsi += bytes;
  } else {
    const to_off = write_off(cpu.rdi, 1);
    if (to_off == 0) return 0;
    if (width == 0) memory.fill(to_off, <u8>cpu.rax, bytes);
    else fill_words(to_off, bytes, width, cpu.rax);
  }
  cpu.rdi += bytes;
  return n;
}

function fill_words(to_off: usize, bytes: usize, width: u32, value: u64): void {
  for (let at: usize = 0; at < bytes; at += 1 << width) {
    if (width == 3) store<u64>(to_off + at, value);
    else if (width == 2) store<u32>(to_off + at, <u32>value);
    else store<u16>(to_off + at, <u16>value);
  }
}

function set_count(cpu: Cpu, count: u64, mask: u64): void {
  cpu.rcx = count & mask;
}

export function do_string(cpu: Cpu, insn: Insn): u32 {
  const mask: u64 = insn.has(INSN_ADDR32) ? 0xffffffff : ~(<u64>0);
  const is_port = insn.id == Op.Ins || insn.id == Op.Outs;
  if (is_port && !has_io_privilege(cpu)) return raise(VECTOR_GP, 0);
  if ((insn.flags & (INSN_REP | INSN_REPNE)) == 0) return element(cpu, insn, mask) ? DONE : FAULT;
  let count = cpu.rcx & mask;
  if (count == 0) return DONE;
  const n = block(cpu, insn, count);
  if (n != 0) {
    set_count(cpu, count - n, mask);
    return count == n ? DONE : JUMP;
  }
  const compares = insn.id == Op.Scas || insn.id == Op.Cmps;
  const limit = (cpu.rflags & TF) != 0 ? 1 : STEP;
  for (let i: u64 = 0; i < limit; i++) {
    if (!element(cpu, insn, mask)) return FAULT;
    set_count(cpu, --count, mask);
    if (count == 0) return DONE;
    if (compares && ((cpu.rflags & ZF) != 0) != insn.has(INSN_REP)) return DONE;
    // At a page boundary the block way may be open again.
    if (!compares && left_in_page(cpu.rdi) == PAGE_SIZE) break;
  }
  return JUMP; // to itself: rip has not moved
}
