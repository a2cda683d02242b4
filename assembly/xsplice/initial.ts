// The writable part of a payload as it was when it had just been loaded. REVERTED payloads may be
// applied again without a new upload (R127), and must then start from fresh data, not from what
// the first life left behind (98b728a7b2, 66d3f83db6). Pages at the end that are all zero (.bss)
// are not kept: zero is what they are reset to.

import { ENOMEM } from "../abi";
import { alloc_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { keep } from "../hv/journal";
import { PAGE_SHIFT } from "../hv/param";
import { refuse } from "../hv/refusal";
import { REASON_NO_MEMORY } from "../reasons";
import { Payload } from "./payload";


@inline
function rw_off(p: Payload): usize {
  return p.mem_off + <usize>(p.rw_va - p.base_va);
}

/** Pages up to the last one that holds anything. */
function used_pages(off: usize, pages: u32): u32 {
  for (let end = (<usize>pages) << PAGE_SHIFT; end != 0; end -= 8) {
    if (load<u64>(off + end - 8) != 0) return pages_for(<u64>end);
  }
  return 0;
}

/** After this the payload can be reset. */
export function keep_initial(p: Payload): i32 {
  const pages = used_pages(rw_off(p), pages_for(p.rw_size));
  if (pages == 0) return 0;
  p.initial_off = alloc_frames(pages, OWNER_PAYLOAD);
  if (p.initial_off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  p.initial_pages = pages;
  memory.copy(p.initial_off, rw_off(p), (<usize>pages) << PAGE_SHIFT);
  return 0;
}

/** Writable sections as they were after the upload. */
export function reset_writable(p: Payload): void {
  if (p.rw_size == 0) return;
  const kept = (<usize>p.initial_pages) << PAGE_SHIFT;
  const all = (<usize>pages_for(p.rw_size)) << PAGE_SHIFT;
  keep(rw_off(p), all);
  if (kept != 0) memory.copy(rw_off(p), p.initial_off, kept);
  memory.fill(rw_off(p) + kept, 0, all - kept);
}
