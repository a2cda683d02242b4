// The stack check's search alone: 256 stacks of 32 KiB against patched ranges, the very code of
// assembly/hv/stack_scan.ts, compiled as the core is. The counterpart is bench/native/stack_scan.c;
// both fill the same stacks and ranges and must find the same.

import "../../assembly/hv/panic";
import { FRAMES_OFF } from "../../assembly/hv/layout";
import { prepare_scan, range_at, RANGE_STRIDE, scan_words } from "../../assembly/hv/stack_scan";

const TEXT_VA: u64 = 0xffff82d080200000;
const TEXT_SIZE: u64 = 0x200000;
const STACK_VA: u64 = 0xffff830000000000;
const STACKS: u32 = 256;
const STACK_BYTES: usize = 0x8000;

let state: u64 = 0;
let ranges: u32 = 0;
const RANGES_OFF: usize = FRAMES_OFF;
const WORDS_OFF: usize = FRAMES_OFF + 0x100000;

function random(): u64 {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/** A return address that is in no range, a pointer into a stack, a small number, or anything. */
function make_word(): u64 {
  const r = random();
  const kind = r & 7;
  if (kind < 2) return STACK_VA + ((r >> 8) & 0xfffff8);
  if (kind < 5) return (r >> 8) & 0xffff;
  if (kind == 5) return r;
  // Ranges begin at multiples of their stride and fill a half of it.
  const stride = TEXT_SIZE / <u64>ranges;
  const which = (r >> 8) % <u64>ranges;
  return TEXT_VA + which * stride + stride / 2 + ((r >> 40) % (stride - stride / 2));
}

export function prepare(count: u32): void {
  ranges = count;
  state = 0x9e3779b97f4a7c15;
  const stride = TEXT_SIZE / <u64>count;
  for (let i: u32 = 0; i < count; i++) {
    const r = range_at(RANGES_OFF, i);
    r.lo_va = TEXT_VA + <u64>i * stride;
    r.hi_va = r.lo_va + stride / 2;
  }
  assert(<usize>count * RANGE_STRIDE <= WORDS_OFF - RANGES_OFF);
  const words = (<usize>STACKS * STACK_BYTES) >> 3;
  for (let i: usize = 0; i < words; i++) store<u64>(WORDS_OFF + (i << 3), make_word());
}

/** Puts an address of range `which` into a stack, for the comparison of what is found. */
export function plant(at: u32, which: u32): void {
  store<u64>(WORDS_OFF + ((<usize>at) << 3), range_at(RANGES_OFF, which).lo_va);
}

function pass(): u64 {
  prepare_scan(RANGES_OFF, ranges);
  for (let i: u32 = 0; i < STACKS; i++) {
    const off = WORDS_OFF + <usize>i * STACK_BYTES;
    const found = scan_words(off, off + STACK_BYTES);
    if (found != 0) return <u64>((found - WORDS_OFF) >> 3) + 1;
  }
  return 0;
}

/** Drawing the map and scanning all stacks, `times` times. 1 + index of the first word found, or
 *  0. */
export function run(times: u32): i32 {
  let found: u64 = 0;
  for (let i: u32 = 0; i < times; i++) found = pass();
  return <i32>found;
}

export function checksum(): u64 {
  return pass();
}
