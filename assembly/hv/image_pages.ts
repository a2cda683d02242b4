// Permissions of the image's pages, and the end of its init part. What a page holds is taken from
// Xen's own symbols around text, rodata, init and data where the image has them, else from the
// regions (section names), else from the segment. No page is ever both writable and executable.

import {
  EOPNOTSUPP,
  PERM_R,
  PERM_W,
  PERM_X,
  REGION_DATA,
  REGION_INIT,
  REGION_RODATA,
  REGION_TEXT,
} from "../abi";
import { PLACE_ELF_SEGMENT, REASON_ELF_UNSUPPORTED_WX } from "../reasons";
import { PT_LOAD, phdr_at } from "./elf";
import { free_frames } from "./frames";
import { header } from "./header";
import { known_symbol } from "./image";
import { ImageFile } from "./image_file";
import { IMAGE_FILE_OFF } from "./layout";
import { peek_off } from "./mem";
import { protect_pages, unmap_pages, walk } from "./pages";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refusal, refuse_at } from "./refusal";
import { first_region, region_at } from "./regions";

const PAGE_MASK: u64 = ~(<u64>PAGE_SIZE - 1);
/** Contents of a page: one bit per REGION_*. */
const HAS_TEXT: u32 = 1 << REGION_TEXT;
const HAS_RODATA: u32 = 1 << REGION_RODATA;
const HAS_DATA: u32 = 1 << REGION_DATA;
const HAS_INIT: u32 = 1 << REGION_INIT;

/** A page's verdict beside PERM_*: it is dropped. */
const DROP: u32 = 0x100;
const WX: u32 = 0x200;


@unmanaged
class Range {
  lo_va: u64;
  hi_va: u64;
  bits: u64;
}
const RANGES_OFF: usize = IMAGE_FILE_OFF + 0x100;
const RANGES: u32 = 5;


@inline
function range(i: u32): Range {
  return changetype<Range>(RANGES_OFF + <usize>i * offsetof<Range>());
}

function note_range(i: u32, lo: string, hi: string, bits: u32): void {
  const lo_va = known_symbol(lo);
  range(i).lo_va = lo_va;
  range(i).hi_va = lo_va == 0 ? 0 : known_symbol(hi);
  range(i).bits = bits;
}

function note_ranges(): void {
  note_range(0, "_stext", "__2M_text_end", HAS_TEXT);
  note_range(1, "__2M_rodata_start", "__2M_rodata_end", HAS_RODATA);
  note_range(2, "__init_begin", "__init_end", HAS_INIT);
  note_range(3, "__2M_init_start", "__2M_init_end", HAS_INIT);
  note_range(4, "__2M_rwdata_start", "__2M_rwdata_end", HAS_DATA);
}

/** What the page at `va` holds. */
function contents(va: u64): u32 {
  for (let i: u32 = 0; i < RANGES; i++) {
    if (va >= range(i).lo_va && va < range(i).hi_va) return <u32>range(i).bits;
  }
  let bits: u32 = 0;
  for (let i = first_region(va); i < header().regions_count; i++) {
    const region = region_at(i);
    if (region.va >= va + PAGE_SIZE) break;
    bits |= 1 << region.kind;
  }
  return bits;
}

/** PERM_*, DROP or WX for a page. `flags`: the segment's PF_* (X 1, W 2, R 4). */
function verdict(bits: u32, flags: u32): u32 {
  if (bits == HAS_INIT) return DROP;
  if (bits == 0) {
    if ((flags & 2) != 0) return PERM_R | PERM_W;
    return (flags & 1) != 0 ? PERM_R | PERM_X : PERM_R;
  }
  if ((bits & HAS_TEXT) != 0) return (bits & HAS_DATA) != 0 ? WX : PERM_R | PERM_X;
  return (bits & HAS_DATA) != 0 ? PERM_R | PERM_W : PERM_R;
}

/** Bytes of init sections in a page that stays are zeroed. */
function zero_init(va: u64): void {
  for (let i = first_region(va); i < header().regions_count; i++) {
    const region = region_at(i);
    if (region.va >= va + PAGE_SIZE) return;
    if (region.kind != REGION_INIT) continue;
    const lo = max<u64>(region.va, va);
    memory.fill(peek_off(lo), 0, <usize>(min<u64>(region.end_va, va + PAGE_SIZE) - lo));
  }
}

function drop(va: u64, count: u32): void {
  const root = <usize>header().hv_root;
  for (let i: u32 = 0; i < count; i++) {
    const entry = walk(root, va + ((<u64>i) << PAGE_SHIFT));
    if (entry != 0) free_frames(<usize>(entry & PAGE_MASK), 1);
  }
  unmap_pages(root, va, count);
}

/** Settles `count` pages from `va` on, which share a verdict. */
function settle(va: u64, count: u32, what: u32, segment: u32): i32 {
  if (count == 0) return 0;
  if (what == WX) {
    const rc = refuse_at(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_WX, PLACE_ELF_SEGMENT, segment);
    refusal().va = va;
    return rc;
  }
  if (what == DROP) drop(va, count);
  else protect_pages(<usize>header().hv_root, va, count, what);
  return 0;
}

/** Pages [va, end_va) of a segment, from the first that no earlier segment settled. */
function secure_segment(va: u64, end_va: u64, flags: u32, segment: u32): i32 {
  let first = va;
  let last: u32 = 0;
  for (; va < end_va; va += PAGE_SIZE) {
    const bits = contents(va);
    const what = verdict(bits, flags);
    if (what != DROP && (bits & HAS_INIT) != 0) zero_init(va);
    if (what == last) continue;
    const rc = settle(first, <u32>((va - first) >> PAGE_SHIFT), last, segment);
    if (rc != 0) return rc;
    first = va;
    last = what;
  }
  return settle(first, <u32>((va - first) >> PAGE_SHIFT), last, segment);
}

/** Gives every page of the image its permissions and drops the init part. */
export function secure_image(f: ImageFile): i32 {
  note_ranges();
  let done: u64 = 0;
  for (let i: u32 = 0; i < f.phnum; i++) {
    const p = phdr_at(f.phdrs, i);
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    const first = max<u64>(p.p_vaddr & PAGE_MASK, done);
    done = max<u64>((p.p_vaddr + p.p_memsz + (PAGE_SIZE - 1)) & PAGE_MASK, done);
    const rc = secure_segment(first, done, p.p_flags, i);
    if (rc != 0) return rc;
  }
  return 0;
}
