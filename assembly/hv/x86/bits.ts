// Bit tests and scans, byte swaps (Intel SDM vol. 2: BT, BTC, BTR, BTS, BSF, BSR, TZCNT, LZCNT,
// POPCNT, BSWAP, MOVBE, CRC32).

import { Cpu } from "../cpu";
import { read_off, write_off } from "../mem";
import { ARITHMETIC, CF, change_flags, mask_of, sign_extend, ZF } from "./flags";
import { Insn, INSN_ADDR32, INSN_IMM, INSN_MEM } from "./insn";
import { Op } from "./ops";
import {
  effective_offset,
  get_reg,
  load_width,
  rm_read,
  rm_write,
  segment_base,
  set_register,
  set_rm,
  store_memory,
} from "./operand";
import { DONE, FAULT } from "./result";

function changed(id: u32, a: u64, bit: u64): u64 {
  if (id == Op.Bts) return a | bit;
  return id == Op.Btr ? a & ~bit : a ^ bit;
}

/** BT BTS BTR BTC. With a register as bit number, memory is a bit string that reaches both ways. */
export function do_bit_test(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const bits: u64 = 8 << width;
  const id: u32 = insn.id;
  const number = insn.has(INSN_IMM) ? insn.imm : sign_extend(get_reg(cpu, insn, width), width);
  const bit = (<u64>1) << (number & (bits - 1));
  let off: usize;
  if (insn.has(INSN_MEM)) {
    let offset = effective_offset(cpu, insn);
    if (!insn.has(INSN_IMM)) offset += <u64>(((<i64>number) >> (3 + width)) << width);
    if (insn.has(INSN_ADDR32)) offset &= 0xffffffff;
    const va = offset + segment_base(cpu, insn);
    off = id == Op.Bt ? read_off(va, 1 << width) : write_off(va, 1 << width);
  } else off = changetype<usize>(cpu) + <usize>insn.rm;
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  change_flags(cpu, CF, (a & bit) != 0 ? CF : 0);
  if (id == Op.Bt) return DONE;
  if (insn.has(INSN_MEM)) store_memory(off, width, changed(id, a, bit));
  else set_register(cpu, insn.rm, width, changed(id, a, bit));
  return DONE;
}

/** BSF BSR: a source of zero sets ZF and leaves the destination. TZCNT LZCNT: it gives the
 *  width. */
export function do_scan(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const bits: u64 = 8 << width;
  const a = load_width(off, width);
  if (insn.id == Op.Bsf || insn.id == Op.Bsr) {
    change_flags(cpu, ZF, a == 0 ? ZF : 0);
    if (a == 0) return DONE;
    set_register(cpu, insn.reg, width, insn.id == Op.Bsf ? ctz<u64>(a) : 63 - clz<u64>(a));
    return DONE;
  }
  let count = bits;
  if (a != 0) count = insn.id == Op.Tzcnt ? ctz<u64>(a) : clz<u64>(a) - (64 - bits);
  set_register(cpu, insn.reg, width, count);
  change_flags(cpu, CF | ZF, (a == 0 ? CF : 0) | (count == 0 ? ZF : 0));
  return DONE;
}

export function do_popcnt(cpu: Cpu, insn: Insn): u32 {
  const off = rm_read(cpu, insn, insn.width);
  if (off == 0) return FAULT;
  const a = load_width(off, insn.width);
  set_register(cpu, insn.reg, insn.width, popcnt<u64>(a));
  change_flags(cpu, ARITHMETIC, a == 0 ? ZF : 0);
  return DONE;
}

function swapped(value: u64, width: u32): u64 {
  return bswap<u64>(value) >> (64 - (8 << width));
}

/** The 16-bit form is undefined; processors write zero. */
export function do_bswap(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  set_register(cpu, insn.rm, width, width == 1 ? 0 : swapped(load_width(off, width), width));
  return DONE;
}

export function do_movbe(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  if (insn.id == Op.MovbeLoad) {
    const off = rm_read(cpu, insn, width);
    if (off == 0) return FAULT;
    set_register(cpu, insn.reg, width, swapped(load_width(off, width), width));
    return DONE;
  }
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, width, swapped(get_reg(cpu, insn, width), width));
  return DONE;
}

/** CRC-32C of the bytes of the source, reflected polynomial 0x82f63b78. */
export function do_crc32(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.sub;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  let data = load_width(off, width) & mask_of(width);
  let crc = <u32>get_reg(cpu, insn, 2);
  for (let n: u32 = 1 << width; n != 0; n--) {
    crc ^= (<u32>data) & 0xff;
    data >>= 8;
    for (let i = 0; i < 8; i++) crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
  }
  set_register(cpu, insn.reg, 2, crc);
  return DONE;
}
