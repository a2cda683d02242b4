// Where today's loader puts sections (spec/livepatch-today 1.4): every ALLOC section, in header
// order, at the end of the region of its flags; text, rw and ro page-aligned in one allocation,
// first fit. Sizes are added as the real one adds them, with 64-bit sums that wrap and an alignment
// of 0 that yields offset 0, because what is then too large is -ENOMEM there; what would be copied
// past the allocation is refused.

import { EINVAL, ENOMEM, EOPNOTSUPP } from "../../abi";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS } from "../../hv/elf";
import { alloc_frames, OWNER_PAYLOAD } from "../../hv/frames";
import { header } from "../../hv/header";
import { PAGE_SHIFT, PAGE_SIZE } from "../../hv/param";
import { find_payload_va } from "../../hv/payload_area";
import { refuse } from "../../hv/refusal";
import {
  HAZARD_SECTION_OVERLAP,
  REASON_ELF_UNSUPPORTED_WX,
  REASON_NO_MEMORY,
  REASON_NO_VA,
  REASON_XEN_CRASH_ALIGN_ZERO,
  REASON_XEN_CRASH_SIZE_WRAP,
} from "../../reasons";
import {
  ElfFile,
  refuse_section,
  refused_value,
  section,
  section_bytes,
  section_place,
  string_is,
} from "../elf";
import { Payload } from "../payload";
import { REGION_RO, REGION_RW, REGION_TEXT } from "../place";
import { is_wrapped, note_hazard } from "./file";
import { livepatch } from "./record";
import { ascii } from "../../hv/text";

const PAGE_MASK: u64 = PAGE_SIZE - 1;


@inline
function page_align(size: u64): u64 {
  return (size + PAGE_MASK) & ~PAGE_MASK;
}

function region_of_flags(flags: u64): u32 {
  const exec = (flags & SHF_EXECINSTR) != 0;
  if ((flags & SHF_WRITE) != 0) return exec ? 0 : REGION_RW;
  return exec ? REGION_TEXT : REGION_RO;
}


@inline
function region_size(p: Payload, region: u32): u64 {
  if (region == REGION_TEXT) return p.text_size;
  return region == REGION_RW ? p.rw_size : p.ro_size;
}

function set_region_size(p: Payload, region: u32, size: u64): void {
  if (region == REGION_TEXT) p.text_size = size;
  else if (region == REGION_RW) p.rw_size = size;
  else p.ro_size = size;
}

/** Offsets in the regions, and their sizes; section_place(i).va is the offset. */
function group(e: ElfFile, p: Payload): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if ((s.sh_flags & SHF_ALLOC) == 0) continue;
    const region = region_of_flags(s.sh_flags);
    if (region == 0) {
      const rc = refuse_section(e, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_WX, i);
      refused_value(s.sh_flags, 0);
      return rc;
    }
    const size = region_size(p, region);
    const align = s.sh_addralign;
    if (align == 0 && size != 0 && s.sh_size != 0) note_hazard(HAZARD_SECTION_OVERLAP);
    // (size + align - 1) & ~(align - 1): 0 for align 0.
    const at = (size + align - 1) & ~(align - 1);
    const place = section_place(e, i);
    place.va = at;
    place.region = region;
    set_region_size(p, region, at + s.sh_size);
  }
  return 0;
}

function no_memory(reason: u32, pages: u64): i32 {
  const rc = refuse(ENOMEM, reason);
  refused_value(pages, 0);
  return rc;
}

/** Sections that the real loader would copy past what it has allocated: it crashes there. */
function check_copies(e: ElfFile, p: Payload, total: u64): i32 {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    if (place.region == 0) continue;
    const s = section(e, i);
    const at = place.va - p.base_va;
    if (at <= total && s.sh_size <= total - at && !is_wrapped(e, s)) continue;
    const zero = s.sh_addralign == 0 || s.sh_size <= <u64>e.file_size;
    const reason = zero ? REASON_XEN_CRASH_ALIGN_ZERO : REASON_XEN_CRASH_SIZE_WRAP;
    const rc = refuse_section(e, EINVAL, reason, i);
    refused_value(s.sh_size, total);
    return rc;
  }
  return 0;
}

function assign(e: ElfFile, p: Payload): void {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    if (place.region == 0) continue;
    // An offset is a u32 in the real loader.
    const at = <u64>(<u32>place.va);
    if (place.region == REGION_TEXT) place.va = p.text_va + at;
    else if (place.region == REGION_RW) place.va = p.rw_va + at;
    else place.va = p.ro_va + at;
    place.mem_off = p.mem_off + <usize>(place.va - p.base_va);
  }
}

/** Frames and addresses: after this each loaded section has its place, zero so far. */
function allocate(e: ElfFile, p: Payload): i32 {
  const text_span = page_align(p.text_size);
  const rw_span = page_align(p.rw_size);
  const total = text_span + rw_span + p.ro_size;
  const pages = page_align(total) >> PAGE_SHIFT;
  const h = header();
  const room = (h.payload_end_va - h.payload_base_va) >> PAGE_SHIFT;
  if (pages >= room || total + PAGE_MASK < total) return no_memory(REASON_NO_VA, pages);
  const base_va = pages == 0 ? h.payload_base_va : find_payload_va(<u32>pages);
  if (base_va == 0) return no_memory(REASON_NO_VA, pages);
  p.base_va = base_va;
  p.text_va = base_va;
  p.rw_va = base_va + text_span;
  p.ro_va = p.rw_va + rw_span;
  // Judged before frames are taken: `mem_off` 0 only marks what is not loaded.
  assign(e, p);
  const rc = check_copies(e, p, pages << PAGE_SHIFT);
  if (rc != 0 || pages == 0) return rc;
  p.mem_off = alloc_frames(<u32>pages, OWNER_PAYLOAD);
  if (p.mem_off == 0) return no_memory(REASON_NO_MEMORY, pages);
  p.mem_pages = <u32>pages;
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    if (place.region != 0) place.mem_off = p.mem_off + <usize>(place.va - base_va);
  }
  return 0;
}

/** Brings the bytes in and counts what is writable: none but the functions may be applied again. */
function copy(e: ElfFile, p: Payload): void {
  let writable: u32 = 0;
  let last: u32 = 0;
  for (let i: u32 = 1; i < e.shnum; i++) {
    const place = section_place(e, i);
    if (place.region == 0) continue;
    const s = section(e, i);
    if (place.region == REGION_RW && s.sh_size != 0) {
      writable++;
      last = i;
    }
    if (s.sh_type == SHT_NOBITS) memory.fill(place.mem_off, 0, <usize>s.sh_size);
    else memory.copy(place.mem_off, section_bytes(e, s), <usize>s.sh_size);
  }
  const lp = livepatch(p);
  if (writable == 0) lp.safe_to_reapply = 1;
  else if (writable == 1) {
    const name = e.shstr_off + <usize>section(e, last).sh_name;
    lp.safe_to_reapply = <u32>string_is(name, ascii(".livepatch.funcs"), 16);
  }
}

/** Steps 6 of an upload. What was taken before a failure is the caller's to give back. */
export function load_sections(e: ElfFile, p: Payload): i32 {
  let rc = group(e, p);
  if (rc == 0) rc = allocate(e, p);
  if (rc == 0) copy(e, p);
  return rc;
}
