// Looks for words that point into given ranges of code, at the speed of memory: the work of a
// stack check. The ranges (sorted, apart) are first drawn into a map of one bit per granule, as
// coarse as it takes to stay in the processor's first cache; nearly every word of a stack fails
// one subtraction or one bit of the map, and only what is left is searched for exactly. Drawing
// is linear in the ranges, so scanning does not get slower with their number until the map fills
// up.

import { STACK_MAP_OFF, STACK_MAP_SIZE } from "./layout";

export const RANGE_STRIDE: usize = 16;


@unmanaged
export class CodeRange {
  lo_va: u64;
  hi_va: u64; // one past its end
}

const MAP_BITS: u64 = <u64>STACK_MAP_SIZE * 8;

// What the map was drawn for.
let ranges: usize = 0;
let count: u32 = 0;
let base_va: u64 = 0;
let span: u64 = 0;
let granule: u64 = 0;


@inline
export function range_at(ranges_off: usize, i: u32): CodeRange {
  return changetype<CodeRange>(ranges_off + RANGE_STRIDE * <usize>i);
}

/** The range that holds `va`, or none (0). */
export function range_of(ranges_off: usize, n: u32, va: u64): CodeRange {
  let lo: u32 = 0;
  let hi = n;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (range_at(ranges_off, mid).hi_va <= va) lo = mid + 1;
    else hi = mid;
  }
  if (lo == n || range_at(ranges_off, lo).lo_va > va) return changetype<CodeRange>(0);
  return range_at(ranges_off, lo);
}

/** Sets bits `first` to `last` of the map. */
function mark(first: u64, last: u64): void {
  for (let word = first >> 6; word <= last >> 6; word++) {
    let bits: u64 = ~(<u64>0);
    if (word == first >> 6) bits <<= first & 63;
    if (word == last >> 6) bits &= ~(<u64>0) >> (63 - (last & 63));
    const at = STACK_MAP_OFF + ((<usize>word) << 3);
    store<u64>(at, load<u64>(at) | bits);
  }
}

/** Draws the map of `n` sorted ranges; n is not 0. */
export function prepare_scan(ranges_off: usize, n: u32): void {
  ranges = ranges_off;
  count = n;
  base_va = range_at(ranges_off, 0).lo_va;
  span = range_at(ranges_off, n - 1).hi_va - base_va;
  granule = 0;
  while (span >> granule >= MAP_BITS) granule++;
  memory.fill(STACK_MAP_OFF, 0, STACK_MAP_SIZE);
  for (let i: u32 = 0; i < n; i++) {
    const r = range_at(ranges_off, i);
    if (r.hi_va > r.lo_va) mark((r.lo_va - base_va) >> granule, (r.hi_va - 1 - base_va) >> granule);
  }
}

/** Whether an address lies in the ranges. */
export function is_in_ranges(va: u64): bool {
  return changetype<usize>(range_of(ranges, count, va)) != 0;
}


@inline
function is_suspect(distance: u64, shift: u64): bool {
  const bit = <u32>(distance >> shift);
  return ((load<u32>(STACK_MAP_OFF + <usize>((bit >> 5) << 2)) >> (bit & 31)) & 1) != 0;
}

/** Linear offset of the first of the words in [off, end_off) that points into the ranges, 0 when
 *  none does. */
export function scan_words(off: usize, end_off: usize): usize {
  const base = base_va;
  const limit = span;
  const shift = granule;
  for (; off < end_off; off += 8) {
    const distance = load<u64>(off) - base;
    if (distance >= limit || !is_suspect(distance, shift)) continue;
    if (is_in_ranges(distance + base)) return off;
  }
  return 0;
}
