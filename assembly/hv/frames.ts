// Page frames of the machine: 4 KiB pieces of linear memory, each with one owner. First fit from the
// bottom, so that the same calls give the same frames. A freed frame is zeroed: after revert and unload
// memory is byte-identical to before the upload, free frames included (requirements.md A14).

import { FRAMES_OFF, NR_FRAMES, OWNERS_OFF } from "./layout";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";

export const OWNER_FREE: u8 = 0;
export const OWNER_IMAGE: u8 = 1; // the hypervisor image's pages and its symbol table
export const OWNER_PAGETABLE: u8 = 2;
export const OWNER_STACK: u8 = 3;
export const OWNER_DOMAIN: u8 = 4; // domain RAM
export const OWNER_PAYLOAD: u8 = 5; // loaded payloads and their records
export const OWNER_STAGING: u8 = 6; // transient buffers of an operation under way
export const OWNER_CURRENT: u8 = 7; // vcpu and domain blocks

/** `count` adjacent zeroed frames. Returns the linear offset of the first, or 0 when there are none. */
export function alloc_frames(count: u32, owner: u8): usize {
  if (count == 0) return 0;
  let run: u32 = 0;
  for (let i: usize = 0; i < NR_FRAMES; i++) {
    if (load<u8>(OWNERS_OFF + i) != OWNER_FREE) {
      run = 0;
      continue;
    }
    if (++run < count) continue;
    const first = i + 1 - <usize>count;
    memory.fill(OWNERS_OFF + first, owner, <usize>count);
    return FRAMES_OFF + (first << PAGE_SHIFT);
  }
  return 0;
}

/** Gives back `count` frames from `off` on, zeroed. */
export function free_frames(off: usize, count: u32): void {
  if (count == 0) return;
  memory.fill(off, 0, <usize>count << PAGE_SHIFT);
  memory.fill(OWNERS_OFF + ((off - FRAMES_OFF) >> PAGE_SHIFT), OWNER_FREE, <usize>count);
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

@inline
export function pages_for(bytes: u64): u32 {
  return <u32>((bytes + (PAGE_SIZE - 1)) >> PAGE_SHIFT);
}
