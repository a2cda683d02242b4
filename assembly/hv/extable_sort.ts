// Sorts an exception table by its faulting instructions. Entries are pairs of s32 relative to their
// own fields (hv/extable.ts), so moving one changes what it means: fields are rebased to the
// table's start for the sort and back afterwards. The image's own is sorted at boot, a payload's
// when it is loaded.

import { header } from "./header";
import { peek, poke } from "./mem";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "./frames";

const ENTRY: usize = 8;


@inline
function key_at(base: usize, i: usize): i32 {
  return load<i32>(base + i * ENTRY);
}


@inline
function swap(base: usize, i: usize, j: usize): void {
  const a = load<u64>(base + i * ENTRY);
  store<u64>(base + i * ENTRY, load<u64>(base + j * ENTRY));
  store<u64>(base + j * ENTRY, a);
}

function sift_down(base: usize, from: usize, count: usize): void {
  let root = from;
  for (;;) {
    let child: usize = 2 * root + 1;
    if (child >= count) return;
    if (child + 1 < count && key_at(base, child) < key_at(base, child + 1)) child++;
    if (key_at(base, root) >= key_at(base, child)) return;
    swap(base, root, child);
    root = child;
  }
}

/** Adds (sign 1) or takes away (sign -1) each field's own distance from the table's start. */
function rebase(base: usize, bytes: usize, sign: i32): void {
  for (let at: usize = 0; at < bytes; at += 4) {
    store<i32>(base + at, load<i32>(base + at) + sign * <i32>at);
  }
}

/** `bytes` of whole entries at linear `base`. Heapsort: in place, n·log n whatever the order. */
export function sort_entries(base: usize, bytes: usize): void {
  const count = bytes / ENTRY;
  rebase(base, bytes, 1);
  for (let i = count / 2; i > 0; i--) sift_down(base, i - 1, count);
  for (let end = count; end > 1; end--) {
    swap(base, 0, end - 1);
    sift_down(base, 0, end - 1);
  }
  rebase(base, bytes, -1);
}

/** The image's own table, wherever it lies. */
export function sort_image_extable(): void {
  const h = header();
  if (h.extable_va == 0 || h.extable_end_va <= h.extable_va) return;
  const bytes = (h.extable_end_va - h.extable_va) & ~(<u64>(ENTRY - 1));
  const pages = pages_for(bytes);
  const off = alloc_frames(pages, OWNER_STAGING);
  if (off == 0) return;
  if (peek(off, h.extable_va, bytes) == 0) {
    sort_entries(off, <usize>bytes);
    poke(h.extable_va, off, bytes);
  }
  free_frames(off, pages);
}
