// hv/sort: ascending and stable, whatever the keys.

import { radix_sort, SORT_RECORD } from "../../../assembly/hv/sort";

const COUNT: usize = 3000;
let from: usize = 0;
let spare: usize = 0;

function fill(mask: u64, seed: u64): void {
  let state = seed;
  for (let i: usize = 0; i < COUNT; i++) {
    state = state * 6364136223846793005 + 1442695040888963407;
    store<u64>(from + i * SORT_RECORD, rotl<u64>(state, 23) & mask);
    store<u64>(from + i * SORT_RECORD, <u64>i, 8);
  }
}

/** Number of neighbours that are out of order, by key or, for equal keys, by position. */
function disorder(at: usize): i32 {
  let wrong = 0;
  for (let i: usize = 1; i < COUNT; i++) {
    const a = at + (i - 1) * SORT_RECORD;
    const b = at + i * SORT_RECORD;
    const equal = load<u64>(a) == load<u64>(b);
    if (equal ? load<u64>(a, 8) >= load<u64>(b, 8) : load<u64>(a) > load<u64>(b)) wrong++;
  }
  return wrong;
}

describe("radix sort", () => {
  beforeAll(() => {
    from = heap.alloc(COUNT * SORT_RECORD);
    spare = heap.alloc(COUNT * SORT_RECORD);
  });

  it("sorts keys of all 64 bits", () => {
    fill(u64.MAX_VALUE, 1);
    expect<i32>(disorder(radix_sort(from, spare, COUNT))).toBe(0, "seed 1");
  });

  it("keeps the order of equal keys", () => {
    fill(0x0f00, 2);
    expect<i32>(disorder(radix_sort(from, spare, COUNT))).toBe(0, "seed 2");
  });

  it("leaves what has one key, one record or none", () => {
    fill(0, 3);
    expect<usize>(radix_sort(from, spare, COUNT)).toBe(from);
    expect<usize>(radix_sort(from, spare, 1)).toBe(from);
    expect<usize>(radix_sort(from, spare, 0)).toBe(from);
  });
});
