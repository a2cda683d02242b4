// The host's staging area: adjacent frames into which it puts what is too large for the I/O window
// (an image before boot). One at a time; transient, and not counted as the machine's state.

import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "./frames";
import { header } from "./header";

/** Zeroed room for `bytes`; its linear offset, 0 when there is none. */
export function stage(bytes: u32): usize {
  unstage();
  const frames = max<u32>(pages_for(bytes), 1);
  const off = alloc_frames(frames, OWNER_STAGING);
  if (off == 0) return 0;
  header().staging_off = <u32>off;
  header().staging_frames = frames;
  return off;
}

/** The staging area if it holds `bytes`, else 0. */
export function staged(bytes: u32): usize {
  const h = header();
  return pages_for(bytes) <= h.staging_frames ? <usize>h.staging_off : 0;
}

export function unstage(): void {
  const h = header();
  if (h.staging_frames == 0) return;
  free_frames(<usize>h.staging_off, h.staging_frames);
  h.staging_off = 0;
  h.staging_frames = 0;
}
