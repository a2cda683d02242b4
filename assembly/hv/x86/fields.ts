// What the executor's cases are written in: a record's fields and the operands they name. `cpu` is
// the Cpu record (registers are at the offsets that the record holds), `ip` the record (insn.ts).
// 32, 16 and 8 bit values come sign-extended, as lazy.ts wants them. `r` is the reg operand, `m`
// the r/m operand.

import { BOUNCE_OFF, commit_split, is_canonical, latch_fault } from "../mem";
import { VECTOR_GP } from "../../abi";
import { BLOCK_NEXT, BLOCK_TAKEN } from "./blocks";
import { CF } from "./flags";

const REG: usize = 4;
const RM: usize = 5;
const BASE: usize = 6;
const INDEX: usize = 7;
const SCALE: usize = 8;
const WIDTH: usize = 11;
const SUB: usize = 12;
const DISP: usize = 16;
const IMM: usize = 24;


@inline
export function r64(cpu: usize, ip: usize): u64 {
  return load<u64>(cpu + <usize>load<u8>(ip, REG));
}


@inline
export function r32(cpu: usize, ip: usize): u64 {
  return <u64>load<i32>(cpu + <usize>load<u8>(ip, REG));
}


@inline
export function r8(cpu: usize, ip: usize): u64 {
  return <u64>load<i8>(cpu + <usize>load<u8>(ip, REG));
}


@inline
export function m64(cpu: usize, ip: usize): u64 {
  return load<u64>(cpu + <usize>load<u8>(ip, RM));
}


@inline
export function m32(cpu: usize, ip: usize): u64 {
  return <u64>load<i32>(cpu + <usize>load<u8>(ip, RM));
}


@inline
export function m16(cpu: usize, ip: usize): u64 {
  return <u64>load<i16>(cpu + <usize>load<u8>(ip, RM));
}


@inline
export function m8(cpu: usize, ip: usize): u64 {
  return <u64>load<i8>(cpu + <usize>load<u8>(ip, RM));
}


@inline
export function put_r64(cpu: usize, ip: usize, value: u64): void {
  store<u64>(cpu + <usize>load<u8>(ip, REG), value);
}


@inline
export function put_r32(cpu: usize, ip: usize, value: u64): void {
  store<u64>(cpu + <usize>load<u8>(ip, REG), value & 0xffffffff);
}


@inline
export function put_r8(cpu: usize, ip: usize, value: u64): void {
  store<u8>(cpu + <usize>load<u8>(ip, REG), <u8>value);
}


@inline
export function put_m64(cpu: usize, ip: usize, value: u64): void {
  store<u64>(cpu + <usize>load<u8>(ip, RM), value);
}


@inline
export function put_m32(cpu: usize, ip: usize, value: u64): void {
  store<u64>(cpu + <usize>load<u8>(ip, RM), value & 0xffffffff);
}


@inline
export function put_m8(cpu: usize, ip: usize, value: u64): void {
  store<u8>(cpu + <usize>load<u8>(ip, RM), <u8>value);
}


@inline
export function immediate(ip: usize): u64 {
  return load<u64>(ip, IMM);
}


@inline
export function detail(ip: usize): u32 {
  return load<u8>(ip, SUB);
}

/** base + displacement */
@inline
export function based(cpu: usize, ip: usize): u64 {
  return load<u64>(cpu + <usize>load<u8>(ip, BASE)) + load<u64>(ip, DISP);
}

/** base + index * scale + displacement */
@inline
export function address(cpu: usize, ip: usize): u64 {
  const index = load<u64>(cpu + <usize>load<u8>(ip, INDEX));
  return based(cpu, ip) + (index << (<u64>load<u8>(ip, SCALE)));
}

// Memory operands, at offsets from read_at and write_at.
@inline
export function load64(off: usize): u64 {
  return load<u64>(off);
}


@inline
export function load32(off: usize): u64 {
  return <u64>load<i32>(off);
}


@inline
export function load16(off: usize): u64 {
  return <u64>load<i16>(off);
}


@inline
export function load8(off: usize): u64 {
  return <u64>load<i8>(off);
}


@inline
export function store64(off: usize, value: u64): void {
  store<u64>(off, value);
  if (off == BOUNCE_OFF) commit_split();
}


@inline
export function store32(off: usize, value: u64): void {
  store<u32>(off, <u32>value);
  if (off == BOUNCE_OFF) commit_split();
}


@inline
export function store16(off: usize, value: u64): void {
  store<u16>(off, <u16>value);
  if (off == BOUNCE_OFF) commit_split();
}

// CF and OF of a shift by n, 0 < n < bits (the same as shift.ts).
@inline
export function shl_flags(a: u64, n: u64, bits: u64): u64 {
  const carry = (a >> (bits - n)) & 1;
  return carry | ((carry ^ ((a >> (bits - 1 - n)) & 1)) << 11);
}


@inline
export function shr_flags(a: u64, n: u64, bits: u64): u64 {
  return ((a >> (n - 1)) & CF) | (((a >> (bits - 1)) & 1) << 11);
}


@inline
export function sar_flags(a: u64, n: u64, bits: u64): u64 {
  return (a >> (n - 1)) & CF;
}

/** Bit 0 equal, bit 1 below, bit 2 less: what lower.ts's masks select from. */
@inline
export function compare_says(a: u64, b: u64): u32 {
  return (<u32>(a == b)) | ((<u32>(a < b)) << 1) | ((<u32>(<i64>a < <i64>b)) << 2);
}


@inline
export function result_says(result: u64): u32 {
  return (<u32>(result == 0)) | ((<u32>(<i64>result < 0)) << 2);
}

/** The link in the block that a branch record takes: its mask selects, an odd condition negates. */
@inline
export function branch(says: u32, jcc: usize): usize {
  const met = (<u32>((says & load<u8>(jcc, WIDTH)) != 0)) ^ ((<u32>load<u8>(jcc, SUB)) & 1);
  return BLOCK_NEXT + <usize>met * (BLOCK_TAKEN - BLOCK_NEXT);
}

// Where control goes after a record that does not simply go on; greater values are links in a
// block.
export const FAULTED: usize = 0;
export const STOPPED: usize = 1;
export const DYNAMIC: usize = 2;

/** A jump to a computed address: faults at the branch when the address is not canonical. */
@inline
export function jump_link(va: u64): usize {
  if (is_canonical(va)) return DYNAMIC;
  latch_fault(VECTOR_GP, 0);
  return FAULTED;
}
