// SSE2's packed integer operations, element by element (Intel SDM vol. 2, P…). Both operands are
// copied first, so that a register may be its own source.

import { BOUNCE_OFF } from "../mem";
import { Packed, Pshift } from "./ops";

/** Copies of the two operands. */
export const WORK_OFF: usize = BOUNCE_OFF + 64;
const A: usize = WORK_OFF;
const B: usize = WORK_OFF + 16;

/** log2 of the element size. */
function element_width(op: i32): u32 {
  // prettier-ignore
  switch (op) {
    case Packed.Addb: case Packed.Subb: case Packed.Eqb: case Packed.Gtb: case Packed.Minub:
    case Packed.Maxub: case Packed.Avgb: case Packed.Addusb: case Packed.Addsb: case Packed.Subusb:
    case Packed.Subsb: return 0;
    case Packed.Addd: case Packed.Subd: case Packed.Eqd: case Packed.Gtd: return 2;
    case Packed.Addq: case Packed.Subq: return 3;
    default: return 1;
  }
}

function load_signed(off: usize, width: u32): i64 {
  if (width == 0) return load<i8>(off);
  if (width == 1) return load<i16>(off);
  return width == 2 ? load<i32>(off) : load<i64>(off);
}

function store_element(off: usize, width: u32, value: i64): void {
  if (width == 0) store<u8>(off, <u8>value);
  else if (width == 1) store<u16>(off, <u16>value);
  else if (width == 2) store<u32>(off, <u32>value);
  else store<i64>(off, value);
}


@inline
function clamp(value: i64, low: i64, high: i64): i64 {
  return max(low, min(value, high));
}

/** One element; `a` and `b` sign-extended. */
function element(op: i32, width: u32, a: i64, b: i64): i64 {
  const top: i64 = width == 0 ? 0xff : 0xffff;
  const half: i64 = width == 0 ? 0x80 : 0x8000;
  const ua = a & top;
  const ub = b & top;
  // prettier-ignore
  switch (op) {
    case Packed.Addb: case Packed.Addw: case Packed.Addd: case Packed.Addq: return a + b;
    case Packed.Subb: case Packed.Subw: case Packed.Subd: case Packed.Subq: return a - b;
    case Packed.Eqb: case Packed.Eqw: case Packed.Eqd: return a == b ? -1 : 0;
    case Packed.Gtb: case Packed.Gtw: case Packed.Gtd: return a > b ? -1 : 0;
    case Packed.Minub: return min(ua, ub);
    case Packed.Maxub: return max(ua, ub);
    case Packed.Minsw: return min(a, b);
    case Packed.Maxsw: return max(a, b);
    case Packed.Avgb: case Packed.Avgw: return (ua + ub + 1) >> 1;
    case Packed.Mullw: return a * b;
    case Packed.Mulhw: return (a * b) >> 16;
    case Packed.Mulhuw: return (ua * ub) >> 16;
    case Packed.Addusb: case Packed.Addusw: return min(ua + ub, top);
    case Packed.Subusb: case Packed.Subusw: return max(ua - ub, 0);
    case Packed.Addsb: case Packed.Addsw: return clamp(a + b, -half, half - 1);
    default: return clamp(a - b, -half, half - 1);
  }
}

function unpack(op: i32, to: usize): void {
  const high = op >= Packed.Unpckhbw;
  const width = op - (high ? Packed.Unpckhbw : Packed.Unpcklbw);
  const size: usize = 1 << width;
  const from: usize = high ? 8 : 0;
  for (let at: usize = 0; at < 8; at += size) {
    store_element(to + 2 * at, width, load_signed(A + from + at, width));
    store_element(to + 2 * at + size, width, load_signed(B + from + at, width));
  }
}

function pack(op: i32, to: usize): void {
  const width: u32 = op == Packed.Packssdw ? 2 : 1;
  const half: i64 = op == Packed.Packssdw ? 0x8000 : 0x80;
  const is_unsigned = op == Packed.Packuswb;
  const size: usize = 1 << width;
  for (let at: usize = 0; at < 32; at += size) {
    const value = load_signed(A + at, width);
    const packed = is_unsigned ? clamp(value, 0, 0xff) : clamp(value, -half, half - 1);
    store_element(to + (at >> 1), width - 1, packed);
  }
}

/** PMULUDQ, PMADDWD, PSADBW: the result is wider than the elements. */
function widening(op: i32, to: usize): void {
  for (let at: usize = 0; at < 16; at += 8) {
    if (op == Packed.Muludq) store<u64>(to + at, <u64>load<u32>(A + at) * <u64>load<u32>(B + at));
    else if (op == Packed.Sadbw) {
      let sum: u64 = 0;
      for (let i: usize = at; i < at + 8; i++)
        sum += abs<i32>(<i32>load<u8>(A + i) - load<u8>(B + i));
      store<u64>(to + at, sum);
    } else {
      for (let i: usize = at; i < at + 8; i += 4) {
        const low = <i32>load<i16>(A + i) * <i32>load<i16>(B + i);
        store<i32>(to + i, low + <i32>load<i16>(A + i + 2) * <i32>load<i16>(B + i + 2));
      }
    }
  }
}

/** The 16 bytes at `to` = themselves `op` the 16 bytes at `from`. */
export function packed(op: i32, to: usize, from: usize): void {
  memory.copy(A, to, 16);
  memory.copy(B, from, 16);
  if (op >= Packed.Unpcklbw) return unpack(op, to);
  if (op >= Packed.Packsswb) return pack(op, to);
  if (op >= Packed.Muludq && op <= Packed.Sadbw) return widening(op, to);
  const width = element_width(op);
  for (let at: usize = 0; at < 16; at += 1 << width) {
    store_element(
      to + at,
      width,
      element(op, width, load_signed(A + at, width), load_signed(B + at, width)),
    );
  }
}

function shift_bytes(to: usize, left: bool, count: usize): void {
  memory.copy(A, to, 16);
  memory.fill(to, 0, 16);
  if (count > 15) return;
  if (left) memory.copy(to + count, A, 16 - count);
  else memory.copy(to, A + count, 16 - count);
}

function shift_width(op: i32): u32 {
  if (op == Pshift.Srlq || op == Pshift.Sllq) return 3;
  return op == Pshift.Srld || op == Pshift.Srad || op == Pshift.Slld ? 2 : 1;
}

/** Shifts every element at `to`; counts beyond the element give zero, or its sign. */
export function packed_shift(op: i32, to: usize, count: u64): void {
  if (op >= Pshift.Srldq) return shift_bytes(to, op == Pshift.Slldq, <usize>min<u64>(count, 16));
  const width = shift_width(op);
  const bits: u64 = 8 << width;
  const size: usize = 1 << width;
  for (let at: usize = 0; at < 16; at += size) {
    const a = load_signed(to + at, width);
    let r: i64 = 0;
    if (op == Pshift.Sraw || op == Pshift.Srad) r = a >> min<u64>(count, bits - 1);
    else if (count < bits) {
      const whole = a & (<i64>(~(<u64>0) >> (64 - bits)));
      r = op >= Pshift.Sllw ? a << count : <i64>((<u64>whole) >> count);
    }
    store_element(to + at, width, r);
  }
}
