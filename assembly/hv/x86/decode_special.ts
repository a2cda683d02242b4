// Encodings that share an opcode with others and differ by ModRM or prefix, and the lengths of the
// VEX and EVEX families (Intel SDM vol. 2, 2.3 and 2.7; appendix A.4).

import { Op } from "./ops";
import { IMM_8U, IMM_SHIFT, M, Q, T } from "./optable";
import { PREFIX_66, PREFIX_F2, PREFIX_F3, PREFIX_NONE } from "./ssetable";

/** 0F 01 with a register: instructions without operands, by ModRM. */
function system_row(modrm: u32, prefix: u32): u32 {
  // prettier-ignore
  switch (modrm) {
    case 0xc1: return Op.Vmcall | T;
    case 0xca: return Op.Clac;
    case 0xcb: return Op.Stac;
    case 0xe8: return prefix == PREFIX_NONE ? Op.Nop : Op.Unsupported; // SERIALIZE
    case 0xf8: return Op.Swapgs;
    case 0xf9: return Op.Rdtscp;
    default: return Op.Unsupported;
  }
}

/** 0F AE with a register: fences, and the segment bases behind F3. */
function fence_row(digit: u32, prefix: u32): u32 {
  if (prefix == PREFIX_F3) {
    switch (digit) {
      case 0:
        return Op.Rdfsbase;
      case 1:
        return Op.Rdgsbase;
      case 2:
        return Op.Wrfsbase;
      case 3:
        return Op.Wrgsbase;
      default:
        return Op.Unsupported;
    }
  }
  return digit >= 5 && prefix == PREFIX_NONE ? Op.Nop : Op.Unsupported;
}

/** Operation and flags that replace those of `0F opcode`, or 0 when its row says it all. */
export function special_row(opcode: u32, modrm: u32, prefix: u32): u32 {
  const is_register = modrm >> 6 == 3;
  const digit = (modrm >> 3) & 7;
  switch (opcode) {
    case 0x01:
      return is_register ? system_row(modrm, prefix) : 0;
    case 0xae:
      if (is_register) return fence_row(digit, prefix);
      // CLWB and CLFLUSHOPT are hints like CLFLUSH; CLRSSBSY is not.
      if (digit == 6 && prefix == PREFIX_66) return Op.NopRm;
      return prefix == PREFIX_F3 ? Op.Unsupported : 0;
    case 0xb8:
      return prefix == PREFIX_F3 ? 0 : Op.Unsupported;
    case 0xbc:
      return prefix == PREFIX_F3 ? Op.Tzcnt : 0;
    case 0xbd:
      return prefix == PREFIX_F3 ? Op.Lzcnt : 0;
    case 0xc7:
      if (is_register && digit == 7 && prefix == PREFIX_F3) return Op.Rdpid | Q;
      return digit == 1 && is_register ? Op.Unsupported : 0;
    case 0x09:
      return prefix == PREFIX_F2 ? Op.Unsupported : 0;
    default:
      return 0;
  }
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
