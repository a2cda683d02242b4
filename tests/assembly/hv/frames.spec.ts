// hv/frames: first fit from the bottom, zeroed when given back, and never slower for many of them.

import {
  alloc_frames,
  count_frames,
  free_frames,
  frame_owner,
  OWNER_FREE,
  OWNER_IMAGE,
  OWNER_PAYLOAD,
  OWNER_STAGING,
  pages_for,
} from "../../../assembly/hv/frames";
import { FRAMES_OFF, NR_FRAMES } from "../../../assembly/hv/layout";
import { wipe_machine } from "../../../assembly/hv/boot";

const PAGE: usize = 4096;

describe("frames", () => {
  beforeEach(() => {
    wipe_machine();
  });

  it("gives the lowest free ones, adjacent", () => {
    expect<usize>(alloc_frames(3, OWNER_IMAGE)).toBe(FRAMES_OFF);
    expect<usize>(alloc_frames(1, OWNER_PAYLOAD)).toBe(FRAMES_OFF + 3 * PAGE);
    free_frames(FRAMES_OFF + PAGE, 1);
    const two = alloc_frames(2, OWNER_IMAGE);
    expect<usize>(two).toBe(FRAMES_OFF + 4 * PAGE, "the hole is too small");
    expect<usize>(alloc_frames(1, OWNER_STAGING)).toBe(FRAMES_OFF + PAGE, "the hole fits");
    expect<u8>(frame_owner(FRAMES_OFF + PAGE)).toBe(OWNER_STAGING);
    expect<u8>(frame_owner(FRAMES_OFF + 3 * PAGE)).toBe(OWNER_PAYLOAD);
  });

  it("zeroes what it takes back, so that free memory holds nothing", () => {
    const off = alloc_frames(2, OWNER_PAYLOAD);
    memory.fill(off, 0xa5, 2 * PAGE);
    free_frames(off, 2);
    expect<u64>(load<u64>(off) | load<u64>(off + 2 * PAGE - 8)).toBe(0);
    expect<u8>(frame_owner(off)).toBe(OWNER_FREE);
  });

  it("gives nothing rather than less than was asked for", () => {
    const all = <u32>NR_FRAMES;
    expect<usize>(alloc_frames(0, OWNER_IMAGE)).toBe(0);
    expect<usize>(alloc_frames(all + 1, OWNER_IMAGE)).toBe(0);
    expect<usize>(alloc_frames(0xffffffff, OWNER_IMAGE)).toBe(0);
    expect<u32>(count_frames(OWNER_FREE)).toBe(all);
    const off = alloc_frames(all, OWNER_STAGING);
    expect<usize>(off).toBe(FRAMES_OFF);
    expect<usize>(alloc_frames(1, OWNER_IMAGE)).toBe(0, "none is left");
    memory.fill(off, 0, 8);
    free_frames(off + (NR_FRAMES - 1) * PAGE, 1);
    expect<usize>(alloc_frames(1, OWNER_IMAGE)).toBe(off + (NR_FRAMES - 1) * PAGE, "the last one");
    free_frames(off, all);
  });

  it("agrees with a plain search, over random takes and returns", () => {
    let state: u32 = 20261122; // seed
    const taken = new Array<usize>();
    for (let round = 0; round < 2000; round++) {
      state = state * 1664525 + 1013904223;
      if (state >> 28 < 9 || taken.length == 0) {
        const count: u32 = 1 + ((state >> 20) & 3);
        let first: usize = 0;
        let run: u32 = 0;
        while (run < count) {
          run = frame_owner(FRAMES_OFF + first * PAGE) == OWNER_FREE ? run + 1 : 0;
          first++;
        }
        const off = alloc_frames(count, OWNER_IMAGE);
        expect<usize>(off).toBe(FRAMES_OFF + (first - <usize>count) * PAGE, "seed 20261122");
        for (let i: usize = 0; i < <usize>count; i++) taken.push(off + i * PAGE);
      } else {
        const at = <i32>((state >> 8) % <u32>taken.length);
        free_frames(taken[at], 1);
        taken[at] = taken[taken.length - 1];
        taken.pop();
      }
    }
    expect<u32>(count_frames(OWNER_IMAGE)).toBe(<u32>taken.length);
  });

  it("counts pages without wrapping", () => {
    expect<u32>(pages_for(0)).toBe(0);
    expect<u32>(pages_for(1)).toBe(1);
    expect<u32>(pages_for(4096)).toBe(1);
    expect<u32>(pages_for(4097)).toBe(2);
    expect<u32>(pages_for(u64.MAX_VALUE)).toBe(0xffffffff);
  });
});
