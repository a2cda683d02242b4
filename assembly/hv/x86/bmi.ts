// BMI1, BMI2 and ADX (Intel SDM vol. 2: ANDN, BEXTR, BLSI, BLSMSK, BLSR, BZHI, MULX, PDEP, PEXT,
// RORX, SARX, SHLX, SHRX, ADCX, ADOX): operations on general registers, all but the last two with a
// third operand, which `sub` names. `a` is r/m, `b` that operand.

import { Cpu } from "../cpu";
import { ARITHMETIC, CF, change_flags, mask_of, OF, SF, sign_extend, sign_of, ZF } from "./flags";
import { Insn } from "./insn";
import { multiply_high } from "./muldiv";
import { Op } from "./ops";
import { get_reg, load_width, rm_read, set_register } from "./operand";
import { DONE, FAULT } from "./result";

/** Bits of `a`, from the lowest on, to where `mask` has ones. */
function deposit(a: u64, mask: u64): u64 {
  let result: u64 = 0;
  for (let bit: u64 = 1; mask != 0; bit <<= 1) {
    const lowest = mask & (0 - mask);
    if ((a & bit) != 0) result |= lowest;
    mask ^= lowest;
  }
  return result;
}

/** Bits of `a` where `mask` has ones, gathered at the bottom. */
function extract(a: u64, mask: u64): u64 {
  let result: u64 = 0;
  for (let bit: u64 = 1; mask != 0; bit <<= 1) {
    const lowest = mask & (0 - mask);
    if ((a & lowest) != 0) result |= bit;
    mask ^= lowest;
  }
  return result;
}

/** The `count` lowest bits. */
function low_bits(a: u64, count: u64): u64 {
  return count > 63 ? a : a & (((<u64>1) << count) - 1);
}

/** BEXTR: `where` is the first bit, and in its second byte how many. */
function extracted(a: u64, where: u64): u64 {
  const first = where & 0xff;
  return first > 63 ? 0 : low_bits(a >> first, (where >> 8) & 0xff);
}

/** Shifts and rotates without flags. */
function shifted(id: u32, a: u64, count: u64, width: u32): u64 {
  const bits: u64 = 8 << width;
  count &= bits - 1;
  if (id == Op.Shlx) return a << count;
  if (id == Op.Shrx) return a >> count;
  if (id == Op.Sarx) return <u64>((<i64>sign_extend(a, width)) >> count);
  return width == 3 ? rotr<u64>(a, count) : rotr<u32>(<u32>a, <u32>count);
}

/** ZF and SF of a result, and `carry`; OF is cleared. PF and AF are undefined. */
function set_result(cpu: Cpu, to: u8, width: u32, result: u64, carry: bool): void {
  const value = result & mask_of(width);
  let flags: u64 = value == 0 ? ZF : 0;
  if ((value & sign_of(width)) != 0) flags |= SF;
  change_flags(cpu, ARITHMETIC, carry ? flags | CF : flags);
  set_register(cpu, to, width, value);
}

/** Those of BMI1 and BMI2 that set no flags. */
function do_flagless(cpu: Cpu, insn: Insn, a: u64, b: u64): void {
  const width: u32 = insn.width;
  const mask = mask_of(width);
  const id: u32 = insn.id;
  let result: u64;
  // prettier-ignore
  switch (id) {
    case Op.Pdep: result = deposit(b, a); break;
    case Op.Pext: result = extract(b, a); break;
    case Op.Rorx: result = shifted(id, a, insn.imm, width); break;
    case Op.Mulx: {
      const c = cpu.rdx & mask;
      set_register(cpu, insn.sub, width, a * c); // the same register twice: the high half stays
      result = width == 3 ? multiply_high(a, c) : (a * c) >> 32;
      break;
    }
    default: result = shifted(id, a, b, width);
  }
  set_register(cpu, insn.reg, width, result);
}

export function do_bmi(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = load_width(off, width);
  const b = load_width(changetype<usize>(cpu) + <usize>insn.sub, width);
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Andn: set_result(cpu, insn.reg, width, a & ~b, false); break;
    case Op.Bextr: set_result(cpu, insn.reg, width, extracted(a, b), false); break;
    case Op.Blsr: set_result(cpu, insn.sub, width, a & (a - 1), a == 0); break;
    case Op.Blsmsk: set_result(cpu, insn.sub, width, a ^ (a - 1), a == 0); break;
    case Op.Blsi: set_result(cpu, insn.sub, width, a & (0 - a), a != 0); break;
    case Op.Bzhi:
      set_result(cpu, insn.reg, width, low_bits(a, b & 0xff), (b & 0xff) >= 8 << width);
      break;
    default: do_flagless(cpu, insn, a, b);
  }
  return DONE;
}

/** ADCX ADOX: an addition with a carry of its own. 66 is part of ADCX's opcode. */
export function do_adx(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width == 3 ? 3 : 2;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const flag = insn.id == Op.Adcx ? CF : OF;
  const a = get_reg(cpu, insn, width);
  const b = load_width(off, width);
  const carry: u64 = (cpu.rflags & flag) != 0 ? 1 : 0;
  const sum = (a + b + carry) & mask_of(width);
  const overflows = carry != 0 ? sum <= a : sum < a;
  set_register(cpu, insn.reg, width, sum);
  change_flags(cpu, flag, overflows ? flag : 0);
  return DONE;
}
