// Bytes -> Insn: prefixes, opcode, ModRM, SIB, displacement, immediate (Intel SDM vol. 2, ch. 2).
// Knows the length of every instruction, also of those that the machine does not have (VEX, EVEX,
// x87, VMX …), so that they can be named. Never touches registers or the memory of the machine.

import { CPU_ZERO } from "../cpu";
import {
  Insn,
  INSN_ADDR32,
  INSN_END,
  INSN_IMM,
  INSN_LOCK,
  INSN_MEM,
  INSN_REP,
  INSN_REPNE,
  INSN_SIZE,
  INSN_TO_REG,
  MAX_INSN_LEN,
  SEG_FS,
  SEG_GS,
} from "./insn";
import { Op } from "./ops";
import {
  A,
  B,
  C,
  D,
  G,
  GROUPS,
  IMM_16,
  IMM_8,
  IMM_8U,
  IMM_ENTER,
  IMM_MOFFS,
  IMM_NONE,
  IMM_ONE,
  IMM_REL32,
  IMM_REL8,
  IMM_SHIFT,
  IMM_V,
  IMM_Z,
  L,
  M,
  O,
  ONE_BYTE,
  Q,
  ROW_ID,
  SB,
  SW,
  T,
  TWO_BYTE,
} from "./optable";
import { bmi_row, map_38_row, special_row, vex_row, x87_row } from "./decode_special";
import { PREFIX_66, PREFIX_F2, PREFIX_F3, PREFIX_NONE, shift_row, sse_row } from "./ssetable";

const REX_W: u32 = 8;
const REX_R: u32 = 4;
const REX_X: u32 = 2;
const REX_B: u32 = 1;

// The decoder at work: where it reads, and the prefixes seen. Scratch, meaningless between calls.
let at: usize = 0;
let end: usize = 0;
let short: bool = false;
let rex: u32 = 0;
let rex_present: bool = false;
let size_prefix: bool = false;
let rip_relative: bool = false;

function byte(): u32 {
  if (at >= end) {
    short = true;
    return 0;
  }
  return load<u8>(at++);
}

function signed(bytes: usize): u64 {
  const from = at;
  at += bytes;
  if (at > end) {
    short = true;
    return 0;
  }
  if (bytes == 1) return <u64>(<i64>load<i8>(from));
  if (bytes == 2) return <u64>(<i64>load<i16>(from));
  if (bytes == 4) return <u64>(<i64>load<i32>(from));
  return load<u64>(from);
}

/** Byte offset of general register `n` in the Cpu record. Without REX, byte registers 4..7 are
 *  AH..BH. */
function register(n: u32, is_byte: bool): u8 {
  if (is_byte && !rex_present && n >= 4 && n < 8) return <u8>((n - 4) * 8 + 1);
  return <u8>(n << 3);
}

/** Legacy prefixes and REX. Returns the first byte of the opcode. */
function prefixes(insn: Insn): u32 {
  let flags: u8 = 0;
  let segment: u8 = 0;
  let b: u32 = 0;
  rex = 0;
  rex_present = false;
  size_prefix = false;
  while (!short) {
    b = byte();
    if (b >> 4 == 4) {
      rex = b & 15; // counts only directly in front of the opcode
      rex_present = true;
      continue;
    }
    if (b == 0x66) size_prefix = true;
    else if (b == 0x67) flags |= INSN_ADDR32;
    else if (b == 0xf0) flags |= INSN_LOCK;
    else if (b == 0xf3) flags = (flags & ~INSN_REPNE) | INSN_REP;
    else if (b == 0xf2) flags = (flags & ~INSN_REP) | INSN_REPNE;
    else if (b == 0x64) segment = SEG_FS;
    else if (b == 0x65) segment = SEG_GS;
    // CS, DS, ES, SS are ignored in 64-bit mode.
    else if (b != 0x26 && b != 0x2e && b != 0x36 && b != 0x3e) break;
    rex = 0;
    rex_present = false;
  }
  insn.flags = flags;
  insn.scale = segment;
  return b;
}

/** SIB and displacement of a memory operand, mod in bits 7:6 and r/m in bits 2:0 of `modrm`. */
function memory_operand(insn: Insn, modrm: u32): void {
  const mod = modrm >> 6;
  let rm = modrm & 7;
  insn.flags |= INSN_MEM;
  let no_base = false;
  if (rm == 4) {
    const sib = byte();
    const index = ((sib >> 3) & 7) | ((rex & REX_X) << 2);
    if (index != 4) {
      insn.index = register(index, false);
      insn.scale |= <u8>(sib >> 6);
    }
    rm = sib & 7;
    no_base = rm == 5 && mod == 0;
  } else if (rm == 5 && mod == 0) {
    no_base = true;
    rip_relative = true;
  }
  if (!no_base) insn.base = register(rm | ((rex & REX_B) << 3), false);
  if (mod == 1) insn.disp = signed(1);
  else if (mod == 2 || no_base) insn.disp = signed(4);
}

function immediate(insn: Insn, kind: u32): void {
  const width = insn.width;
  if (kind == IMM_8 || kind == IMM_REL8) insn.imm = signed(1);
  else if (kind == IMM_8U) insn.imm = <u64>byte();
  else if (kind == IMM_16) insn.imm = signed(2) & 0xffff;
  else if (kind == IMM_REL32) insn.imm = signed(4);
  else if (kind == IMM_ONE) insn.imm = 1;
  else if (kind == IMM_Z) insn.imm = signed(1 << min<u32>(width, 2));
  else if (kind == IMM_V) insn.imm = signed(1 << (<u32>width));
  else if (kind == IMM_ENTER) {
    insn.imm = signed(2) & 0xffff;
    insn.imm |= (<u64>byte()) << 16;
  } else if (kind == IMM_MOFFS) {
    const bytes: usize = insn.has(INSN_ADDR32) ? 4 : 8;
    insn.disp = signed(bytes);
    if (bytes == 4) insn.disp &= 0xffffffff;
    insn.flags |= INSN_MEM;
    return;
  }
  insn.flags |= INSN_IMM;
}

/** Mandatory prefix of an SSE opcode, from the prefixes seen. */
function mandatory(insn: Insn): u32 {
  if (insn.has(INSN_REP)) return PREFIX_F3;
  if (insn.has(INSN_REPNE)) return PREFIX_F2;
  return size_prefix ? PREFIX_66 : PREFIX_NONE;
}

/** The row of `0F opcode` after prefixes, groups and special forms had their say. */
function two_byte_row(insn: Insn, opcode: u32, modrm: u32): u32 {
  let row: u32 = unchecked(TWO_BYTE[opcode]);
  const prefix = mandatory(insn);
  if ((row & ROW_ID) == Op.Unsupported && (row & M) != 0) {
    if (opcode >= 0x71 && opcode <= 0x73 && prefix == PREFIX_66 && modrm >> 6 == 3) {
      const shift = shift_row(opcode, (modrm >> 3) & 7);
      if (shift < 0) return row & ~ROW_ID;
      insn.sub = <u8>shift;
      return (row & ~ROW_ID) | Op.PshiftImm;
    }
    const sse = sse_row(opcode, prefix);
    if (sse == 0) return row;
    insn.sub = <u8>(sse >> 8);
    return (row & ~ROW_ID) | (sse & ROW_ID);
  }
  const special = special_row(opcode, modrm, prefix);
  if (special != 0) row = (row & ~(ROW_ID | G)) | special;
  else if ((row & G) != 0) row = group_row(row, modrm);
  return row;
}

function group_row(row: u32, modrm: u32): u32 {
  const member: u32 = unchecked(GROUPS[((row & ROW_ID) << 3) | ((modrm >> 3) & 7)]);
  return (row & ~(ROW_ID | G)) | member;
}

/** The row of the instruction whose opcode starts with `b`; reads up to and with ModRM. */
function opcode_row(insn: Insn, b: u32): u32 {
  if (b == 0xc4 || b == 0xc5 || b == 0x62) return vex_escape_row(insn, b);
  let row: u32;
  if (b != 0x0f) {
    row = unchecked(ONE_BYTE[b]);
    if (b == 0x90 && (rex & REX_B) == 0) row = Op.Nop;
  } else {
    const opcode = byte();
    if (opcode == 0x38 || opcode == 0x3a) return three_byte_row(insn, opcode);
    row = unchecked(TWO_BYTE[opcode]);
    const modrm = (row & M) != 0 ? byte() : 0;
    row = two_byte_row(insn, opcode, modrm);
    operands(insn, row, opcode, modrm);
    return row;
  }
  const modrm = (row & M) != 0 ? byte() : 0;
  if (b == 0x8f && (modrm & 0x38) != 0) return xop_row(insn, modrm);
  if ((row & G) != 0) row = group_row(row, modrm);
  else if (b >> 3 == 0xd8 >> 3) row = M | x87_row(b, modrm);
  operands(insn, row, b, modrm);
  return row;
}

/** VEX and EVEX. On general registers VEX has a third operand, which goes to `sub`; REX and the
 *  prefixes that it stands for may not be there too. */
function vex_escape_row(insn: Insn, escape: u32): u32 {
  const p0 = byte();
  const p1 = escape != 0xc5 ? byte() : p0;
  if (escape == 0x62) byte();
  const opcode = byte();
  let row = vex_row(escape, p0, opcode);
  const modrm = (row & M) != 0 ? byte() : 0;
  const prefixed = insn.has(INSN_LOCK | INSN_REP | INSN_REPNE) || size_prefix || rex_present;
  if (escape == 0xc4 && !prefixed) {
    const bmi = bmi_row(p0 & 31, p1, opcode, modrm);
    if (bmi != 0) {
      row = bmi;
      rex = ((p1 >> 7) << 3) | ((~p0 >> 5) & 7);
      insn.sub = register((~p1 >> 3) & 15, false);
    }
  }
  operands(insn, row, opcode, modrm);
  return row;
}

/** 0F 38 and 0F 3A: few are ours, the others only have a length. */
function three_byte_row(insn: Insn, map: u32): u32 {
  const opcode = byte();
  const modrm = byte();
  let row: u32 = map == 0x3a ? Op.Unsupported | M | (IMM_8U << IMM_SHIFT) : Op.Unsupported | M;
  const prefix = mandatory(insn);
  if (map == 0x38 && (opcode & 0xfe) == 0xf0) {
    if (prefix == PREFIX_F2) row = opcode == 0xf0 ? Op.Crc32 | M | D | SB : Op.Crc32 | M | D;
    else if (modrm >> 6 == 3) row = M;
    else row = opcode == 0xf0 ? Op.MovbeLoad | M | D : Op.MovbeStore | M;
  } else if (map == 0x38) row = M | map_38_row(opcode, modrm, prefix);
  operands(insn, row, opcode, modrm);
  return row;
}

/** AMD's XOP, encoded as POP with a ModRM.reg that it does not have. */
function xop_row(insn: Insn, p0: u32): u32 {
  byte();
  byte();
  const map = p0 & 31;
  let row: u32 = Op.Unsupported | M;
  if (map == 8) row |= IMM_8U << IMM_SHIFT;
  else if (map == 10) row |= IMM_REL32 << IMM_SHIFT;
  else if (map != 9) row = Op.Invalid | M;
  operands(insn, row, 0, byte());
  return row;
}

/** Operand size, registers, address and immediate. */
function operands(insn: Insn, row: u32, opcode: u32, modrm: u32): void {
  if ((row & B) != 0) insn.width = 0;
  else if ((rex & REX_W) != 0) insn.width = 3;
  else if (size_prefix) insn.width = 1;
  else insn.width = (row & Q) != 0 ? 3 : 2;
  if ((row & D) != 0) insn.flags |= INSN_TO_REG;
  if ((row & T) != 0) insn.flags |= INSN_END;
  if ((row & C) != 0) insn.sub = <u8>(opcode & 15);

  const is_byte = insn.width == 0;
  let rm_byte = is_byte;
  const id = row & ROW_ID;
  if (id == Op.Movzx || id == Op.Movsx || id == Op.Crc32) {
    insn.sub = (row & SB) != 0 ? 0 : (row & SW) != 0 ? 1 : id == Op.Crc32 ? insn.width : 2;
    rm_byte = insn.sub == 0;
  }
  if ((row & M) != 0) {
    insn.reg = register(((modrm >> 3) & 7) | ((rex & REX_R) << 1), is_byte);
    // Control and debug registers have no memory form: mod is ignored.
    const moves_control = id >= <u32>Op.ReadCr && id <= <u32>Op.WriteDr;
    if (modrm >> 6 == 3 || moves_control) {
      insn.rm = register((modrm & 7) | ((rex & REX_B) << 3), rm_byte);
    } else memory_operand(insn, modrm);
  } else if ((row & O) != 0) {
    insn.rm = register((opcode & 7) | ((rex & REX_B) << 3), is_byte);
  }
  const kind = (row >> IMM_SHIFT) & 15;
  if (kind != IMM_NONE) immediate(insn, kind);
}

/** What the rows cannot say: which instructions take LOCK, and which have no register form. */
function is_valid(insn: Insn, row: u32): bool {
  if (insn.has(INSN_LOCK) && ((row & L) == 0 || !insn.has(INSN_MEM))) return false;
  if (insn.has(INSN_MEM)) return true;
  // prettier-ignore
  switch (<i32>(row & ROW_ID)) {
    case Op.Lea: case Op.Cmpxchg8: case Op.LoadFar: case Op.CallFar: case Op.JmpFar: return false;
    default: return true;
  }
}

/**
 * Decodes the instruction at linear offset `off`, of which `max` bytes can be seen, as if it stood
 * at `va`. Returns its length, or 0 when it goes on behind the bytes seen.
 */
export function decode(off: usize, max: u32, va: u64, insn: Insn): u32 {
  memory.fill(changetype<usize>(insn), 0, INSN_SIZE);
  insn.base = <u8>CPU_ZERO;
  insn.index = <u8>CPU_ZERO;
  at = off;
  end = off + <usize>min<u32>(max, MAX_INSN_LEN);
  short = false;
  rip_relative = false;
  const b = prefixes(insn);
  const row = opcode_row(insn, b);
  let len = <u32>(at - off);
  let id = <u16>(row & ROW_ID);
  if (short) {
    if (max < MAX_INSN_LEN) return 0;
    id = <u16>Op.Invalid;
    len = MAX_INSN_LEN;
  } else if (!is_valid(insn, row)) id = <u16>Op.Invalid;
  if (id == <u16>Op.Invalid || id == <u16>Op.Unsupported) insn.flags |= INSN_END;
  insn.id = id;
  insn.len = <u8>len;
  insn.start = <u16>(va & 0xfff);
  if (rip_relative) insn.disp += va + <u64>len;
  const kind = (row >> IMM_SHIFT) & 15;
  if (kind == IMM_REL8 || kind == IMM_REL32) insn.imm += va + <u64>len;
  return len;
}
