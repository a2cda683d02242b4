// Operands of an instruction as linear offsets. Registers live in the Cpu record, so that a
// register and a piece of memory are the same thing to an operation: an offset and a width.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { BOUNCE_OFF, commit_split, is_canonical, latch_fault, read_off, write_off } from "../mem";
import { mask_of } from "./flags";
import { Insn, INSN_ADDR32, INSN_IMM, INSN_MEM, SCALE_MASK, SEG_FS, SEG_GS } from "./insn";

/** The offset part of an address: base + index * scale + displacement. */
export function effective_offset(cpu: Cpu, insn: Insn): u64 {
  const registers = changetype<usize>(cpu);
  const index = load<u64>(registers + <usize>insn.index) << (insn.scale & SCALE_MASK);
  const offset = load<u64>(registers + <usize>insn.base) + index + insn.disp;
  return insn.has(INSN_ADDR32) ? offset & 0xffffffff : offset;
}

/** Base of the segment that the prefixes chose; the others are flat in 64-bit mode. */
export function segment_base(cpu: Cpu, insn: Insn): u64 {
  if ((insn.scale & SEG_FS) != 0) return cpu.fs_base;
  return (insn.scale & SEG_GS) != 0 ? cpu.gs_base : 0;
}

export function address_va(cpu: Cpu, insn: Insn): u64 {
  return effective_offset(cpu, insn) + segment_base(cpu, insn);
}

/** Does an operand break its alignment of `mask` + 1? Then #GP, before its address is looked at. */
export function misaligned(va: u64, mask: u64): bool {
  if ((va & mask) == 0) return false;
  latch_fault(VECTOR_GP, 0);
  return true;
}

/** Where the r/m operand can be read; 0 and a latched fault when it cannot. */
export function rm_read(cpu: Cpu, insn: Insn, width: u32): usize {
  if (!insn.has(INSN_MEM)) return changetype<usize>(cpu) + <usize>insn.rm;
  return read_off(address_va(cpu, insn), 1 << width);
}

/** Where the r/m operand can be read and written. */
export function rm_write(cpu: Cpu, insn: Insn, width: u32): usize {
  if (!insn.has(INSN_MEM)) return changetype<usize>(cpu) + <usize>insn.rm;
  return write_off(address_va(cpu, insn), 1 << width);
}

export function load_width(off: usize, width: u32): u64 {
  if (width == 3) return load<u64>(off);
  if (width == 2) return load<u32>(off);
  return width == 1 ? load<u16>(off) : load<u8>(off);
}

export function store_width(off: usize, width: u32, value: u64): void {
  if (width == 3) store<u64>(off, value);
  else if (width == 2) store<u32>(off, <u32>value);
  else if (width == 1) store<u16>(off, <u16>value);
  else store<u8>(off, <u8>value);
}

/** Writes a general register: 32-bit results clear the upper half, narrower ones leave it. */
export function set_register(cpu: Cpu, at: u8, width: u32, value: u64): void {
  const off = changetype<usize>(cpu) + <usize>at;
  if (width == 2) store<u64>(off, value & 0xffffffff);
  else store_width(off, width, value);
}

/** Writes memory at an offset from `write_off`. */
export function store_memory(off: usize, width: u32, value: u64): void {
  store_width(off, width, value);
  if (off == BOUNCE_OFF) commit_split();
}

/** Writes the r/m operand at `off`, which `rm_write` gave. */
export function set_rm(cpu: Cpu, insn: Insn, off: usize, width: u32, value: u64): void {
  if (insn.has(INSN_MEM)) store_memory(off, width, value);
  else set_register(cpu, insn.rm, width, value);
}

export function get_reg(cpu: Cpu, insn: Insn, width: u32): u64 {
  return load_width(changetype<usize>(cpu) + <usize>insn.reg, width);
}

/** The source that is not r/m: the immediate, or the register operand. */
export function get_source(cpu: Cpu, insn: Insn, width: u32): u64 {
  if (insn.has(INSN_IMM)) return insn.imm & mask_of(width);
  return get_reg(cpu, insn, width);
}
