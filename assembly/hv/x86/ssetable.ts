// SSE/SSE2 as compilers use it for copies, comparisons and integer vectors (Intel SDM vol. 2, table
// the opcodes behind 0F whose mandatory prefix chooses the operation. Floating point
// arithmetic is not here: a hypervisor has none.

import { Op, Packed, Pshift } from "./ops";

/** Mandatory prefixes. */
export const PREFIX_NONE: u32 = 0;
export const PREFIX_66: u32 = 1;
export const PREFIX_F3: u32 = 2;
export const PREFIX_F2: u32 = 3;
const N: u32 = PREFIX_NONE << 8;
const P: u32 = PREFIX_66 << 8;
const R: u32 = PREFIX_F3 << 8;
const E: u32 = PREFIX_F2 << 8;
const ID: u32 = 1 << 16;
const K: u32 = Op.Packed * ID;
const X: u32 = Op.PshiftX * ID;
const S: u32 = 1 << 24;

/** opcode | prefix << 8 | operation << 16 | sub << 24 */
// prettier-ignore
const ROWS: StaticArray<u32> = [
  0x10|N|Op.MovX*ID, 0x10|P|Op.MovX*ID, 0x10|R|Op.MovSs*ID, 0x10|E|Op.MovSd*ID,
  0x11|N|Op.MovStore*ID, 0x11|P|Op.MovStore*ID, 0x11|R|Op.MovSsStore*ID, 0x11|E|Op.MovSdStore*ID,
  0x12|N|Op.MovLow*ID, 0x12|P|Op.MovLow*ID, 0x13|N|Op.MovLowStore*ID, 0x13|P|Op.MovLowStore*ID,
  0x14|N|K|Packed.Unpckldq*S, 0x14|P|K|Packed.Unpcklqdq*S,
  0x15|N|K|Packed.Unpckhdq*S, 0x15|P|K|Packed.Unpckhqdq*S,
  0x16|N|Op.MovHigh*ID, 0x16|P|Op.MovHigh*ID, 0x17|N|Op.MovHighStore*ID, 0x17|P|Op.MovHighStore*ID,
  0x28|N|Op.MovXAligned*ID, 0x28|P|Op.MovXAligned*ID,
  0x29|N|Op.MovStoreAligned*ID, 0x29|P|Op.MovStoreAligned*ID,
  0x2b|N|Op.MovStoreAligned*ID, 0x2b|P|Op.MovStoreAligned*ID,
  0x50|N|Op.Movmskps*ID, 0x50|P|Op.Movmskpd*ID,
  0x54|N|Op.Pand*ID, 0x54|P|Op.Pand*ID, 0x55|N|Op.Pandn*ID, 0x55|P|Op.Pandn*ID,
  0x56|N|Op.Por*ID, 0x56|P|Op.Por*ID, 0x57|N|Op.Pxor*ID, 0x57|P|Op.Pxor*ID,
  0x60|P|K|Packed.Unpcklbw*S, 0x61|P|K|Packed.Unpcklwd*S, 0x62|P|K|Packed.Unpckldq*S,
  0x63|P|K|Packed.Packsswb*S, 0x64|P|K|Packed.Gtb*S, 0x65|P|K|Packed.Gtw*S, 0x66|P|K|Packed.Gtd*S,
  0x67|P|K|Packed.Packuswb*S, 0x68|P|K|Packed.Unpckhbw*S, 0x69|P|K|Packed.Unpckhwd*S,
  0x6a|P|K|Packed.Unpckhdq*S, 0x6b|P|K|Packed.Packssdw*S, 0x6c|P|K|Packed.Unpcklqdq*S,
  0x6d|P|K|Packed.Unpckhqdq*S, 0x6e|P|Op.MovD*ID, 0x6f|P|Op.MovXAligned*ID, 0x6f|R|Op.MovX*ID,
  0x70|P|Op.Pshufd*ID, 0x70|R|Op.Pshufhw*ID, 0x70|E|Op.Pshuflw*ID,
  0x74|P|K|Packed.Eqb*S, 0x75|P|K|Packed.Eqw*S, 0x76|P|K|Packed.Eqd*S,
  0x7e|P|Op.MovDStore*ID, 0x7e|R|Op.MovQ*ID, 0x7f|P|Op.MovStoreAligned*ID, 0x7f|R|Op.MovStore*ID,
  0xc4|P|Op.Pinsrw*ID, 0xc5|P|Op.Pextrw*ID, 0xc6|N|Op.Shufps*ID, 0xc6|P|Op.Shufpd*ID,
  0xd1|P|X|Pshift.Srlw*S, 0xd2|P|X|Pshift.Srld*S, 0xd3|P|X|Pshift.Srlq*S, 0xd4|P|K|Packed.Addq*S,
  0xd5|P|K|Packed.Mullw*S, 0xd6|P|Op.MovQStore*ID, 0xd7|P|Op.Pmovmskb*ID,
  0xd8|P|K|Packed.Subusb*S, 0xd9|P|K|Packed.Subusw*S, 0xda|P|K|Packed.Minub*S, 0xdb|P|Op.Pand*ID,
  0xdc|P|K|Packed.Addusb*S, 0xdd|P|K|Packed.Addusw*S, 0xde|P|K|Packed.Maxub*S, 0xdf|P|Op.Pandn*ID,
  0xe0|P|K|Packed.Avgb*S, 0xe1|P|X|Pshift.Sraw*S, 0xe2|P|X|Pshift.Srad*S, 0xe3|P|K|Packed.Avgw*S,
  0xe4|P|K|Packed.Mulhuw*S, 0xe5|P|K|Packed.Mulhw*S, 0xe7|P|Op.MovStoreAligned*ID,
  0xe8|P|K|Packed.Subsb*S, 0xe9|P|K|Packed.Subsw*S, 0xea|P|K|Packed.Minsw*S, 0xeb|P|Op.Por*ID,
  0xec|P|K|Packed.Addsb*S, 0xed|P|K|Packed.Addsw*S, 0xee|P|K|Packed.Maxsw*S, 0xef|P|Op.Pxor*ID,
  0xf1|P|X|Pshift.Sllw*S, 0xf2|P|X|Pshift.Slld*S, 0xf3|P|X|Pshift.Sllq*S, 0xf4|P|K|Packed.Muludq*S,
  0xf5|P|K|Packed.Maddwd*S, 0xf6|P|K|Packed.Sadbw*S, 0xf8|P|K|Packed.Subb*S, 0xf9|P|K|Packed.Subw*S,
  0xfa|P|K|Packed.Subd*S, 0xfb|P|K|Packed.Subq*S, 0xfc|P|K|Packed.Addb*S, 0xfd|P|K|Packed.Addw*S,
  0xfe|P|K|Packed.Addd*S,
];

/** operation | sub << 8 of `0F opcode` under a mandatory prefix, 0 when there is none here. */
export function sse_row(opcode: u32, prefix: u32): u32 {
  const key = opcode | (prefix << 8);
  for (let i = 0; i < ROWS.length; i++) {
    const row = unchecked(ROWS[i]);
    if ((row & 0xffff) == key) return row >> 16;
  }
  return 0;
}

/** The shift by an immediate of 66 0F 71/72/73, by ModRM.reg; -1 when there is none. */
export function shift_row(opcode: u32, digit: u32): i32 {
  // prettier-ignore
  switch (((opcode & 3) << 3) | digit) {
    case 0o12: return Pshift.Srlw;
    case 0o14: return Pshift.Sraw;
    case 0o16: return Pshift.Sllw;
    case 0o22: return Pshift.Srld;
    case 0o24: return Pshift.Srad;
    case 0o26: return Pshift.Slld;
    case 0o32: return Pshift.Srlq;
    case 0o33: return Pshift.Srldq;
    case 0o36: return Pshift.Sllq;
    case 0o37: return Pshift.Slldq;
    default: return -1;
  }
}
