// Page frames of the machine: 4 KiB pieces of linear memory, each with one owner. First fit from
// the bottom, so that the same calls give the same frames. A freed frame is zeroed: after revert
// and unload memory is byte-identical to before the upload, free frames included (requirements.md
// A14).

import { FRAME_OWNER_DOMAIN, FRAME_OWNER_IMAGE } from "../abi_schedules";
import { header } from "./header";
import { FRAMES_OFF, NR_FRAMES, OWNERS_OFF } from "./layout";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";

export const OWNER_FREE: u8 = 0;
export const OWNER_IMAGE: u8 = 1; // the hypervisor image's pages and its symbol table
export const OWNER_PAGETABLE: u8 = 2;
export const OWNER_STACK: u8 = 3;
export const OWNER_DOMAIN: u8 = 4; // domain RAM
export const OWNER_PAYLOAD: u8 = 5; // loaded payloads and their records
export const OWNER_STAGING: u8 = 6; // transient buffers of an operation under way
export const OWNER_CURRENT: u8 = 7; // vcpu and domain blocks, what the entries count
if (OWNER_IMAGE != FRAME_OWNER_IMAGE || OWNER_DOMAIN != FRAME_OWNER_DOMAIN) ERROR("FRAME_OWNER_*");

/** Index of the first free frame from `i` on, NR_FRAMES when there is none. Eight owners at a
 *  time. */
function next_free(i: usize): usize {
  while (i < NR_FRAMES) {
    if (i + 8 <= NR_FRAMES) {
      const owners = load<u64>(OWNERS_OFF + i);
      // Non-zero where a byte of `owners` is zero (the lowest set bit is exact).
      const zeros = (owners - 0x0101010101010101) & ~owners & 0x8080808080808080;
      if (zeros == 0) {
        i += 8;
        continue;
      }
      return i + <usize>(ctz(zeros) >> 3);
    }
    if (load<u8>(OWNERS_OFF + i) == OWNER_FREE) return i;
    i++;
  }
  return NR_FRAMES;
}

/** The lowest free frame. */
export function first_free(): u32 {
  return <u32>next_free(0);
}

/** `count` adjacent zeroed frames. Returns the linear offset of the first, or 0 when there are
 *  none. */
export function alloc_frames(count: u32, owner: u8): usize {
  if (count == 0) return 0;
  // No frame below the hint is free, so that taking frames one by one does not get slower.
  const lowest = next_free(<usize>header().frame_hint);
  header().frame_hint = <u32>lowest;
  let first = lowest;
  while (first + <usize>count <= NR_FRAMES) {
    let run: usize = 1;
    while (run < <usize>count && load<u8>(OWNERS_OFF + first + run) == OWNER_FREE) run++;
    if (run == <usize>count) {
      memory.fill(OWNERS_OFF + first, owner, run);
      if (first == lowest) header().frame_hint = <u32>(first + run);
      return FRAMES_OFF + (first << PAGE_SHIFT);
    }
    first = next_free(first + run);
  }
  return 0;
}

/** Gives back `count` frames from `off` on, zeroed. */
export function free_frames(off: usize, count: u32): void {
  if (count == 0) return;
  const first = (off - FRAMES_OFF) >> PAGE_SHIFT;
  memory.fill(off, 0, (<usize>count) << PAGE_SHIFT);
  memory.fill(OWNERS_OFF + first, OWNER_FREE, <usize>count);
  if (<u32>first < header().frame_hint) header().frame_hint = <u32>first;
}

/** Hands over `count` frames to another owner. */
export function give_frames(off: usize, count: u32, owner: u8): void {
  memory.fill(OWNERS_OFF + ((off - FRAMES_OFF) >> PAGE_SHIFT), owner, <usize>count);
}

export function frame_owner(off: usize): u8 {
  return load<u8>(OWNERS_OFF + ((off - FRAMES_OFF) >> PAGE_SHIFT));
}

export function count_frames(owner: u8): u32 {
  let n: u32 = 0;
  for (let i: usize = 0; i < NR_FRAMES; i++) {
    if (load<u8>(OWNERS_OFF + i) == owner) n++;
  }
  return n;
}

/** Where the highest frame in use ends. Free frames are zero, so nothing of the machine lies
 *  behind. */
export function used_end(): usize {
  let i = NR_FRAMES;
  while (i != 0 && load<u8>(OWNERS_OFF + i - 1) == OWNER_FREE) i--;
  return FRAMES_OFF + (i << PAGE_SHIFT);
}

/** Frames that `bytes` need; more than the machine has (0xffffffff) when the sum would wrap. */
@inline
export function pages_for(bytes: u64): u32 {
  if (bytes > 0xffffffff) return 0xffffffff;
  return <u32>((bytes + (PAGE_SIZE - 1)) >> PAGE_SHIFT);
}
