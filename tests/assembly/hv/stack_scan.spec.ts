// hv/stack_scan: every word that points into a range is found, and no other (R181, R219).

import { FRAMES_OFF } from "../../../assembly/hv/layout";
import {
  is_in_ranges,
  prepare_scan,
  range_at,
  RANGE_STRIDE,
  scan_words,
} from "../../../assembly/hv/stack_scan";

const RANGES: usize = FRAMES_OFF;
const WORDS: usize = FRAMES_OFF + 0x10000;
const BASE: u64 = 0xffff82d080100000;
let state: u64 = 1;

function random(below: u64): u64 {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % below;
}

/** `n` sorted ranges of up to `size` bytes, up to `gap` apart. */
function make_ranges(n: u32, size: u64, gap: u64): u64 {
  let va = BASE;
  for (let i: u32 = 0; i < n; i++) {
    const r = range_at(RANGES, i);
    r.lo_va = va + random(gap);
    r.hi_va = r.lo_va + 1 + random(size);
    va = r.hi_va + 1;
  }
  return va;
}

/** Looked up one range after the other. */
function is_inside(n: u32, va: u64): bool {
  for (let i: u32 = 0; i < n; i++) {
    if (va >= range_at(RANGES, i).lo_va && va < range_at(RANGES, i).hi_va) return true;
  }
  return false;
}

/** Scans single words around all edges and at random; the number of wrong answers. */
function wrong_answers(n: u32, end_va: u64): u32 {
  let wrong: u32 = 0;
  prepare_scan(RANGES, n);
  for (let i: u32 = 0; i < 3000; i++) {
    const r = range_at(RANGES, <u32>random(n));
    let va = BASE - 64 + random(end_va - BASE + 128);
    if (i % 3 == 0) va = r.lo_va - 1 + random(3);
    else if (i % 3 == 1) va = r.hi_va - 1 + random(3);
    store<u64>(WORDS, va);
    const found = scan_words(WORDS, WORDS + 8) == WORDS;
    if (found != is_inside(n, va) || is_in_ranges(va) != found) wrong++;
  }
  return wrong;
}

describe("stack scan", () => {
  it("R181: agrees with looking at every range, seed 1", () => {
    expect<u32>(wrong_answers(1, make_ranges(1, 5, 16))).toBe(0);
    expect<u32>(wrong_answers(50, make_ranges(50, 200, 300))).toBe(0);
    expect<u32>(wrong_answers(300, make_ranges(300, 4, 9))).toBe(0);
  });

  it("ranges so far apart that the map is coarse", () => {
    expect<u32>(wrong_answers(40, make_ranges(40, 0x2000, 0x10000000))).toBe(0);
  });

  it("gives the first of several words, and looks at no word behind the end", () => {
    make_ranges(10, 100, 100);
    prepare_scan(RANGES, 10);
    memory.fill(WORDS, 0, 800);
    const inside = range_at(RANGES, 9).hi_va - 1;
    store<u64>(WORDS + 80, inside);
    store<u64>(WORDS + 48, range_at(RANGES, 0).lo_va);
    expect<usize>(scan_words(WORDS, WORDS + 800)).toBe(WORDS + 48);
    expect<usize>(scan_words(WORDS + 56, WORDS + 800)).toBe(WORDS + 80);
    expect<usize>(scan_words(WORDS, WORDS + 48)).toBe(0);
    expect<usize>(RANGE_STRIDE).toBe(16);
  });
});
