// MUL, IMUL, DIV, IDIV (Intel SDM vol. 2). WebAssembly has no 64x64 -> 128 product and no 128/64
// division: four 32-bit products, and schoolbook division in base 2^32 (Knuth, TAOCP 4.3.1,
// algorithm D).

import { VECTOR_DE } from "../../abi";
import { Cpu } from "../cpu";
import { latch_fault } from "../mem";
import {
  CF,
  change_flags,
  mask_of,
  OF,
  result_flags,
  set_flags,
  sign_extend,
  sign_of,
} from "./flags";
import { Insn, INSN_IMM } from "./insn";
import { Op } from "./ops";
import { get_reg, load_width, rm_read, set_register } from "./operand";
import { DONE, FAULT } from "./result";

const LOW: u64 = 0xffffffff;

/** Upper half of the unsigned product. */
export function multiply_high(a: u64, b: u64): u64 {
  const a0 = a & LOW;
  const a1 = a >> 32;
  const b0 = b & LOW;
  const b1 = b >> 32;
  const middle = a1 * b0 + ((a0 * b0) >> 32);
  const cross = a0 * b1 + (middle & LOW);
  return a1 * b1 + (middle >> 32) + (cross >> 32);
}

/** Upper half of the signed product. */
export function multiply_high_signed(a: u64, b: u64): u64 {
  let high = multiply_high(a, b);
  if (<i64>a < 0) high -= b;
  if (<i64>b < 0) high -= a;
  return high;
}

let remainder: u64 = 0;

/** (high, low) / divisor for high < divisor; leaves the rest in `remainder`. */
function divide_128(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  const shift = clz<u64>(divisor);
  const d = divisor << shift;
  const d1 = d >> 32;
  const d0 = d & LOW;
  const u32s = shift == 0 ? high : (high << shift) | (low >> (64 - shift));
  const u10 = low << shift;
  const u1 = u10 >> 32;
  const u0 = u10 & LOW;

  let q1 = u32s / d1;
  let rest = u32s - q1 * d1;
  while (q1 > LOW || q1 * d0 > ((rest << 32) | u1)) {
    q1--;
    rest += d1;
    if (rest > LOW) break;
  }
  const u21 = (u32s << 32) + u1 - q1 * d;
  let q0 = u21 / d1;
  rest = u21 - q0 * d1;
  while (q0 > LOW || q0 * d0 > ((rest << 32) | u0)) {
    q0--;
    rest += d1;
    if (rest > LOW) break;
  }
  remainder = ((u21 << 32) + u0 - q0 * d) >> shift;
  return (q1 << 32) + q0;
}

function set_overflow(cpu: Cpu, overflow: bool): void {
  change_flags(cpu, CF | OF, overflow ? CF | OF : 0);
}

/** MUL and one-operand IMUL: RDX:RAX (AX for bytes) = RAX * r/m. */
export function do_multiply(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const is_signed = insn.id == Op.Imul1;
  let a = cpu.rax & mask_of(width);
  let b = load_width(off, width);
  if (is_signed) {
    a = sign_extend(a, width);
    b = sign_extend(b, width);
  }
  const low = a * b;
  if (width == 3) {
    const high = is_signed ? multiply_high_signed(a, b) : multiply_high(a, b);
    cpu.rax = low;
    cpu.rdx = high;
    set_overflow(cpu, high != (is_signed ? <u64>((<i64>low) >> 63) : 0));
    return DONE;
  }
  const bits: u32 = 8 << width;
  if (width == 0) set_register(cpu, 0, 1, low);
  else {
    set_register(cpu, 0, width, low);
    set_register(cpu, 16, width, low >> bits);
  }
  const fits = is_signed ? sign_extend(low, width) == low : low >> bits == 0;
  set_overflow(cpu, !fits);
  return DONE;
}

/** IMUL reg, r/m and IMUL reg, r/m, imm. */
export function do_multiply_to(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const a = sign_extend(load_width(off, width), width);
  const b = insn.has(INSN_IMM) ? insn.imm : sign_extend(get_reg(cpu, insn, width), width);
  const low = a * b;
  let fits: bool;
  if (width == 3) fits = multiply_high_signed(a, b) == <u64>((<i64>low) >> 63);
  else fits = sign_extend(low, width) == low;
  set_register(cpu, insn.reg, width, low);
  // SF, ZF, AF, PF are undefined; the lazy form of these flags (lazy.ts) says the same.
  const flags = result_flags(low & mask_of(width), width);
  set_flags(cpu, fits ? flags : flags | CF | OF);
  return DONE;
}

function divide_error(): u32 {
  latch_fault(VECTOR_DE, 0);
  return FAULT;
}

/** Quotient and remainder into AL/AH or RAX/RDX. */
function set_quotient(cpu: Cpu, width: u32, quotient: u64, rest: u64): u32 {
  if (width == 0) set_register(cpu, 0, 1, (quotient & 0xff) | (rest << 8));
  else {
    set_register(cpu, 0, width, quotient);
    set_register(cpu, 16, width, rest);
  }
  return DONE;
}

/** The dividend's two halves, each of the operand's width. */
function dividend_high(cpu: Cpu, width: u32): u64 {
  return width == 0 ? (cpu.rax >> 8) & 0xff : cpu.rdx & mask_of(width);
}

export function do_divide(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const divisor = load_width(off, width);
  const high = dividend_high(cpu, width);
  const low = cpu.rax & mask_of(width);
  // Also refuses 0: no quotient of that width exists.
  if (high >= divisor) return divide_error();
  if (width == 3) {
    const quotient = divide_128(high, low, divisor);
    return set_quotient(cpu, width, quotient, remainder);
  }
  const dividend = (high << (8 << width)) | low;
  return set_quotient(cpu, width, dividend / divisor, dividend % divisor);
}

export function do_divide_signed(cpu: Cpu, insn: Insn): u32 {
  const width: u32 = insn.width;
  const off = rm_read(cpu, insn, width);
  if (off == 0) return FAULT;
  const divisor = sign_extend(load_width(off, width), width);
  if (divisor == 0) return divide_error();
  let high = dividend_high(cpu, width);
  let low = cpu.rax & mask_of(width);
  // Magnitudes first: the quotient truncates toward zero, the remainder has the dividend's sign.
  if (width != 3) {
    low = sign_extend((high << (8 << width)) | low, min<u32>(width + 1, 3));
    high = <u64>((<i64>low) >> 63);
  }
  const negative = <i64>high < 0;
  if (negative) {
    low = 0 - low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const magnitude = <i64>divisor < 0 ? 0 - divisor : divisor;
  if (high >= magnitude) return divide_error();
  let quotient = divide_128(high, low, magnitude);
  let rest = remainder;
  const opposite = negative != <i64>divisor < 0;
  const limit = sign_of(width) - (opposite ? 0 : 1);
  if (quotient > limit) return divide_error();
  if (opposite) quotient = 0 - quotient;
  if (negative) rest = 0 - rest;
  return set_quotient(cpu, width, quotient, rest);
}
