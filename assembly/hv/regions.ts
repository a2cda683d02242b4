// What each part of the image is for: text, read-only data, data, or init code that is dropped
// after boot. Taken from section names, because flags may lie (in a distribution's xen-syms .text
// is writable and .rodata too), and for names that say nothing from the flags. Kept as a table
// sorted by address.

import {
  EINVAL,
  ENOMEM,
  REGION_DATA,
  REGION_INIT,
  REGION_NONE,
  REGION_RODATA,
  REGION_TEXT,
} from "../abi";
import { PLACE_ELF_SECTION, REASON_ELF_SECTION_TABLE, REASON_NO_MEMORY } from "../reasons";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_TLS, SHF_WRITE, SHT_NOBITS, Shdr, shdr_at } from "./elf";
import { alloc_frames, free_frames, OWNER_IMAGE, OWNER_STAGING, pages_for } from "./frames";
import { header } from "./header";
import { ImageFile } from "./image_file";
import { refusal, refuse, refuse_at } from "./refusal";
import { radix_sort, SORT_RECORD } from "./sort";
import { name_length, starts_with } from "./text";

/** Bytes of a section's name that are kept. */
const REGION_NAME: usize = 24;


@unmanaged
export class Region {
  va: u64;
  end_va: u64;
  kind: u32; // REGION_*
  section: u32;
  // 24: section name, cut to REGION_NAME bytes, NUL-padded
  @inline get name_off(): usize {
    return changetype<usize>(this) + 24;
  }
}
export const REGION_SIZE: usize = 48;
if (offsetof<Region>() + REGION_NAME != REGION_SIZE) ERROR("Region is 48 bytes");


@inline
export function region_at(i: u32): Region {
  return changetype<Region>(<usize>header().regions_off + REGION_SIZE * <usize>i);
}

function kind_by_flags(s: Shdr): u32 {
  if ((s.sh_flags & SHF_WRITE) != 0) return REGION_DATA;
  return (s.sh_flags & SHF_EXECINSTR) != 0 ? REGION_TEXT : REGION_RODATA;
}

function kind_of_section(f: ImageFile, s: Shdr): u32 {
  const name = f.section_name(s);
  const limit = f.section_name_limit(s);
  if (starts_with(name, limit, ".text")) return REGION_TEXT;
  if (starts_with(name, limit, ".init")) return REGION_INIT;
  if (starts_with(name, limit, ".rodata")) return REGION_RODATA;
  if (starts_with(name, limit, ".data.rel.ro")) return REGION_RODATA;
  if (starts_with(name, limit, ".note")) return REGION_RODATA;
  if (starts_with(name, limit, ".eh_frame")) return REGION_RODATA;
  if (starts_with(name, limit, ".ex_table")) return REGION_RODATA;
  if (starts_with(name, limit, ".data")) return REGION_DATA;
  if (starts_with(name, limit, ".bss")) return REGION_DATA;
  return kind_by_flags(s);
}


@inline
function is_region(s: Shdr): bool {
  if ((s.sh_flags & SHF_ALLOC) == 0 || s.sh_size == 0) return false;
  return s.sh_type != SHT_NOBITS || (s.sh_flags & SHF_TLS) == 0;
}

function fill(region: Region, f: ImageFile, index: u32): void {
  const s = shdr_at(f.shdrs, index);
  region.va = s.sh_addr;
  region.end_va = s.sh_addr + s.sh_size;
  region.kind = kind_of_section(f, s);
  region.section = index;
  const len = name_length(f.section_name(s), min(f.section_name_limit(s), REGION_NAME));
  memory.copy(region.name_off, f.section_name(s), len);
}

function refuse_section(index: u32, va: u64, limit: u64): i32 {
  const rc = refuse_at(EINVAL, REASON_ELF_SECTION_TABLE, PLACE_ELF_SECTION, index);
  refusal().va = va;
  refusal().limit = limit;
  return rc;
}

/** Collects the allocated sections into `records`, {address, section}. */
function collect(f: ImageFile, records: usize): u32 {
  let n: u32 = 0;
  for (let i: u32 = 1; i < f.shnum; i++) {
    const s = shdr_at(f.shdrs, i);
    if (!is_region(s)) continue;
    store<u64>(records + <usize>n * SORT_RECORD, s.sh_addr);
    store<u64>(records + <usize>n * SORT_RECORD, i, 8);
    n++;
  }
  return n;
}

function build(f: ImageFile, sorted: usize, count: u32): i32 {
  let end_va: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const index = <u32>load<u64>(sorted + <usize>i * SORT_RECORD, 8);
    const region = region_at(i);
    fill(region, f, index);
    if (region.va < end_va) return refuse_section(index, region.va, end_va);
    if (region.end_va < region.va) return refuse_section(index, region.va, region.end_va);
    end_va = region.end_va;
  }
  return 0;
}

/** Builds the table from a checked file. */
export function load_regions(f: ImageFile): i32 {
  const h = header();
  const bytes = <u64>f.shnum * SORT_RECORD;
  const pages = pages_for(bytes);
  const work = alloc_frames(2 * pages, OWNER_STAGING);
  const frames = pages_for(<u64>f.shnum * REGION_SIZE);
  const table = alloc_frames(frames, OWNER_IMAGE);
  if (work == 0 || table == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  const count = collect(f, work);
  const sorted = radix_sort(work, work + ((<usize>pages) << 12), <usize>count);
  h.regions_off = <u64>table;
  h.regions_count = count;
  h.regions_frames = frames;
  const rc = build(f, sorted, count);
  free_frames(work, 2 * pages);
  return rc;
}

/** Index of the first region that ends behind `va`; regions_count when there is none. */
export function first_region(va: u64): u32 {
  let lo: u32 = 0;
  let hi = header().regions_count;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (region_at(mid).end_va <= va) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The region that holds `va`, null when it is in none. */
export function region_holding(va: u64): Region | null {
  const i = first_region(va);
  if (i >= header().regions_count || region_at(i).va > va) return null;
  return region_at(i);
}

/** REGION_* of the byte at `va`. */
export function region_of(va: u64): u32 {
  const region = region_holding(va);
  return region == null ? REGION_NONE : region.kind;
}
