// Encodings that share an opcode with others and differ by ModRM or prefix; the x87's few that are
// here; and of the VEX and EVEX families the lengths, and those on general registers (Intel SDM
// vol. 2, 2.3 and 2.7; appendix A.4 to A.6).

import { Op } from "./ops";
import { IMM_8U, IMM_SHIFT, M, Q, T } from "./optable";
import { PREFIX_66, PREFIX_F2, PREFIX_F3, PREFIX_NONE } from "./ssetable";

/** 0F 01 with a register: instructions without operands, by ModRM; SMSW and LMSW. */
function system_row(modrm: u32, prefix: u32): u32 {
  const digit = (modrm >> 3) & 7;
  if (digit == 4) return Op.Smsw;
  if (digit == 6) return Op.Lmsw;
  // prettier-ignore
  switch (modrm) {
    case 0xc1: return Op.Vmcall | T;
    case 0xca: return Op.Clac;
    case 0xcb: return Op.Stac;
    case 0xf8: return Op.Swapgs;
    case 0xf9: return Op.Rdtscp;
    default: break;
  }
  if (prefix != PREFIX_NONE) return Op.Unsupported;
  // prettier-ignore
  switch (modrm) {
    case 0xc8: return Op.Monitor;
    case 0xc9: return Op.Mwait;
    case 0xd0: return Op.Xgetbv;
    case 0xd1: return Op.Xsetbv;
    case 0xe8: return Op.Nop; // SERIALIZE
    default: return Op.Unsupported;
  }
}

/** 0F AE with a register: fences, and the segment bases behind F3. */
function fence_row(digit: u32, prefix: u32): u32 {
  if (prefix == PREFIX_F3) return digit < 4 ? Op.Rdfsbase + digit : Op.Unsupported;
  return digit >= 5 && prefix == PREFIX_NONE ? Op.Nop : Op.Unsupported;
}

/** 0F AE with memory: a prefix makes hints of two of the group, and CET's of others. */
function state_row(digit: u32, prefix: u32): u32 {
  if (prefix == PREFIX_NONE) return 0;
  return prefix == PREFIX_66 && digit >= 6 ? Op.Clflush : Op.Unsupported;
}

/** 0F C7 but for CMPXCHG8B and CMPXCHG16B. */
function group_9_row(is_register: bool, digit: u32, prefix: u32): u32 {
  if (!is_register) return digit == 1 || prefix == PREFIX_NONE ? 0 : Op.Unsupported;
  if (digit == 7 && prefix == PREFIX_F3) return Op.Rdpid | Q;
  if (digit < 6 || prefix > PREFIX_66) return Op.Unsupported;
  return digit == 6 ? Op.Rdrand : Op.Rdseed;
}

/** Operation and flags that replace those of `0F opcode`, or 0 when its row says it all. */
export function special_row(opcode: u32, modrm: u32, prefix: u32): u32 {
  const is_register = modrm >> 6 == 3;
  const digit = (modrm >> 3) & 7;
  switch (opcode) {
    case 0x01:
      return is_register ? system_row(modrm, prefix) : 0;
    case 0xae:
      return is_register ? fence_row(digit, prefix) : state_row(digit, prefix);
    case 0xb8:
      return prefix == PREFIX_F3 ? 0 : Op.Unsupported;
    case 0xbc:
      return prefix == PREFIX_F3 ? Op.Tzcnt : 0;
    case 0xbd:
      return prefix == PREFIX_F3 ? Op.Lzcnt : 0;
    case 0xc7:
      return group_9_row(is_register, digit, prefix);
    case 0x09:
      return prefix == PREFIX_F2 ? Op.Unsupported : 0;
    default:
      return 0;
  }
}

/** The operation of `0F 38 opcode`, Op.Unsupported when it is not one of this machine. */
export function map_38_row(opcode: u32, modrm: u32, prefix: u32): u32 {
  const is_register = modrm >> 6 == 3;
  if (opcode == 0x82 && prefix == PREFIX_66) return is_register ? 0 : Op.Invpcid | Q;
  if (opcode == 0xf6 && prefix == PREFIX_66) return Op.Adcx;
  if (opcode == 0xf6 && prefix == PREFIX_F3) return Op.Adox;
  return Op.Unsupported;
}

/** D8 to DF: what is about the x87's state and not about its numbers. */
export function x87_row(opcode: u32, modrm: u32): u32 {
  const digit = (modrm >> 3) & 7;
  if (opcode == 0xdb && modrm == 0xe2) return Op.Fnclex;
  if (opcode == 0xdb && modrm == 0xe3) return Op.Fninit;
  if (opcode == 0xdf && modrm == 0xe0) return Op.Fnstsw;
  if (modrm >> 6 == 3) return Op.Unsupported;
  if (opcode == 0xd9 && digit == 5) return Op.Fldcw;
  if (opcode == 0xd9 && digit == 7) return Op.Fnstcw;
  return opcode == 0xdd && digit == 7 ? Op.Fnstsw : Op.Unsupported;
}

// The byte of VEX that holds W, vvvv (inverted), L and pp.
const VEX_L: u32 = 4;
const VEX_PP: u32 = 3;

/** BMI1 and BMI2: VEX instructions on general registers; 0 when it is not one of them. */
export function bmi_row(map: u32, p1: u32, opcode: u32, modrm: u32): u32 {
  const prefix = p1 & VEX_PP; // in the order of PREFIX_*
  if ((p1 & VEX_L) != 0) return 0;
  if (map == 3) {
    const free = (p1 & 0x78) == 0x78;
    if (opcode != 0xf0 || prefix != PREFIX_F2 || !free) return 0;
    return Op.Rorx | M | (IMM_8U << IMM_SHIFT);
  }
  if (map != 2) return 0;
  if (opcode == 0xf7) {
    if (prefix == PREFIX_NONE) return Op.Bextr | M;
    return (prefix == PREFIX_66 ? Op.Shlx : prefix == PREFIX_F3 ? Op.Sarx : Op.Shrx) | M;
  }
  if (opcode == 0xf5 && prefix != PREFIX_66) {
    return (prefix == PREFIX_NONE ? Op.Bzhi : prefix == PREFIX_F3 ? Op.Pext : Op.Pdep) | M;
  }
  if (opcode == 0xf6 && prefix == PREFIX_F2) return Op.Mulx | M;
  if (prefix != PREFIX_NONE) return 0;
  if (opcode == 0xf2) return Op.Andn | M;
  const digit = (modrm >> 3) & 7;
  return opcode == 0xf3 && digit >= 1 && digit <= 3 ? (Op.Blsr + digit - 1) | M : 0;
}

/** Opcodes of map 1 that carry an immediate byte. */
function has_immediate(opcode: u32): bool {
  return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
}

/** VEX (C4, C5) and EVEX (62): no operation that this machine has, but a length. */
export function vex_row(escape: u32, p0: u32, opcode: u32): u32 {
  const map = escape == 0xc5 ? 1 : p0 & (escape == 0xc4 ? 31 : 7);
  let row: u32 = Op.Unsupported | M;
  if (map == 3 || (map == 1 && has_immediate(opcode))) row |= IMM_8U << IMM_SHIFT;
  if (map == 1 && opcode == 0x77 && escape != 0x62) row &= ~M;
  return row;
}
