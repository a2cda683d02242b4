// What a search for schedules wants to know of the code that runs (hv/visible.ts): whether an
// instruction touched memory that other CPUs see, and which frames have changed since the search
// began. While somebody watches, code is decoded one instruction to a block, and translations of
// shared pages are never kept, so that each access to them comes by here.
//
// A frame is noted before it is written for the first time, with a hash of what was there: the sum
// of what has changed is then the same for the same memory, whatever was noted on the way. Derived
// state, between two calls of the host; never part of the machine.

import { PERM_W, PERM_X } from "../abi";
import { frame_owner, OWNER_CURRENT, OWNER_IMAGE, OWNER_PAYLOAD, OWNER_STACK } from "./frames";
import { hash_bytes } from "./hash";
import { FRAMES_OFF, NR_FRAMES, WATCH_LIST_OFF, WATCH_MAP_OFF } from "./layout";
import { PAGE_SHIFT, PAGE_SIZE, STACK_SIZE } from "./param";

let watching: bool = false;
let shared: bool = false;
let count: u32 = 0;
/** Stack of the CPU that executes. */
let own_stack_off: usize = 0;

/** A frame that was written. */
@unmanaged
class Written {
  off: u32;
  pad: u32;
  before: u64; // hash of its bytes when the watch began
}
const WRITTEN_SIZE: usize = 16;
if (offsetof<Written>() != WRITTEN_SIZE) ERROR("Written is 16 bytes");


@inline
export function is_watching(): bool {
  return watching;
}

/** Nothing is noted any more, or for the first time. The caller drops translations and code. */
export function set_watching(on: bool): void {
  watching = on;
  shared = false;
  count = 0;
  memory.fill(WATCH_MAP_OFF, 0, NR_FRAMES);
}

/** Whose step begins; true when it is another CPU's than the one before. */
export function watch_stack(off: usize): bool {
  const other = off != own_stack_off;
  own_stack_off = off;
  return other;
}

/** Whether shared memory was touched since the last question. */
export function take_shared(): bool {
  const was = shared;
  shared = false;
  return was;
}

/** True for a page that CPUs share and that changes while they run. What cannot be written changes
 *  only while all of them stand still. */
export function is_shared(entry: u64, access: u32): bool {
  if (!watching || access == PERM_X || (entry & PERM_W) == 0) return false;
  const off = <usize>(entry & ~(<u64>PAGE_SIZE - 1));
  const owner = frame_owner(off);
  const others = owner == OWNER_STACK && off - own_stack_off >= <usize>STACK_SIZE;
  if (!others && owner != OWNER_IMAGE && owner != OWNER_CURRENT && owner != OWNER_PAYLOAD)
    return false;
  shared = true;
  return true;
}


@inline
function written(i: u32): Written {
  return changetype<Written>(WATCH_LIST_OFF + WRITTEN_SIZE * <usize>i);
}

/** Before the frame of `off` is written. */
export function note_write(off: usize): void {
  const frame = (off - FRAMES_OFF) >> PAGE_SHIFT;
  if (!watching || frame >= NR_FRAMES || load<u8>(WATCH_MAP_OFF + frame) != 0) return;
  store<u8>(WATCH_MAP_OFF + frame, 1);
  const w = written(count++);
  w.off = <u32>(FRAMES_OFF + (frame << PAGE_SHIFT));
  w.before = hash_bytes(w.off, PAGE_SIZE, frame);
}

export function written_off(): usize {
  return WATCH_LIST_OFF;
}
export function written_count(): u32 {
  return count;
}

/** How the frames that were noted differ from what they were: 0 when they do not. */
export function hash_written(): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const w = written(i);
    const frame = (<usize>w.off - FRAMES_OFF) >> PAGE_SHIFT;
    sum += hash_bytes(w.off, PAGE_SIZE, frame) - w.before;
  }
  return sum;
}
