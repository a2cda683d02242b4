// Where a payload's sections go (R8, R183, R217). Every SHF_ALLOC section is appended, in the
// order of the section headers, to one of three regions by its flags; the regions lie
// page-aligned one behind the other, in adjacent frames and at adjacent virtual addresses:
//
//   guard | text R-X | rw RW- | ro R-- | guard
//
// The frames are adjacent so that copying, relocating and validating work on linear memory. The
// address is the first fit in the payload area, within ±2 GB of the image's text where that is
// possible, with an unmapped page on both sides (shared with the neighbours). Nothing is mapped
// yet: secure.ts does that when all is well.

import { ENOMEM, EOPNOTSUPP } from "../abi";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS } from "../hv/elf";
import { alloc_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { header } from "../hv/header";
import { PAGE_SIZE } from "../hv/param";
import { walk } from "../hv/pages";
import { refuse } from "../hv/refusal";
import { REASON_ELF_UNSUPPORTED_WX, REASON_NO_MEMORY, REASON_NO_VA } from "../reasons";
import {
  ElfFile,
  refuse_section,
  refused_value,
  section,
  section_bytes,
  section_place,
} from "./elf";
import { Payload } from "./payload";

export const REGION_TEXT: u32 = 1;
export const REGION_RW: u32 = 2;
export const REGION_RO: u32 = 3;

const PAGE_MASK: u64 = PAGE_SIZE - 1;
/** More than the machine has; keeps every sum far from wrapping. */
const REGION_LIMIT: u64 = 1 << 31;
/** Reach of a rel32 (R183). */
const REACH: u64 = 1 << 31;


@inline
function page_align(size: u64): u64 {
  return (size + PAGE_MASK) & ~PAGE_MASK;
}

/** Region of a section by its flags; 0 for W+X. */
@inline
function region_of_flags(flags: u64): u32 {
  if ((flags & SHF_WRITE) != 0) return (flags & SHF_EXECINSTR) != 0 ? 0 : REGION_RW;
  return (flags & SHF_EXECINSTR) != 0 ? REGION_TEXT : REGION_RO;
}

/**
 * Gives each loaded section its place relative to its region, and the payload its three sizes.
 * After this, section_place(i).va is an offset in the region and `region` says in which one.
 */
export function classify_sections(e: ElfFile, p: Payload): i32 {
  p.text_size = 0;
  p.rw_size = 0;
  p.ro_size = 0;
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if ((s.sh_flags & SHF_ALLOC) == 0) continue;
    const region = region_of_flags(s.sh_flags);
    if (region == 0) {
      const rc = refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_WX, i);
      refused_value(s.sh_flags, 0);
      return rc;
    }
    let size = p.ro_size;
    if (region == REGION_TEXT) size = p.text_size;
    else if (region == REGION_RW) size = p.rw_size;
    // A large alignment or size only asks for more memory than there is.
    const align = s.sh_addralign == 0 ? 1 : s.sh_addralign;
    const at = align > REGION_LIMIT ? REGION_LIMIT : (size + (align - 1)) & ~(align - 1);
    if (s.sh_size > REGION_LIMIT || at + s.sh_size > REGION_LIMIT) {
      const rc = refuse_section(e, ENOMEM, REASON_NO_MEMORY, i);
      refused_value(s.sh_size, REGION_LIMIT);
      return rc;
    }
    const place = section_place(e, i);
    place.va = at;
    place.region = region;
    if (region == REGION_TEXT) p.text_size = at + s.sh_size;
    else if (region == REGION_RW) p.rw_size = at + s.sh_size;
    else p.ro_size = at + s.sh_size;
  }
  return 0;
}

/**
 * First run of `pages` unmapped pages in [lo, hi) with an unmapped page on both sides; 0 if none.
 */
function find_va(lo: u64, hi: u64, pages: u64): u64 {
  const root = <usize>header().hv_root;
  let run: u64 = 0;
  for (let va = lo; va < hi; va += PAGE_SIZE) {
    if (walk(root, va) != 0) {
      run = 0;
      continue;
    }
    run++;
    // The guard behind may be the first page after the area.
    if (run == pages + 2) return va - pages * PAGE_SIZE;
    if (run == pages + 1 && va + PAGE_SIZE >= hi && walk(root, hi) == 0) {
      return va + PAGE_SIZE - pages * PAGE_SIZE;
    }
  }
  return 0;
}

/** The part of the payload area from which all of the image's text is within reach, first. */
function choose_va(pages: u64): u64 {
  const h = header();
  const area_lo = page_align(h.payload_base_va);
  const area_hi = h.payload_end_va & ~PAGE_MASK;
  if (area_hi <= area_lo) return 0;
  let lo = area_lo;
  let hi = area_hi;
  if (h.text_hi_va > REACH && h.text_hi_va - REACH > lo) lo = page_align(h.text_hi_va - REACH);
  const highest = (h.text_lo_va + REACH) & ~PAGE_MASK;
  if (highest > h.text_lo_va && highest < hi) hi = highest;
  const near = lo < hi ? find_va(lo, hi, pages) : 0;
  return near != 0 ? near : find_va(area_lo, area_hi, pages);
}

/**
 * Frames and addresses. After this every loaded section has its virtual address and its place in
 * linear memory, which is zero.
 */
export function place_sections(e: ElfFile, p: Payload): i32 {
  const text_span = page_align(p.text_size);
  const rw_span = page_align(p.rw_size);
  const pages = pages_for(text_span + rw_span + p.ro_size);
  if (pages == 0) return 0;
  p.mem_off = alloc_frames(pages, OWNER_PAYLOAD);
  if (p.mem_off == 0) {
    const rc = refuse(ENOMEM, REASON_NO_MEMORY);
    refused_value(<u64>pages, 0);
    return rc;
  }
  p.mem_pages = pages;
  const base_va = choose_va(pages);
  if (base_va == 0) {
    const rc = refuse(ENOMEM, REASON_NO_VA);
    refused_value(<u64>pages, 0);
    return rc;
  }
  p.base_va = base_va;
  p.text_va = base_va;
  p.rw_va = base_va + text_span;
  p.ro_va = p.rw_va + rw_span;
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    if (place.region == 0) continue;
    if (place.region == REGION_TEXT) place.va += p.text_va;
    else if (place.region == REGION_RW) place.va += p.rw_va;
    else place.va += p.ro_va;
    place.mem_off = p.mem_off + <usize>(place.va - base_va);
  }
  return 0;
}

/** Brings the bytes in. NOBITS sections and gaps stay zero, as fresh frames are. */
export function copy_sections(e: ElfFile): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    const s = section(e, i);
    if (place.region == 0 || s.sh_type == SHT_NOBITS) continue;
    memory.copy(place.mem_off, section_bytes(e, s), <usize>s.sh_size);
  }
  return 0;
}
