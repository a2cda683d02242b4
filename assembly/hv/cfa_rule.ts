// What is known, at one instruction, of where a function keeps its return address: the canonical
// frame address (CFA; DWARF 5, 6.4) seen from rsp and rbp. And what an instruction makes of it.
//
//   bits  0-15  sp     CFA - rsp, or NO_SP
//        16-31  at     rbp AT or MARK: CFA - the address
//        32-47  saved  the caller's rbp lies at CFA - saved, 0: nowhere known
//        48-49  rbp    CALLER: what the caller had there; AT: an address of the frame; MARK: its
//                      inverse, as Xen marks the frames of its entries; LOST: anything
//        61     CALL   the last byte of a call, not the first of an instruction
//        62     DIRTY  not passed on yet
//        63     KNOWN  some way leads here

import { CPU_ZERO } from "./cpu";
import { Insn, INSN_IMM, INSN_MEM, INSN_TO_REG } from "./x86/insn";
import { Op } from "./x86/ops";

export const KNOWN: u64 = 1 << 63;
export const DIRTY: u64 = 1 << 62;
export const CALL: u64 = 1 << 61;

export const RBP_CALLER: u32 = 0;
export const RBP_AT: u32 = 1;
export const RBP_MARK: u32 = 2;
export const RBP_LOST: u32 = 3;

export const NO_SP: i32 = -0x8000;

const RSP: u32 = 4 << 3;
const RBP: u32 = 5 << 3;
const NONE: u32 = 0xff;

/** At a function's first instruction the return address is what rsp points to. */
export const ENTRY: u64 = KNOWN | 8;


@inline
export function sp_of(rule: u64): i32 {
  return <i32>(<i16>rule);
}


@inline
export function at_of(rule: u64): i32 {
  return <i32>(<i16>(rule >> 16));
}


@inline
export function saved_of(rule: u64): i32 {
  return <i32>(<i16>(rule >> 32));
}


@inline
export function rbp_of(rule: u64): u32 {
  return (<u32>(rule >> 48)) & 3;
}


@inline
function fits(distance: i64): bool {
  return distance > -0x8000 && distance < 0x8000;
}

function with_sp(rule: u64, sp: i64): u64 {
  return (rule & ~0xffff) | ((<u64>(fits(sp) ? sp : NO_SP)) & 0xffff);
}

function with_rbp(rule: u64, rbp: u32, at: i64): u64 {
  if (!fits(at)) rbp = RBP_LOST;
  if (rbp == RBP_LOST || rbp == RBP_CALLER) at = 0;
  return (rule & ~0x30000ffff0000) | (((<u64>at) & 0xffff) << 16) | ((<u64>rbp) << 48);
}

function with_saved(rule: u64, saved: i32): u64 {
  return (rule & ~0xffff00000000) | (((<u64>saved) & 0xffff) << 32);
}

/** What two ways to one place agree on. */
export function join(a: u64, b: u64): u64 {
  let rule = a & 0x3ffffffffffff;
  if (sp_of(a) != sp_of(b)) rule = with_sp(rule, NO_SP);
  if (saved_of(a) != saved_of(b)) rule = with_saved(rule, 0);
  if (rbp_of(a) != rbp_of(b) || at_of(a) != at_of(b)) rule = with_rbp(rule, RBP_LOST, 0);
  return rule | KNOWN;
}

/** Everything is as the caller left it, but for the return address. */
@inline
export function is_entry(rule: u64): bool {
  return sp_of(rule) == 8 && rbp_of(rule) == RBP_CALLER;
}

/** rsp goes down by `bytes`. */
function pushed(rule: u64, insn: Insn, bytes: i32): u64 {
  const sp = sp_of(rule);
  return with_sp(rule, sp == NO_SP || insn.width != 3 ? NO_SP : sp + bytes);
}

function after_push(rule: u64, insn: Insn): u64 {
  const next = pushed(rule, insn, 8);
  const saves = !insn.has(INSN_MEM) && insn.rm == RBP && rbp_of(rule) == RBP_CALLER;
  return saves && sp_of(next) != NO_SP ? with_saved(next, sp_of(next)) : next;
}

/** rbp gets the word at CFA - `slot`. */
function reloaded(rule: u64, slot: i32): u64 {
  if (slot == NO_SP || slot != saved_of(rule)) return with_rbp(rule, RBP_LOST, 0);
  return with_saved(with_rbp(rule, RBP_CALLER, 0), 0);
}

function after_pop(rule: u64, insn: Insn): u64 {
  const slot = sp_of(rule);
  const next = pushed(rule, insn, -8);
  if (insn.has(INSN_MEM)) return insn.base == RSP ? with_sp(next, NO_SP) : next;
  if (insn.rm == RSP) return with_sp(next, NO_SP);
  return insn.rm == RBP ? reloaded(next, slot) : next;
}

function after_leave(rule: u64): u64 {
  const slot = rbp_of(rule) == RBP_AT ? at_of(rule) : NO_SP;
  return with_sp(reloaded(rule, slot), slot == NO_SP ? NO_SP : slot - 8);
}

/** CFA - the address in a register, NO_SP when it is not known. */
function distance_of(rule: u64, register: u32): i32 {
  if (register == RSP) return sp_of(rule);
  return register == RBP && rbp_of(rule) == RBP_AT ? at_of(rule) : NO_SP;
}

/** `to` gets what is `added` to `from`. */
function after_address(rule: u64, to: u32, from: u32, added: i64): u64 {
  const distance = distance_of(rule, from);
  const at = distance == NO_SP ? <i64>NO_SP : <i64>distance - added;
  if (to == RSP) return with_sp(rule, at);
  return with_rbp(rule, RBP_AT, at);
}

/** The register that an instruction of two operands writes. */
@inline
function destination(insn: Insn): u32 {
  if (insn.has(INSN_TO_REG)) return insn.reg & 0xf8;
  return insn.has(INSN_MEM) ? NONE : insn.rm & 0xf8;
}

/** Which of rsp (1) and rbp (2) an instruction may write; what is not named here, any that it
 *  names. */
function written(insn: Insn): u32 {
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Cmp: case Op.Test: case Op.Bt: case Op.Mul: case Op.Imul1: case Op.Div: case Op.Idiv:
    case Op.Nop: case Op.NopRm: case Op.Invlpg: case Op.Verw: case Op.WriteCr: case Op.WriteDr:
    case Op.WriteSeg: case Op.Cmpxchg8: case Op.Ldmxcsr: case Op.Stmxcsr:
      return 0;
    case Op.Add: case Op.Or: case Op.Adc: case Op.Sbb: case Op.And: case Op.Sub: case Op.Xor:
    case Op.Mov: case Op.Lea: case Op.Movzx: case Op.Movsx: case Op.Imul2: case Op.Imul3:
    case Op.Cmov: case Op.Bsf: case Op.Bsr: case Op.Tzcnt: case Op.Lzcnt: case Op.Popcnt:
    case Op.Inc: case Op.Dec: case Op.Not: case Op.Neg: case Op.Rol: case Op.Ror: case Op.Rcl:
    case Op.Rcr: case Op.Shl: case Op.Shr: case Op.Sal: case Op.Sar: case Op.Shld: case Op.Shrd:
    case Op.Bts: case Op.Btr: case Op.Btc: case Op.Bswap: case Op.Setcc: case Op.Cmpxchg:
      return mask(destination(insn));
    default:
      return mask(insn.reg & 0xf8) | (insn.has(INSN_MEM) ? 0 : mask(insn.rm & 0xf8));
  }
}


@inline
function mask(register: u32): u32 {
  return register == RSP ? 1 : register == RBP ? 2 : 0;
}

function after_other(rule: u64, insn: Insn): u64 {
  const lost = insn.id == Op.Unsupported || insn.id == Op.Enter ? 3 : written(insn);
  if ((lost & 1) != 0) rule = with_sp(rule, NO_SP);
  return (lost & 2) != 0 ? with_rbp(rule, RBP_LOST, 0) : rule;
}

/** LEA, MOV, ADD, SUB and NOT, where they compute an address of the frame. */
function after_arithmetic(rule: u64, insn: Insn): u64 {
  const to = destination(insn);
  if ((to != RSP && to != RBP) || insn.width != 3) return after_other(rule, insn);
  const id = <u32>insn.id;
  if (id == Op.Lea) {
    const plain = insn.index == <u8>CPU_ZERO && insn.scale == 0;
    return plain ? after_address(rule, to, insn.base, <i64>insn.disp) : after_other(rule, insn);
  }
  if (id == Op.Not) {
    const rbp = rbp_of(rule);
    if (to != RBP || rbp == RBP_CALLER || rbp == RBP_LOST) return after_other(rule, insn);
    return with_rbp(rule, rbp == RBP_AT ? RBP_MARK : RBP_AT, at_of(rule));
  }
  if (insn.has(INSN_MEM)) return after_other(rule, insn);
  if (id == Op.Mov) {
    if (insn.has(INSN_IMM)) return after_other(rule, insn);
    return after_address(rule, to, insn.has(INSN_TO_REG) ? insn.rm : insn.reg, 0);
  }
  if (!insn.has(INSN_IMM)) return after_other(rule, insn);
  const imm = <i64>insn.imm;
  return after_address(rule, to, to, id == Op.Add ? imm : -imm);
}

/** The rule behind an instruction that does not branch. */
export function rule_after(rule: u64, insn: Insn): u64 {
  switch (<u32>insn.id) {
    case Op.Push:
      return after_push(rule, insn);
    case Op.PushImm:
    case Op.Pushf:
      return pushed(rule, insn, 8);
    case Op.Pop:
      return after_pop(rule, insn);
    case Op.Popf:
      return pushed(rule, insn, -8);
    case Op.Leave:
      return after_leave(rule);
    case Op.Lea:
    case Op.Mov:
    case Op.Add:
    case Op.Sub:
    case Op.Not:
      return after_arithmetic(rule, insn);
    default:
      return after_other(rule, insn);
  }
}
