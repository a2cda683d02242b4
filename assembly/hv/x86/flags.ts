// RFLAGS (Intel SDM vol. 1, 3.4.3): the arithmetic flags of a result, and the sixteen conditions.
// Values come masked to their width (log2: 0 1 2 3).

import { Cpu } from "../cpu";

export const CF: u64 = 0x001;
export const PF: u64 = 0x004;
export const AF: u64 = 0x010;
export const ZF: u64 = 0x040;
export const SF: u64 = 0x080;
export const TF: u64 = 0x100;
export const IF: u64 = 0x200;
export const DF: u64 = 0x400;
export const OF: u64 = 0x800;
export const IOPL: u64 = 0x3000;
export const NT: u64 = 0x4000;
export const RF: u64 = 0x10000;
export const AC: u64 = 0x40000;
export const FIXED: u64 = 0x2;
export const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;
/** What POPF may change in every ring, IF if IOPL allows it: VIF and VIP stay as they are. */
export const POPF_MASK: u64 = ARITHMETIC | TF | IF | DF | NT | AC | 0x200000;

/** May ports be reached and IF be changed? (SDM vol. 1, 19.5.1) */
@inline
export function has_io_privilege(cpu: Cpu): bool {
  return cpu.user == 0 || (cpu.rflags & IOPL) == IOPL;
}


@inline
export function mask_of(width: u32): u64 {
  return ~(<u64>0) >> (64 - (8 << width));
}

/** The sign bit of a value of `width`. */
@inline
export function sign_of(width: u32): u64 {
  return (<u64>1) << ((8 << width) - 1);
}


@inline
export function sign_extend(value: u64, width: u32): u64 {
  const unused = 64 - (8 << width);
  return <u64>((<i64>(value << unused)) >> unused);
}

/** ZF, SF and PF of a result. */
export function result_flags(result: u64, width: u32): u64 {
  let flags: u64 = result == 0 ? ZF : 0;
  if ((result & sign_of(width)) != 0) flags |= SF;
  if ((popcnt<u32>((<u32>result) & 0xff) & 1) == 0) flags |= PF;
  return flags;
}

/** Flags of result = a + b (+ carry). */
export function add_flags(a: u64, b: u64, result: u64, width: u32): u64 {
  const sign = sign_of(width);
  let flags = result_flags(result, width) | ((a ^ b ^ result) & AF);
  if ((((a & b) | ((a | b) & ~result)) & sign) != 0) flags |= CF;
  if (((a ^ result) & (b ^ result) & sign) != 0) flags |= OF;
  return flags;
}

/** Flags of result = a - b (- borrow). */
export function sub_flags(a: u64, b: u64, result: u64, width: u32): u64 {
  const sign = sign_of(width);
  let flags = result_flags(result, width) | ((a ^ b ^ result) & AF);
  if ((((~a & b) | ((~a | b) & result)) & sign) != 0) flags |= CF;
  if (((a ^ b) & (a ^ result) & sign) != 0) flags |= OF;
  return flags;
}

/** Replaces all arithmetic flags. */
@inline
export function set_flags(cpu: Cpu, flags: u64): void {
  cpu.rflags = (cpu.rflags & ~ARITHMETIC) | flags;
}

/** Replaces the flags of `changed`. */
@inline
export function change_flags(cpu: Cpu, changed: u64, flags: u64): void {
  cpu.rflags = (cpu.rflags & ~changed) | flags;
}

/** Condition `cc` (opcode bits 3:0: o no b ae e ne be a s ns p np l ge le g) of complete flags. */
export function condition_of(rflags: u64, cc: u32): bool {
  let met: bool;
  // prettier-ignore
  switch (cc >> 1) {
    case 0: met = (rflags & OF) != 0; break;
    case 1: met = (rflags & CF) != 0; break;
    case 2: met = (rflags & ZF) != 0; break;
    case 3: met = (rflags & (CF | ZF)) != 0; break;
    case 4: met = (rflags & SF) != 0; break;
    case 5: met = (rflags & PF) != 0; break;
    case 6: met = ((rflags >> 7) & 1) != ((rflags >> 11) & 1); break;
    default: met = (rflags & ZF) != 0 || ((rflags >> 7) & 1) != ((rflags >> 11) & 1);
  }
  return met != ((cc & 1) != 0);
}
