// What each frame of a machine that comes from a file is used for, one word a frame in scratch:
// nothing yet; a record of the machine's own, which is mapped nowhere; or a page, mapped at exactly
// one address. Two users of one frame, a page table among a guest's RAM, a symbol table that image
// code could write: no machine is like that, and nothing behind this would be safe in one that is.

import { FRAMES_END, FRAMES_OFF, NR_FRAMES, OWNERS_OFF, SCRATCH_OFF, SCRATCH_SIZE } from "./layout";
import { OWNER_FREE, OWNER_PAGETABLE, OWNER_STAGING } from "./frames";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";

const CLAIMS_OFF: usize = SCRATCH_OFF + 0x1000;
if (<usize>0x1000 + NR_FRAMES * 8 > SCRATCH_SIZE / 2) ERROR("claims reach into the loader's");

const RECORD: u64 = 1;
/** In the bits below a page's address: it is mapped, and 1 + the domain in whose half. */
const PAGE: u64 = 2;
const SPACE_SHIFT: u64 = 4;


@inline
function claim_at(off: u64): usize {
  return CLAIMS_OFF + (((<usize>(off - FRAMES_OFF)) >> PAGE_SHIFT) << 3);
}

export function clear_claims(): void {
  memory.fill(CLAIMS_OFF, 0, NR_FRAMES << 3);
}

/** `count` whole frames from `off` on. */
function are_frames(off: u64, count: u64): bool {
  if ((off & (PAGE_SIZE - 1)) != 0 || off < FRAMES_OFF || off >= FRAMES_END) return false;
  return count <= (FRAMES_END - off) >> PAGE_SHIFT;
}


@inline
function owner_of(off: u64): u8 {
  return load<u8>(OWNERS_OFF + ((<usize>(off - FRAMES_OFF)) >> PAGE_SHIFT));
}

/** Takes frames for a record: they belong to `owner`, and nobody else has them. */
export function claim_record(off: u64, count: u64, owner: u8): bool {
  if (!are_frames(off, count)) return false;
  for (const end = off + (count << PAGE_SHIFT); off < end; off += PAGE_SIZE) {
    if (owner_of(off) != owner || load<u64>(claim_at(off)) != 0) return false;
    store<u64>(claim_at(off), RECORD);
  }
  return true;
}


@inline
function page_claim(space: i32, va: u64): u64 {
  return va | ((<u64>(space + 1)) << SPACE_SHIFT) | PAGE;
}

/** Takes a frame for the page at `va` of the hypervisor (`space` -1) or a domain. */
export function claim_page(off: u64, space: i32, va: u64): bool {
  if (!are_frames(off, 1) || load<u64>(claim_at(off)) != 0) return false;
  const owner = owner_of(off);
  if (owner == OWNER_FREE || owner == OWNER_PAGETABLE || owner == OWNER_STAGING) return false;
  store<u64>(claim_at(off), page_claim(space, va));
  return true;
}

/** These adjacent frames of `owner` are the pages from `va` on. */
export function are_pages(off: u64, count: u64, owner: u8, space: i32, va: u64): bool {
  if (!are_frames(off, count)) return false;
  for (let i: u64 = 0; i < count; i++) {
    const at = off + (i << PAGE_SHIFT);
    if (owner_of(at) != owner) return false;
    if (load<u64>(claim_at(at)) != page_claim(space, va + (i << PAGE_SHIFT))) return false;
  }
  return true;
}
