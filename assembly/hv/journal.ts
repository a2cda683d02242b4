// A journal of frames: from open to close, each frame's bytes are put aside before they are written
// for the first time, so that everything can be put back as if nothing had been done. Used where
// hypervisor code runs that may fail half-way (hooks of today's payloads). What is written past
// hv/mem.ts, by linear offset, has to be announced with `keep`. The machine's own records are not
// in frames: whoever opens a journal keeps them himself.

import { alloc_frames, free_frames, OWNER_STAGING } from "./frames";
import { CODE_GEN_OFF, FRAMES_OFF, JOURNAL_OFF, NR_FRAMES } from "./layout";
import { flush_tlb } from "./pages";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { note_write } from "./watch";

// While hypervisor code runs for the host, between two of its calls; never at rest.
let open: bool = false;
let failed: bool = false;
// Where the frames put aside lie.
let lowest: usize = NR_FRAMES;
let highest: usize = 0;

export function is_journal_open(): bool {
  return open;
}

/** From now on writes can be undone. */
export function open_journal(): void {
  assert(!open);
  open = true;
  failed = false;
  flush_tlb(); // so that the first write to a page is seen
}

/** No frame was left to put something aside: that write has not been done. */
export function has_journal_failed(): bool {
  return failed;
}


@inline
function copy_at(frame: usize): usize {
  return JOURNAL_OFF + (frame << 2);
}

/** Before a frame is written; `off`: any byte of it. False: it must not be. */
export function keep_frame(off: usize): bool {
  note_write(off);
  if (!open) return true;
  const frame = (off - FRAMES_OFF) >> PAGE_SHIFT;
  if (frame >= NR_FRAMES || load<u32>(copy_at(frame)) != 0) return true;
  const copy = alloc_frames(1, OWNER_STAGING);
  if (copy == 0) {
    failed = true;
    return false;
  }
  memory.copy(copy, FRAMES_OFF + (frame << PAGE_SHIFT), PAGE_SIZE);
  store<u32>(copy_at(frame), <u32>copy);
  lowest = min<usize>(lowest, frame);
  highest = max<usize>(highest, frame);
  return true;
}

/** The same for bytes that may lie in several frames. */
export function keep(off: usize, len: usize): bool {
  for (let at = off; at < off + len; at = (at | (PAGE_SIZE - 1)) + 1) {
    if (!keep_frame(at)) return false;
  }
  return true;
}

/** Ends the journal; `undo`: every frame gets the bytes back that it had, and code that was cached
 *  from it is stale. */
export function close_journal(undo: bool): void {
  assert(open);
  open = false;
  for (let frame = lowest; frame <= highest && frame < NR_FRAMES; frame++) {
    const copy = <usize>load<u32>(copy_at(frame));
    if (copy == 0) continue;
    if (undo) {
      memory.copy(FRAMES_OFF + (frame << PAGE_SHIFT), copy, PAGE_SIZE);
      const generation = CODE_GEN_OFF + (frame << 2);
      store<u32>(generation, load<u32>(generation) + 1);
    }
    free_frames(copy, 1);
    store<u32>(copy_at(frame), 0);
  }
  lowest = NR_FRAMES;
  highest = 0;
}
