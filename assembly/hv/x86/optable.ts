// The opcode maps as words (Intel SDM vol. 2, appendix A). A row says which operation an opcode is
// and where its operands come from; 0 is "not an instruction". ModRM groups are eight rows, ORed
// with the row that names them.

import { Op } from "./ops";

export const ROW_ID: u32 = 0xff;
/** Has a ModRM byte. */
export const M: u32 = 0x100;
/** Byte operands; otherwise the operand size of prefix and REX.W. */
export const B: u32 = 0x200;
/** The register operand is the destination. */
export const D: u32 = 0x400;
/** Register in the opcode's low three bits. */
export const O: u32 = 0x800;
/** The accumulator. */
export const A: u32 = 0x1000;
/** 64-bit operands without REX.W (stack, near branches). */
export const Q: u32 = 0x2000;
/** Condition, or another detail, in the opcode's low four bits. */
export const C: u32 = 0x4000;
/** A memory destination may be locked. */
export const L: u32 = 0x8000;
/** Ends a block. */
export const T: u32 = 0x10000;
/** The id is the number of a group. */
export const G: u32 = 0x20000;
/** The r/m operand is a byte (word) whatever the operand size. */
export const SB: u32 = 0x40000;
export const SW: u32 = 0x80000;

export const IMM_SHIFT: u32 = 20;
const IMM_BIT: u32 = 1 << IMM_SHIFT;
export const IMM_NONE: u32 = 0;
export const IMM_8: u32 = 1; // sign-extended
export const IMM_16: u32 = 2; // zero-extended
export const IMM_Z: u32 = 3; // operand size, 32 bits at most, sign-extended
export const IMM_V: u32 = 4; // operand size, up to 64 bits
export const IMM_REL8: u32 = 5;
export const IMM_REL32: u32 = 6;
export const IMM_MOFFS: u32 = 7; // absolute address
export const IMM_ENTER: u32 = 8; // 16 bits and 8 bits
export const IMM_ONE: u32 = 9; // no byte: the constant 1
export const IMM_8U: u32 = 10; // zero-extended
const I8: u32 = IMM_8 * IMM_BIT;
const I16: u32 = IMM_16 * IMM_BIT;
const IZ: u32 = IMM_Z * IMM_BIT;
const IV: u32 = IMM_V * IMM_BIT;
const J8: u32 = IMM_REL8 * IMM_BIT;
const JZ: u32 = IMM_REL32 * IMM_BIT;
const MO: u32 = IMM_MOFFS * IMM_BIT;
const IE: u32 = IMM_ENTER * IMM_BIT;
const I1: u32 = IMM_ONE * IMM_BIT;
const U8: u32 = IMM_8U * IMM_BIT;

const U: u32 = Op.Unsupported;
export const GROUP_1: u32 = 0;
export const GROUP_1A: u32 = 1;
export const GROUP_2: u32 = 2;
export const GROUP_3: u32 = 3;
export const GROUP_4: u32 = 4;
export const GROUP_5: u32 = 5;
export const GROUP_6: u32 = 6;
export const GROUP_7: u32 = 7;
export const GROUP_8: u32 = 8;
export const GROUP_9: u32 = 9;
export const GROUP_11: u32 = 10;
export const GROUP_15: u32 = 11;
const G1: u32 = G | M | GROUP_1;
const G2: u32 = G | M | GROUP_2;
const G3: u32 = G | M | GROUP_3;

/** One-byte opcodes. Prefixes, 0F and VEX/EVEX never get here. */
// prettier-ignore
export const ONE_BYTE: StaticArray<u32> = [
  // 00
  Op.Add|M|B|L, Op.Add|M|L, Op.Add|M|B|D, Op.Add|M|D, Op.Add|A|B|IZ, Op.Add|A|IZ, 0, 0,
  Op.Or|M|B|L, Op.Or|M|L, Op.Or|M|B|D, Op.Or|M|D, Op.Or|A|B|IZ, Op.Or|A|IZ, 0, 0,
  // 10
  Op.Adc|M|B|L, Op.Adc|M|L, Op.Adc|M|B|D, Op.Adc|M|D, Op.Adc|A|B|IZ, Op.Adc|A|IZ, 0, 0,
  Op.Sbb|M|B|L, Op.Sbb|M|L, Op.Sbb|M|B|D, Op.Sbb|M|D, Op.Sbb|A|B|IZ, Op.Sbb|A|IZ, 0, 0,
  // 20
  Op.And|M|B|L, Op.And|M|L, Op.And|M|B|D, Op.And|M|D, Op.And|A|B|IZ, Op.And|A|IZ, 0, 0,
  Op.Sub|M|B|L, Op.Sub|M|L, Op.Sub|M|B|D, Op.Sub|M|D, Op.Sub|A|B|IZ, Op.Sub|A|IZ, 0, 0,
  // 30
  Op.Xor|M|B|L, Op.Xor|M|L, Op.Xor|M|B|D, Op.Xor|M|D, Op.Xor|A|B|IZ, Op.Xor|A|IZ, 0, 0,
  Op.Cmp|M|B, Op.Cmp|M, Op.Cmp|M|B|D, Op.Cmp|M|D, Op.Cmp|A|B|IZ, Op.Cmp|A|IZ, 0, 0,
  // 40: REX
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  // 50
  Op.Push|O|Q, Op.Push|O|Q, Op.Push|O|Q, Op.Push|O|Q, Op.Push|O|Q, Op.Push|O|Q, Op.Push|O|Q,
  Op.Push|O|Q,
  Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q, Op.Pop|O|Q,
  // 60
  0, 0, 0, Op.Movsx|M|D, 0, 0, 0, 0,
  Op.PushImm|Q|IZ, Op.Imul3|M|D|IZ, Op.PushImm|Q|I8, Op.Imul3|M|D|I8,
  Op.Ins|B|T, Op.Ins|T, Op.Outs|B|T, Op.Outs|T,
  // 70
  Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8,
  Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8,
  Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8,
  Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8, Op.Jcc|C|T|Q|J8,
  // 80
  G1|B|IZ, G1|IZ, 0, G1|I8, Op.Test|M|B, Op.Test|M, Op.Xchg|M|B|L, Op.Xchg|M|L,
  Op.Mov|M|B, Op.Mov|M, Op.Mov|M|B|D, Op.Mov|M|D, Op.ReadSeg|M, Op.Lea|M|D, Op.WriteSeg|M,
  G|M|Q|GROUP_1A,
  // 90
  Op.Xchg|O|A, Op.Xchg|O|A, Op.Xchg|O|A, Op.Xchg|O|A, Op.Xchg|O|A, Op.Xchg|O|A, Op.Xchg|O|A,
  Op.Xchg|O|A,
  Op.Cbw, Op.Cwd, 0, Op.Fwait, Op.Pushf|Q, Op.Popf|Q|T, Op.Sahf, Op.Lahf,
  // a0
  Op.Mov|A|B|D|MO, Op.Mov|A|D|MO, Op.Mov|A|B|MO, Op.Mov|A|MO, Op.Movs|B|T, Op.Movs|T, Op.Cmps|B|T,
  Op.Cmps|T,
  Op.Test|A|B|IZ, Op.Test|A|IZ, Op.Stos|B|T, Op.Stos|T, Op.Lods|B|T, Op.Lods|T, Op.Scas|B|T,
  Op.Scas|T,
  // b0
  Op.Mov|O|B|IV, Op.Mov|O|B|IV, Op.Mov|O|B|IV, Op.Mov|O|B|IV, Op.Mov|O|B|IV, Op.Mov|O|B|IV,
  Op.Mov|O|B|IV, Op.Mov|O|B|IV,
  Op.Mov|O|IV, Op.Mov|O|IV, Op.Mov|O|IV, Op.Mov|O|IV, Op.Mov|O|IV, Op.Mov|O|IV, Op.Mov|O|IV,
  Op.Mov|O|IV,
  // c0
  G2|B|U8, G2|U8, Op.Ret|Q|T|I16, Op.Ret|Q|T, 0, 0, G|M|B|IZ|GROUP_11, G|M|IZ|GROUP_11,
  Op.Enter|Q|IE, Op.Leave|Q, Op.RetFar|T|I16, Op.RetFar|T, Op.Int3|T, Op.Int|T|U8, 0, Op.Iret|T,
  // d0
  G2|B|I1, G2|I1, G2|B, G2, 0, 0, 0, Op.Xlat|B,
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // e0
  Op.Loopne|T|Q|J8, Op.Loope|T|Q|J8, Op.Loop|T|Q|J8, Op.Jrcxz|T|Q|J8, Op.In|B|U8, Op.In|U8,
  Op.Out|B|U8, Op.Out|U8,
  Op.Call|T|Q|JZ, Op.Jmp|T|Q|JZ, 0, Op.Jmp|T|Q|J8, Op.In|B, Op.In, Op.Out|B, Op.Out,
  // f0
  0, Op.Int1|T, 0, 0, Op.Hlt|T, Op.Cmc, G3|B, G3,
  Op.Clc, Op.Stc, Op.Cli, Op.Sti|T, Op.Cld, Op.Std, G|M|B|GROUP_4, G|M|GROUP_5,
];

/** Opcodes behind 0F. Those whose prefix chooses the operation (SSE) stand in ssetable.ts. */
// prettier-ignore
export const TWO_BYTE: StaticArray<u32> = [
  // 00
  G|M|GROUP_6, G|M|GROUP_7, Op.Lar|M|D, Op.Lsl|M|D, 0, Op.Syscall|T, Op.Clts, Op.Sysret|T,
  Op.Wbinvd, Op.Wbinvd, 0, Op.Ud|T, 0, Op.NopRm|M, U, U|M|U8,
  // 10
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  Op.NopRm|M, Op.NopRm|M, Op.NopRm|M, Op.NopRm|M, Op.NopRm|M, Op.NopRm|M, Op.NopRm|M, Op.NopRm|M,
  // 20
  Op.ReadCr|M, Op.ReadDr|M, Op.WriteCr|M|T, Op.WriteDr|M, 0, 0, 0, 0,
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // 30
  Op.Wrmsr|T, Op.Rdtsc, Op.Rdmsr, Op.Rdpmc, Op.Sysenter|T, Op.Sysexit|T, 0, U,
  0, 0, 0, 0, 0, 0, 0, 0,
  // 40
  Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C,
  Op.Cmov|M|D|C, Op.Cmov|M|D|C,
  Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C, Op.Cmov|M|D|C,
  Op.Cmov|M|D|C, Op.Cmov|M|D|C,
  // 50
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // 60
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // 70
  U|M|U8, U|M|U8, U|M|U8, U|M|U8, U|M, U|M, U|M, U,
  U|M, U|M, 0, 0, U|M, U|M, U|M, U|M,
  // 80
  Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ,
  Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ,
  Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ,
  Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ, Op.Jcc|C|T|Q|JZ,
  // 90
  Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C,
  Op.Setcc|M|B|C, Op.Setcc|M|B|C,
  Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C, Op.Setcc|M|B|C,
  Op.Setcc|M|B|C, Op.Setcc|M|B|C,
  // a0
  Op.PushSeg|Q|C, Op.PopSeg|Q|C, Op.Cpuid, Op.Bt|M, Op.Shld|M|U8, Op.Shld|M, 0, 0,
  Op.PushSeg|Q|C, Op.PopSeg|Q|C, U, Op.Bts|M|L, Op.Shrd|M|U8, Op.Shrd|M, G|M|GROUP_15, Op.Imul2|M|D,
  // b0
  Op.Cmpxchg|M|B|L, Op.Cmpxchg|M|L, Op.LoadFar|M|C, Op.Btr|M|L, Op.LoadFar|M|C, Op.LoadFar|M|C,
  Op.Movzx|M|D|SB, Op.Movzx|M|D|SW,
  Op.Popcnt|M|D, Op.Ud|M|T, G|M|U8|GROUP_8, Op.Btc|M|L, Op.Bsf|M|D, Op.Bsr|M|D, Op.Movsx|M|D|SB,
  Op.Movsx|M|D|SW,
  // c0
  Op.Xadd|M|B|L, Op.Xadd|M|L, U|M|U8, Op.Mov|M, U|M|U8, U|M|U8, U|M|U8, G|M|GROUP_9,
  Op.Bswap|O, Op.Bswap|O, Op.Bswap|O, Op.Bswap|O, Op.Bswap|O, Op.Bswap|O, Op.Bswap|O, Op.Bswap|O,
  // d0
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // e0
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M,
  // f0
  U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, U|M, Op.Ud|M|T,
];

/** ModRM groups, eight rows each, chosen by ModRM.reg. */
// prettier-ignore
export const GROUPS: StaticArray<u32> = [
  /* 1  */ Op.Add|L, Op.Or|L, Op.Adc|L, Op.Sbb|L, Op.And|L, Op.Sub|L, Op.Xor|L, Op.Cmp,
  /* 1A */ Op.Pop, 0, 0, 0, 0, 0, 0, 0,
  /* 2  */ Op.Rol, Op.Ror, Op.Rcl, Op.Rcr, Op.Shl, Op.Shr, Op.Sal, Op.Sar,
  /* 3  */ Op.Test|IZ, Op.Test|IZ, Op.Not|L, Op.Neg|L, Op.Mul, Op.Imul1, Op.Div, Op.Idiv,
  /* 4  */ Op.Inc|L, Op.Dec|L, 0, 0, 0, 0, 0, 0,
  /* 5  */ Op.Inc|L, Op.Dec|L, Op.CallRm|Q|T, Op.CallFar|T, Op.JmpRm|Q|T, Op.JmpFar|T, Op.Push|Q, 0,
  /* 6  */ Op.Sldt, Op.Str, Op.Lldt, Op.Ltr, Op.Verr, Op.Verw, 0, 0,
  /* 7  */ Op.Sgdt, Op.Sidt, Op.Lgdt, Op.Lidt, Op.Smsw, U, Op.Lmsw, Op.Invlpg,
  /* 8  */ 0, 0, 0, 0, Op.Bt, Op.Bts|L, Op.Btr|L, Op.Btc|L,
  /* 9  */ 0, Op.Cmpxchg8|L, 0, Op.Xrstors, Op.Xsavec, Op.Xsaves, U, U,
  /* 11 */ Op.Mov, 0, 0, 0, 0, 0, 0, U,
  /* 15 */ Op.Fxsave, Op.Fxrstor, Op.Ldmxcsr, Op.Stmxcsr, Op.Xsave, Op.Xrstor, Op.Xsaveopt,
  Op.Clflush,
];
