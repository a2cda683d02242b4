// Flags that nobody has asked for yet. The executor keeps the last flag-setting operation as a kind
// and two values (in its locals), and works out RFLAGS only when something reads them. Values are
// kept sign-extended to 64 bits from the operation's width, which preserves both orders and zero:
//
//   ADD     a = first operand, b = result          INC DEC  b = result; CF is in Cpu.rflags already
//   SUB     a, b = operands (also CMP, NEG)        SHIFT    a = CF | OF, b = result
//   LOGIC   b = result                             IMUL     a, b = operands

import { Cpu } from "../cpu";
import {
  add_flags,
  ARITHMETIC,
  CF,
  change_flags,
  condition_of,
  mask_of,
  OF,
  result_flags,
  set_flags,
  sign_extend,
  sub_flags,
} from "./flags";
import { multiply_high_signed } from "./muldiv";

/** Kind << 2 | width. EAGER: Cpu.rflags is complete. */
export const EAGER: u32 = 0;
export const ADD: u32 = 4;
export const SUB: u32 = 8;
export const LOGIC: u32 = 12;
export const INC: u32 = 16;
export const DEC: u32 = 20;
export const SHIFT: u32 = 24;
export const IMUL: u32 = 28;

const KEEPS_CF: u64 = ARITHMETIC & ~CF;

function imul_flags(a: u64, b: u64, width: u32): u64 {
  const low = a * b;
  let fits: bool;
  if (width == 3) fits = multiply_high_signed(a, b) == <u64>((<i64>low) >> 63);
  else fits = sign_extend(low, width) == low;
  const flags = result_flags(low & mask_of(width), width);
  return fits ? flags : flags | CF | OF;
}

/** Completes Cpu.rflags from the last operation. */
export function settle_flags(cpu: Cpu, kind: u32, fa: u64, fb: u64): void {
  const width = kind & 3;
  const mask = mask_of(width);
  const a = fa & mask;
  const b = fb & mask;
  // prettier-ignore
  switch (kind >> 2) {
    case 0: return;
    case 1: return set_flags(cpu, add_flags(a, (b - a) & mask, b, width));
    case 2: return set_flags(cpu, sub_flags(a, b, (a - b) & mask, width));
    case 3: return set_flags(cpu, result_flags(b, width));
    case 4: return change_flags(cpu, KEEPS_CF, add_flags((b - 1) & mask, 1, b, width) & ~CF);
    case 5: return change_flags(cpu, KEEPS_CF, sub_flags((b + 1) & mask, 1, b, width) & ~CF);
    case 6: return set_flags(cpu, result_flags(b, width) | fa);
    default: return set_flags(cpu, imul_flags(fa, fb, width));
  }
}

/** Is condition `cc` met? The frequent ones straight from the values. */
export function lazy_condition(cpu: Cpu, cc: u32, kind: u32, fa: u64, fb: u64): bool {
  const shape = kind >> 2;
  if (shape == 2) {
    // prettier-ignore
    switch (cc) {
      case 2: return fa < fb;
      case 3: return fa >= fb;
      case 4: return fa == fb;
      case 5: return fa != fb;
      case 6: return fa <= fb;
      case 7: return fa > fb;
      case 12: return <i64>fa < <i64>fb;
      case 13: return <i64>fa >= <i64>fb;
      case 14: return <i64>fa <= <i64>fb;
      case 15: return <i64>fa > <i64>fb;
      default: break;
    }
  } else if (shape != 0 && shape != 7) {
    // prettier-ignore
    switch (cc) {
      case 4: return fb == 0;
      case 5: return fb != 0;
      case 8: return <i64>fb < 0;
      case 9: return <i64>fb >= 0;
      default: break;
    }
    if (cc == 2 && shape == 1) return fb < fa;
    if (cc == 3 && shape == 1) return fb >= fa;
  }
  settle_flags(cpu, kind, fa, fb);
  return condition_of(cpu.rflags, cc);
}

/** The carry alone, for what keeps or consumes it. */
export function lazy_carry(cpu: Cpu, kind: u32, fa: u64, fb: u64): u64 {
  // prettier-ignore
  switch (kind >> 2) {
    case 0:
    case 4:
    case 5: return cpu.rflags & CF;
    case 1: return <u64>(fb < fa);
    case 2: return <u64>(fa < fb);
    case 3: return 0;
    case 6: return fa & CF;
    default: return imul_flags(fa, fb, kind & 3) & CF;
  }
}
