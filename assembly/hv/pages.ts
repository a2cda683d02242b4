// The page table: 4-level radix as in the Intel SDM vol. 3 ch. 4.5, 9 bits a level, tables in
// frames. An entry is the linear offset of a frame (page aligned) with PERM_* in its low bits; 0 is
// "not present". Never W+X. One root for the hypervisor's half (header.hv_root), one per domain for
// the lower half.

import { PERM_R, PERM_W, PERM_X } from "../abi";
import { alloc_frames, free_frames, OWNER_PAGETABLE } from "./frames";
import { CODE_GEN_OFF, FRAMES_OFF, TLB_OFF, TLB_SIZE } from "./layout";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";

const ENTRY_PERMS: u64 = PAGE_SIZE - 1;
const TABLE: u64 = PERM_R; // an inner entry only has to be non-zero


@inline
function slot(table: usize, va: u64, level: u32): usize {
  return table + <usize>(((va >> (12 + 9 * level)) & 511) << 3);
}

/** An empty root table, or 0 when there are no frames. */
export function new_root(): usize {
  return alloc_frames(1, OWNER_PAGETABLE);
}

/** The entry for `va`: frame offset | PERM_*, or 0. */
export function walk(root: usize, va: u64): u64 {
  let table = root;
  for (let level: u32 = 3; level > 0; level--) {
    const entry = load<u64>(slot(table, va, level));
    if (entry == 0) return 0;
    table = <usize>(entry & ~ENTRY_PERMS);
  }
  return load<u64>(slot(table, va, 0));
}

/** Where the entry for `va` is stored, creating tables on the way if `create`; 0 when it cannot
 *  be. */
function entry_slot(root: usize, va: u64, create: bool): usize {
  let table = root;
  for (let level: u32 = 3; level > 0; level--) {
    const at = slot(table, va, level);
    let entry = load<u64>(at);
    if (entry == 0) {
      if (!create) return 0;
      const frame = alloc_frames(1, OWNER_PAGETABLE);
      if (frame == 0) return 0;
      entry = (<u64>frame) | TABLE;
      store<u64>(at, entry);
    }
    table = <usize>(entry & ~ENTRY_PERMS);
  }
  return slot(table, va, 0);
}

/** Maps `count` pages at `va` to adjacent frames from `off` on. False: no frames for tables. */
export function map_pages(root: usize, va: u64, off: usize, count: u32, perms: u32): bool {
  assert((perms & (PERM_W | PERM_X)) != (PERM_W | PERM_X));
  for (let i: u32 = 0; i < count; i++) {
    const at = entry_slot(root, va + ((<u64>i) << PAGE_SHIFT), true);
    if (at == 0) {
      unmap_pages(root, va, i);
      // Tables made on the way to the page that failed.
      prune(root, va + ((<u64>i) << PAGE_SHIFT));
      return false;
    }
    bump_code(load<u64>(at)); // what was mapped here before
    store<u64>(at, (<u64>(off + ((<usize>i) << PAGE_SHIFT))) | (<u64>perms));
  }
  flush_tlb();
  return true;
}

/** Unmaps `count` pages and gives back tables that became empty, so that unmap undoes map
 *  exactly. */
export function unmap_pages(root: usize, va: u64, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const page_va = va + ((<u64>i) << PAGE_SHIFT);
    const at = entry_slot(root, page_va, false);
    if (at == 0) continue;
    bump_code(load<u64>(at));
    store<u64>(at, 0);
    // Tables empty from here up are given back when the walk leaves them.
    const last = i + 1 == count || ((page_va >> PAGE_SHIFT) & 511) == 511;
    if (last) prune(root, page_va);
  }
  flush_tlb();
}

function is_empty(table: usize): bool {
  for (let i: usize = 0; i < PAGE_SIZE; i += 8) {
    if (load<u64>(table + i) != 0) return false;
  }
  return true;
}

/** Gives back the tables on the way to `va` that are empty, from the lowest one that exists. */
function prune(root: usize, va: u64): void {
  for (let leaf: u32 = 1; leaf <= 3; leaf++) {
    let table = root;
    let at: usize = 0;
    let exists = true;
    for (let level: u32 = 3; exists && level >= leaf; level--) {
      at = slot(table, va, level);
      const entry = load<u64>(at);
      exists = entry != 0;
      table = <usize>(entry & ~ENTRY_PERMS);
    }
    if (!exists) continue;
    if (!is_empty(table)) return;
    store<u64>(at, 0);
    free_frames(table, 1);
  }
}

/** Changes the permissions of `count` mapped pages. */
export function protect_pages(root: usize, va: u64, count: u32, perms: u32): void {
  assert((perms & (PERM_W | PERM_X)) != (PERM_W | PERM_X));
  for (let i: u32 = 0; i < count; i++) {
    const at = entry_slot(root, va + ((<u64>i) << PAGE_SHIFT), false);
    assert(at != 0 && load<u64>(at) != 0);
    const entry = load<u64>(at);
    bump_code(entry);
    store<u64>(at, (entry & ~ENTRY_PERMS) | (<u64>perms));
  }
  flush_tlb();
}

/** Code cached from this executable frame is stale from now on. */
export function bump_code(entry: u64): void {
  if ((entry & PERM_X) == 0) return;
  drop_frame_code(<usize>(entry & ~ENTRY_PERMS));
}

/** The same for whatever the frame at `off` is. */
export function drop_frame_code(off: usize): void {
  const at = CODE_GEN_OFF + (((off - FRAMES_OFF) >> PAGE_SHIFT) << 2);
  store<u32>(at, load<u32>(at) + 1);
}

export function flush_tlb(): void {
  memory.fill(TLB_OFF, 0, TLB_SIZE);
}
