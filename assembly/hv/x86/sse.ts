// SSE/SSE2 moves, logic and shuffles (Intel SDM vol. 2). XMM n lies at Cpu.xmm_off + 16 * n; reg
// and rm of the record are 8 * n. 128-bit memory operands must be aligned to 16, but for the
// unaligned moves.

import { Cpu } from "../cpu";
import { BOUNCE_OFF, commit_split, read_off, write_off } from "../mem";
import { Insn, INSN_MEM } from "./insn";
import { Op } from "./ops";
import {
  address_va,
  load_width,
  misaligned,
  rm_read,
  rm_write,
  set_register,
  set_rm,
} from "./operand";
import { packed, packed_shift, WORK_OFF } from "./packed";
import { DONE, FAULT } from "./result";


@inline
function xmm_reg(cpu: Cpu, insn: Insn): usize {
  return cpu.xmm_off + ((<usize>insn.reg) << 1);
}


@inline
function xmm_rm(cpu: Cpu, insn: Insn): usize {
  return cpu.xmm_off + ((<usize>insn.rm) << 1);
}

/** Offset of a source of `size` bytes; 0 and a latched fault. */
function source(cpu: Cpu, insn: Insn, size: u32, aligned: bool): usize {
  if (!insn.has(INSN_MEM)) return xmm_rm(cpu, insn);
  const va = address_va(cpu, insn);
  return aligned && misaligned(va, 15) ? 0 : read_off(va, size);
}

/** Writes the low `size` bytes (4, 8, 16) at `from` to memory, or to a register. */
function store_to(cpu: Cpu, insn: Insn, from: usize, size: u32, aligned: bool): u32 {
  let off = xmm_rm(cpu, insn);
  if (insn.has(INSN_MEM)) {
    const va = address_va(cpu, insn);
    off = aligned && misaligned(va, 15) ? 0 : write_off(va, size);
    if (off == 0) return FAULT;
  }
  if (size == 4) store<u32>(off, load<u32>(from));
  else {
    const high = load<u64>(from, 8);
    store<u64>(off, load<u64>(from));
    if (size == 16) store<u64>(off, high, 8);
  }
  if (off == BOUNCE_OFF) commit_split();
  return DONE;
}

/** Loads `size` bytes into the register operand and clears the rest of it. */
function load_to(cpu: Cpu, insn: Insn, size: u32, aligned: bool): u32 {
  const off = source(cpu, insn, size, aligned);
  if (off == 0) return FAULT;
  const to = xmm_reg(cpu, insn);
  const high = size == 16 ? load<u64>(off, 8) : 0;
  store<u64>(to, size == 4 ? load<u32>(off) : load<u64>(off));
  store<u64>(to, high, 8);
  return DONE;
}

/** MOVSS, MOVSD between registers merge; from memory they clear. */
function load_scalar(cpu: Cpu, insn: Insn, size: u32): u32 {
  if (insn.has(INSN_MEM)) return load_to(cpu, insn, size, false);
  if (size == 4) store<u32>(xmm_reg(cpu, insn), load<u32>(xmm_rm(cpu, insn)));
  else store<u64>(xmm_reg(cpu, insn), load<u64>(xmm_rm(cpu, insn)));
  return DONE;
}

/** MOVLPS/MOVHLPS and MOVHPS/MOVLHPS: one half from memory or from the other half of a register. */
function load_half(cpu: Cpu, insn: Insn, high: bool): u32 {
  const off = source(cpu, insn, 8, false);
  if (off == 0) return FAULT;
  const from = insn.has(INSN_MEM) || high ? off : off + 8;
  store<u64>(xmm_reg(cpu, insn) + (high ? 8 : 0), load<u64>(from));
  return DONE;
}

export function do_xmm_move(cpu: Cpu, insn: Insn): u32 {
  const reg = xmm_reg(cpu, insn);
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.MovX: return load_to(cpu, insn, 16, false);
    case Op.MovXAligned: return load_to(cpu, insn, 16, true);
    case Op.MovStore: return store_to(cpu, insn, reg, 16, false);
    case Op.MovStoreAligned: return store_to(cpu, insn, reg, 16, true);
    case Op.MovQ: return load_to(cpu, insn, 8, false);
    case Op.MovQStore:
      if (!insn.has(INSN_MEM)) store<u64>(xmm_rm(cpu, insn), 0, 8);
      return store_to(cpu, insn, reg, 8, false);
    case Op.MovSs: return load_scalar(cpu, insn, 4);
    case Op.MovSd: return load_scalar(cpu, insn, 8);
    case Op.MovSsStore: return store_to(cpu, insn, reg, 4, false);
    case Op.MovSdStore: return store_to(cpu, insn, reg, 8, false);
    case Op.MovLow: return load_half(cpu, insn, false);
    case Op.MovHigh: return load_half(cpu, insn, true);
    case Op.MovLowStore: return store_to(cpu, insn, reg, 8, false);
    default: return store_to(cpu, insn, reg + 8, 8, false);
  }
}

/** MOVD, MOVQ to and from general registers and memory. */
export function do_movd(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width == 3 ? 3 : 2;
  if (insn.id == Op.MovD) {
    const off = rm_read(cpu, insn, width);
    if (off == 0) return FAULT;
    store<u64>(xmm_reg(cpu, insn), load_width(off, width));
    store<u64>(xmm_reg(cpu, insn), 0, 8);
    return DONE;
  }
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, width, load_width(xmm_reg(cpu, insn), width));
  return DONE;
}

/** One bit for each element's sign. */
export function do_movmsk(cpu: Cpu, insn: Insn): u32 {
  const from = xmm_rm(cpu, insn);
  const size: u32 = insn.id == Op.Pmovmskb ? 1 : insn.id == Op.Movmskps ? 4 : 8;
  let mask: u32 = 0;
  for (let i: u32 = 0; i < 16 / size; i++) {
    mask |= (<u32>(load<u8>(from + i * size + size - 1) >> 7)) << i;
  }
  set_register(cpu, insn.reg, 2, mask);
  return DONE;
}

export function do_word(cpu: Cpu, insn: Insn): u32 {
  const at = (<usize>(insn.imm & 7)) << 1;
  if (insn.id == Op.Pextrw) {
    set_register(cpu, insn.reg, 2, load<u16>(xmm_rm(cpu, insn) + at));
    return DONE;
  }
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  store<u16>(xmm_reg(cpu, insn) + at, load<u16>(off));
  return DONE;
}

/** PXOR POR PAND PANDN, and the packed operations. */
export function do_packed(cpu: Cpu, insn: Insn): u32 {
  const off = source(cpu, insn, 16, true);
  if (off == 0) return FAULT;
  const to = xmm_reg(cpu, insn);
  if (insn.id == Op.Packed) {
    packed(insn.sub, to, off);
    return DONE;
  }
  for (let i: usize = 0; i < 16; i += 8) {
    const a = load<u64>(to + i);
    const b = load<u64>(off + i);
    let r: u64;
    if (insn.id == Op.Pxor) r = a ^ b;
    else if (insn.id == Op.Por) r = a | b;
    else r = insn.id == Op.Pand ? a & b : ~a & b;
    store<u64>(to + i, r);
  }
  return DONE;
}

/** Shuffles by an immediate: two bits choose each element. */
export function do_shuffle(cpu: Cpu, insn: Insn): u32 {
  const off = source(cpu, insn, 16, true);
  if (off == 0) return FAULT;
  const to = xmm_reg(cpu, insn);
  const order = <u32>insn.imm;
  const id: u32 = insn.id;
  memory.copy(WORK_OFF, to, 16);
  memory.copy(WORK_OFF + 16, off, 16);
  const second = WORK_OFF + 16;
  if (id == Op.Shufpd) {
    store<u64>(to, load<u64>(WORK_OFF + ((order & 1) << 3)));
    store<u64>(to, load<u64>(second + ((order & 2) << 2)), 8);
    return DONE;
  }
  if (id == Op.Pshuflw || id == Op.Pshufhw) memory.copy(to, second, 16);
  for (let i: u32 = 0; i < 4; i++) {
    const from: usize = (order >> (2 * i)) & 3;
    if (id == Op.Pshufd) store<u32>(to + 4 * i, load<u32>(second + 4 * from));
    else if (id == Op.Pshuflw) store<u16>(to + 2 * i, load<u16>(second + 2 * from));
    else if (id == Op.Pshufhw) store<u16>(to + 8 + 2 * i, load<u16>(second + 8 + 2 * from));
    else store<u32>(to + 4 * i, load<u32>((i < 2 ? WORK_OFF : second) + 4 * from));
  }
  return DONE;
}

/** Shifts of all elements: by an immediate (in r/m), or by the low 64 bits of the source. */
export function do_packed_shift(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.PshiftImm) {
    packed_shift(insn.sub, xmm_rm(cpu, insn), insn.imm);
    return DONE;
  }
  const off = source(cpu, insn, 16, true);
  if (off == 0) return FAULT;
  packed_shift(insn.sub, xmm_reg(cpu, insn), load<u64>(off));
  return DONE;
}
