// Shifts and rotates (Intel SDM vol. 2: RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR, SHLD, SHRD). Counts are
// taken modulo 32, or 64 for 64-bit operands; a count of zero changes nothing, flags included.

import { Cpu } from "../cpu";
import { CF, change_flags, mask_of, OF, result_flags, set_flags, sign_extend } from "./flags";
import { Insn, INSN_IMM } from "./insn";
import { Op } from "./ops";
import { get_reg, load_width, rm_write, set_rm } from "./operand";
import { DONE, FAULT } from "./result";

/** CF, and OF as the exclusive or of CF and the result's top bit (left), or of its top two
 *  (right). */
function rotate_flags(cpu: Cpu, result: u64, bits: u32, left: bool, carry: u64): void {
  const top = (result >> (bits - 1)) & 1;
  const overflow = left ? top ^ carry : top ^ ((result >> (bits - 2)) & 1);
  change_flags(cpu, CF | OF, carry | (overflow != 0 ? OF : 0));
}

function rotate(cpu: Cpu, id: u32, width: u32, a: u64, count: u32): u64 {
  const bits: u32 = 8 << width;
  const mask = mask_of(width);
  const n = count & (bits - 1);
  let result = a;
  if (id == Op.Rol) {
    if (n != 0) result = ((a << n) | (a >> (bits - n))) & mask;
    rotate_flags(cpu, result, bits, true, result & 1);
  } else {
    if (n != 0) result = ((a >> n) | (a << (bits - n))) & mask;
    rotate_flags(cpu, result, bits, false, (result >> (bits - 1)) & 1);
  }
  return result;
}

/** Through the carry: the operand has one bit more. One step at a time, 63 at most. */
function rotate_carry(cpu: Cpu, id: u32, width: u32, a: u64, count: u32): u64 {
  const bits: u32 = 8 << width;
  const n = width >= 2 ? count : count % (bits + 1);
  let result = a;
  let carry = cpu.rflags & CF;
  if (n == 0 && count != 0) return result;
  for (let i: u32 = 0; i < n; i++) {
    if (id == Op.Rcl) {
      const out = (result >> (bits - 1)) & 1;
      result = ((result << 1) | carry) & mask_of(width);
      carry = out;
    } else {
      const out = result & 1;
      result = (result >> 1) | (carry << (bits - 1));
      carry = out;
    }
  }
  rotate_flags(cpu, result, bits, id == Op.Rcl, carry);
  return result;
}

function shift(cpu: Cpu, id: u32, width: u32, a: u64, count: u32): u64 {
  const bits: u32 = 8 << width;
  let result: u64;
  let carry: u64 = 0;
  let overflow: u64 = 0;
  if (id == Op.Sar) {
    const wide = <i64>sign_extend(a, width);
    const n = min<u32>(count, 63);
    result = (<u64>(wide >> n)) & mask_of(width);
    carry = (<u64>(wide >> (n - 1))) & 1;
  } else if (id == Op.Shr) {
    result = count < bits ? a >> count : 0;
    carry = count <= bits ? (a >> (count - 1)) & 1 : 0;
    overflow = (a >> (bits - 1)) & 1;
  } else {
    result = count < bits ? (a << count) & mask_of(width) : 0;
    carry = count <= bits ? (a >> (bits - count)) & 1 : 0;
    overflow = ((result >> (bits - 1)) & 1) ^ carry;
  }
  set_flags(cpu, result_flags(result, width) | carry | (overflow != 0 ? OF : 0));
  return result;
}

/** ROL ROR RCL RCR SHL SHR SAR by an immediate or by CL. */
export function do_shift(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const given = insn.has(INSN_IMM) ? <u32>insn.imm : <u32>cpu.rcx;
  const count = given & (width == 3 ? 63 : 31);
  const a = load_width(off, width);
  let result = a;
  if (count != 0) {
    const id: i32 = insn.id;
    if (id <= Op.Ror) result = rotate(cpu, id, width, a, count);
    else if (id <= Op.Rcr) result = rotate_carry(cpu, id, width, a, count);
    else result = shift(cpu, id, width, a, count);
  }
  // Also without a change: a 32-bit register loses its upper half.
  set_rm(cpu, insn, off, width, result);
  return DONE;
}

/** SHLD SHRD. Counts over the width of 16-bit operands are undefined; bits then come from both
 *  again. */
export function do_double_shift(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const bits: u32 = 8 << width;
  const off = rm_write(cpu, insn, width);
  if (off == 0) return FAULT;
  const given = insn.has(INSN_IMM) ? <u32>insn.imm : <u32>cpu.rcx;
  const count = given & (width == 3 ? 63 : 31);
  const a = load_width(off, width);
  let result = a;
  if (count != 0 && count <= bits) {
    const b = get_reg(cpu, insn, width);
    const mask = mask_of(width);
    const rest = bits - count;
    let carry: u64;
    if (insn.id == Op.Shld) {
      result = (rest == 0 ? b : (a << count) | (b >> rest)) & mask;
      carry = (a >> rest) & 1;
    } else {
      result = (rest == 0 ? b : (a >> count) | (b << rest)) & mask;
      carry = (a >> (count - 1)) & 1;
    }
    const overflow = ((a ^ result) >> (bits - 1)) & 1;
    set_flags(cpu, result_flags(result, width) | carry | (overflow != 0 ? OF : 0));
  }
  set_rm(cpu, insn, off, width, result);
  return DONE;
}
