// Radix sort of records {key u64, value u64} by key: stable, linear, and as fast on hostile input
// as on any other. Least significant digit first, 8 bits a pass; a digit that all keys share costs
// nothing, so addresses of one image take three or four passes.

import { HISTOGRAM_OFF } from "./layout";

export const SORT_RECORD: usize = 16;
const DIGITS: u32 = 8;
const TABLE: usize = 256 * 4;

function count_digits(from: usize, count: usize): void {
  memory.fill(HISTOGRAM_OFF, 0, TABLE * <usize>DIGITS);
  for (let i: usize = 0; i < count; i++) {
    let key = load<u64>(from + i * SORT_RECORD);
    for (let table = HISTOGRAM_OFF; table < HISTOGRAM_OFF + TABLE * DIGITS; table += TABLE) {
      const at = table + ((<usize>(key & 255)) << 2);
      store<u32>(at, load<u32>(at) + 1);
      key >>= 8;
    }
  }
}

/** Turns counts into first positions. False when one digit value holds all records: nothing to
 *  do. */
function positions(table: usize, count: usize): bool {
  let sum: u32 = 0;
  for (let at = table; at < table + TABLE; at += 4) {
    const n = load<u32>(at);
    if (n == <u32>count) return false;
    store<u32>(at, sum);
    sum += n;
  }
  return true;
}

/** Sorts `count` records at `from`, with as much room at `spare`. Returns where the result is. */
export function radix_sort(from: usize, spare: usize, count: usize): usize {
  if (count < 2) return from;
  count_digits(from, count);
  for (let digit: u32 = 0; digit < DIGITS; digit++) {
    const table = HISTOGRAM_OFF + TABLE * <usize>digit;
    if (!positions(table, count)) continue;
    for (let i: usize = 0; i < count; i++) {
      const record = from + i * SORT_RECORD;
      const key = load<u64>(record);
      const at = table + ((<usize>((key >> (digit << 3)) & 255)) << 2);
      const place = load<u32>(at);
      store<u32>(at, place + 1);
      const to = spare + <usize>place * SORT_RECORD;
      store<u64>(to, key);
      store<u64>(to, load<u64>(record, 8), 8);
    }
    const swap = from;
    from = spare;
    spare = swap;
  }
  return from;
}
