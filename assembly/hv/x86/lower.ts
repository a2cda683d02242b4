// Chooses the executor's case for each record of a block: common operations with common operands
// become one, a comparison and the branch behind it become one, everything else stays Case.Generic.
// The meaning of a record never changes, only how soon the executor knows it.

import { CPU_ZERO } from "../cpu";
import { is_canonical } from "../mem";
import { BLOCK_RECORDS, BLOCK_TAKEN } from "./blocks";
import { Case } from "./cases";
import {
  FS_BASE,
  GS_BASE,
  Insn,
  INSN_ADDR32,
  INSN_IMM,
  INSN_MEM,
  INSN_REP,
  INSN_REPNE,
  INSN_SIZE,
  INSN_TO_REG,
  SCALE_MASK,
  SEG_FS,
  SEG_GS,
} from "./insn";
import { Op } from "./ops";

/** Turns a segment override into a base or index register where one is free. False: it has to
 *  stay. */
function fold_segment(insn: Insn): bool {
  const segment: u8 = insn.scale & (SEG_FS | SEG_GS);
  if (segment == 0) return true;
  const register = segment == SEG_FS ? FS_BASE : GS_BASE;
  if (insn.index == <u8>CPU_ZERO) {
    insn.index = register;
    insn.scale = 0;
  } else if (insn.base == <u8>CPU_ZERO) {
    insn.base = register;
    insn.scale &= 3;
  } else return false;
  return true;
}


@inline
function base_only(insn: Insn): bool {
  return insn.index == <u8>CPU_ZERO;
}

const FORM_RR: u32 = 0;
const FORM_RI: u32 = 1;
const FORM_RM: u32 = 2;
const FORM_MR: u32 = 3;
const FORM_MI: u32 = 4;

/** Where the operands are. A register-to-register record is turned so that r/m is the
 *  destination. */
function form_of(insn: Insn): u32 {
  const is_memory = insn.has(INSN_MEM);
  if (insn.has(INSN_IMM)) return is_memory ? FORM_MI : FORM_RI;
  if (is_memory) return insn.has(INSN_TO_REG) ? FORM_RM : FORM_MR;
  if (insn.has(INSN_TO_REG)) {
    const reg = insn.reg;
    insn.reg = insn.rm;
    insn.rm = reg;
    insn.flags &= ~INSN_TO_REG;
  }
  return FORM_RR;
}

/** First case of an operation in the arithmetic part, -1 when it has none. */
function arithmetic_base(id: u32): i32 {
  // prettier-ignore
  switch (id) {
    case Op.Add: return Case.AddRR32;
    case Op.Sub: return Case.SubRR32;
    case Op.And: return Case.AndRR32;
    case Op.Or: return Case.OrRR32;
    case Op.Xor: return Case.XorRR32;
    case Op.Cmp: return Case.CmpRR32;
    case Op.Test: return Case.TestRR32;
    default: return -1;
  }
}

function lower_arithmetic(insn: Insn, base: i32): u32 {
  const form = form_of(insn);
  if (insn.width >= 2) {
    if (insn.id == Op.Xor && form == FORM_RR && insn.reg == insn.rm) return Case.Zero;
    return base + 2 * form + (insn.width & 1);
  }
  return insn.width == 0 ? lower_bytes(insn.id, form) : Case.Generic;
}

function lower_bytes(id: u32, form: u32): u32 {
  // prettier-ignore
  switch (id) {
    case Op.Cmp: return Case.CmpRR8 + form;
    case Op.And: return Case.AndRR8 + form;
    case Op.Or: return Case.OrRR8 + form;
    case Op.Test:
      if (form == FORM_RM) return Case.Generic;
      return Case.TestRR8 + (form > FORM_RM ? form - 1 : form);
    default: break;
  }
  if (form > FORM_RM) return Case.Generic;
  if (id == Op.Add) return Case.AddRR8 + form;
  return (id == Op.Sub ? Case.SubRR8 : Case.XorRR8) + form;
}

function lower_mov(insn: Insn): u32 {
  const width: u32 = insn.width;
  // prettier-ignore
  switch (form_of(insn)) {
    case FORM_RR:
      if (width == 0) return Case.MovRR8;
      return width == 1 ? Case.Generic : width == 2 ? Case.MovRR32 : Case.MovRR64;
    case FORM_RI:
      if (width == 2) insn.imm &= 0xffffffff;
      return width >= 2 ? Case.MovRI : width == 0 ? Case.MovRI8 : Case.Generic;
    case FORM_RM:
      if (width == 3) return base_only(insn) ? Case.Load64D : Case.Load64;
      if (width == 2) return base_only(insn) ? Case.Load32D : Case.Load32;
      return width == 0 ? Case.Load8 : Case.Generic;
    case FORM_MR:
      if (width == 3) return base_only(insn) ? Case.Store64D : Case.Store64;
      if (width == 2) return base_only(insn) ? Case.Store32D : Case.Store32;
      return width == 0 ? Case.Store8 : Case.Store16;
    default:
      if (width == 3) return Case.StoreI64;
      return width == 2 ? Case.StoreI32 : width == 1 ? Case.StoreI16 : Case.StoreI8;
  }
}

function lower_extend(insn: Insn): u32 {
  if (insn.width < 2 || insn.sub >= insn.width) return Case.Generic;
  const is_memory = insn.has(INSN_MEM);
  const wide: u32 = insn.width & 1;
  if (insn.id == Op.Movzx) {
    if (insn.sub == 0) return is_memory ? Case.Zx8M : Case.Zx8R;
    return is_memory ? Case.Zx16M : Case.Zx16R;
  }
  if (insn.sub == 2) return is_memory ? Case.Sx32M64 : Case.Sx32R64;
  if (insn.sub == 1) return (is_memory ? Case.Sx16M32 : Case.Sx16R32) + wide;
  return (is_memory ? Case.Sx8M32 : Case.Sx8R32) + wide;
}

function lower_shift(insn: Insn, flags_dead: bool): u32 {
  if (insn.has(INSN_MEM) || !insn.has(INSN_IMM) || insn.width < 2) return Case.Generic;
  const wide: u32 = insn.width & 1;
  const count = insn.imm & (wide != 0 ? 63 : 31);
  if (count == 0) return Case.Generic;
  insn.imm = count;
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Shl:
    case Op.Sal: return Case.Shl32 + wide;
    case Op.Shr: return Case.Shr32 + wide;
    case Op.Sar: return Case.Sar32 + wide;
    default: break;
  }
  // Rotates keep most flags: only without any is it short.
  if (!flags_dead || insn.id > <u16>Op.Ror) return Case.Generic;
  if (insn.id == Op.Ror) {
    insn.imm = (wide != 0 ? 64 : 32) - count;
    insn.id = <u16>Op.Rol;
  }
  return Case.Rol32 + wide;
}

function lower_multiply(insn: Insn): u32 {
  if (insn.width < 2) return Case.Generic;
  const wide: u32 = insn.width & 1;
  if (insn.id == Op.Imul3) return insn.has(INSN_MEM) ? Case.Generic : Case.ImulRI32 + wide;
  return (insn.has(INSN_MEM) ? Case.ImulRM32 : Case.ImulRR32) + wide;
}

/** Operations with one register operand; -1: not one of them. */
function lower_unary(insn: Insn): i32 {
  const is_memory = insn.has(INSN_MEM);
  const wide: u32 = insn.width & 1;
  const narrow = insn.width < 2;
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Inc: return is_memory || narrow ? Case.Generic : Case.Inc32 + wide;
    case Op.Dec: return is_memory || narrow ? Case.Generic : Case.Dec32 + wide;
    case Op.Neg: return is_memory || narrow ? Case.Generic : Case.Neg32 + wide;
    case Op.Not: return is_memory || narrow ? Case.Generic : Case.Not32 + wide;
    case Op.Cbw: return narrow ? Case.Generic : wide != 0 ? Case.Cdqe : Case.Cwde;
    case Op.Cwd: return narrow ? Case.Generic : wide != 0 ? Case.Cqo : Case.Cdq;
    case Op.Push: return is_memory || insn.width != 3 ? Case.Generic : Case.Push;
    case Op.Pop: return is_memory || insn.width != 3 ? Case.Generic : Case.Pop;
    case Op.PushImm: return insn.width != 3 ? Case.Generic : Case.PushI;
    case Op.Leave: return insn.width != 3 ? Case.Generic : Case.Leave;
    case Op.Setcc: return is_memory ? Case.Generic : Case.Setcc;
    case Op.Cmov: return is_memory || narrow ? Case.Generic : Case.Cmov32 + wide;
    case Op.JmpRm: return is_memory ? Case.JmpM : Case.JmpR;
    case Op.CallRm: return is_memory ? Case.CallM : Case.CallR;
    case Op.Ret: return Case.Ret;
    case Op.Jmp: return is_canonical(insn.imm) ? Case.Jmp : Case.Generic;
    case Op.Call: return is_canonical(insn.imm) ? Case.Call : Case.Generic;
    default: return -1;
  }
}

function lower_insn(insn: Insn, flags_dead: bool): u32 {
  if ((insn.flags & (INSN_ADDR32 | INSN_REP | INSN_REPNE)) != 0) {
    // Without meaning for branches (BND, NOTRACK hints); the others are rare.
    if (insn.has(INSN_ADDR32) || (insn.id != Op.Ret && insn.id != Op.Jmp)) return Case.Generic;
  }
  if (insn.id == Op.Lea) {
    insn.scale &= SCALE_MASK; // an address has no segment
    if (insn.width < 2) return Case.Generic;
    return insn.width == 2 ? Case.Lea32 : base_only(insn) ? Case.Lea64D : Case.Lea64;
  }
  if (insn.has(INSN_MEM) && !fold_segment(insn)) return Case.Generic;
  const base = arithmetic_base(insn.id);
  if (base >= 0) return lower_arithmetic(insn, base);
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Mov: return lower_mov(insn);
    case Op.Movzx: case Op.Movsx: return lower_extend(insn);
    case Op.Imul2: case Op.Imul3: return lower_multiply(insn);
    default: break;
  }
  if (insn.id >= <u16>Op.Rol && insn.id <= <u16>Op.Sar) return lower_shift(insn, flags_dead);
  const unary = lower_unary(insn);
  return unary < 0 ? Case.Generic : unary;
}

/** Neither reads nor writes flags, and cannot fault. */
function is_neutral(insn: Insn): bool {
  if (insn.has(INSN_MEM)) return insn.id == Op.Lea;
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Mov: case Op.Movzx: case Op.Movsx: case Op.Not: case Op.Bswap: case Op.Lea:
    case Op.Nop: return true;
    case Op.Rol: case Op.Ror: return insn.has(INSN_IMM);
    default: return false;
  }
}

/** Replaces all arithmetic flags, and cannot fault. */
function replaces_flags(insn: Insn): bool {
  if (insn.has(INSN_MEM)) return false;
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Add: case Op.Or: case Op.And: case Op.Sub: case Op.Xor: case Op.Cmp: case Op.Test:
    case Op.Neg: return true;
    default: return false;
  }
}

/** True when no one can see the flags of the record at `at`: others follow before any reader or
 *  fault. */
function are_flags_dead(at: usize, end: usize): bool {
  for (at += INSN_SIZE; at < end; at += INSN_SIZE) {
    const insn = changetype<Insn>(at);
    if (replaces_flags(insn)) return true;
    if (!is_neutral(insn)) return false;
  }
  return false;
}

// What a comparison says, as the executor computes it: bit 0 equal, bit 1 below, bit 2 less.
const SAYS_EQUAL: u8 = 1;
const SAYS_BELOW: u8 = 2;
const SAYS_LESS: u8 = 4;

/** The bits of a comparison that condition `cc` (or its negation) is about, 0: another flag. */
function compare_mask(cc: u32): u8 {
  // prettier-ignore
  switch (cc >> 1) {
    case 1: return SAYS_BELOW;
    case 2: return SAYS_EQUAL;
    case 3: return SAYS_BELOW | SAYS_EQUAL;
    case 6: return SAYS_LESS;
    case 7: return SAYS_LESS | SAYS_EQUAL;
    default: return 0;
  }
}

/** The same of a result (CF and OF clear), where "less" is the sign. */
function result_mask(cc: u32): u8 {
  return cc >> 1 == 4 ? SAYS_LESS : compare_mask(cc);
}

/** The case that does `comparison` and the branch behind it, or Generic. */
function fused(comparison: i32): u32 {
  // prettier-ignore
  switch (comparison) {
    case Case.CmpRR32: return Case.CmpJccRR32;
    case Case.CmpRR64: return Case.CmpJccRR64;
    case Case.CmpRI32: return Case.CmpJccRI32;
    case Case.CmpRI64: return Case.CmpJccRI64;
    case Case.CmpRM32: return Case.CmpJccRM32;
    case Case.CmpRM64: return Case.CmpJccRM64;
    case Case.CmpMI32: return Case.CmpJccMI32;
    case Case.CmpMI64: return Case.CmpJccMI64;
    case Case.CmpRR8: return Case.CmpJccRR8;
    case Case.CmpRI8: return Case.CmpJccRI8;
    case Case.CmpMI8: return Case.CmpJccMI8;
    case Case.TestRR32: return Case.TestJccRR32;
    case Case.TestRR64: return Case.TestJccRR64;
    case Case.TestRR8: return Case.TestJccRR8;
    case Case.TestRI8: return Case.TestJccRI8;
    case Case.TestMI8: return Case.TestJccMI8;
    default: return Case.Generic;
  }
}

/** The branch at the end of a block; `before` is the record in front of it, or null. */
function lower_jcc(jcc: Insn, before: Insn | null): void {
  jcc.case = <u16>Case.Jcc;
  if (before === null) return;
  const producer: i32 = before.case;
  const is_test = before.id == Op.Test;
  if (before.id == Op.Cmp || is_test) {
    const mask = is_test ? result_mask(jcc.sub) : compare_mask(jcc.sub);
    if (mask == 0 || producer == Case.Generic) return;
    jcc.width = mask;
    jcc.case = <u16>(is_test ? Case.JccResult : Case.JccSub);
    const both = fused(producer);
    if (both != Case.Generic) before.case = <u16>both;
    return;
  }
  if (producer >= Case.SubRR32 && producer < Case.AndRR32) {
    jcc.width = compare_mask(jcc.sub);
    if (jcc.width != 0) jcc.case = <u16>Case.JccSub;
    return;
  }
  const is_logic = producer >= Case.AndRR32 && producer < Case.CmpRR32;
  const has_result =
    is_logic ||
    (producer >= Case.AddRR32 && producer < Case.SubRR32) ||
    (producer >= Case.Inc32 && producer <= Case.Dec64) ||
    (producer >= Case.Shl32 && producer <= Case.Sar64);
  if (!has_result) return;
  jcc.width = result_mask(jcc.sub);
  // Carry and overflow of an addition or a shift are not in its result.
  if (!is_logic && jcc.width != SAYS_EQUAL && jcc.sub >> 1 != 4) jcc.width = 0;
  if (jcc.width != 0) jcc.case = <u16>Case.JccResult;
}

/** Chooses the cases of the `count` records of a decoded block. */
export function lower_block(block: usize, count: u32): void {
  const first = block + BLOCK_RECORDS;
  const end = first + INSN_SIZE * count;
  for (let at = first; at < end; at += INSN_SIZE) {
    const insn = changetype<Insn>(at);
    if (insn.id == Op.Jcc) {
      lower_jcc(insn, at == first ? null : changetype<Insn>(at - INSN_SIZE));
    } else insn.case = <u16>lower_insn(insn, are_flags_dead(at, end));
    // A branch with a fixed target has its link in the block.
    if (insn.id == Op.Jcc || insn.id == Op.Jmp || insn.id == Op.Call) {
      store<u64>(block + BLOCK_TAKEN, insn.imm, 8);
    }
  }
}
