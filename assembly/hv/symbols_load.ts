// Builds the symbol table (hv/symbols.ts) from the image's file: filter, sort by address, room and
// nesting, name index. The file has been checked (hv/image_file.ts).

import { ENOMEM } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import {
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  STB_GLOBAL,
  STB_LOCAL,
  STT_FILE,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
  STT_SECTION,
  STT_TLS,
  Sym,
  sym_at,
} from "./elf";
import { alloc_frames, free_frames, OWNER_IMAGE, OWNER_STAGING, pages_for } from "./frames";
import { header } from "./header";
import { ImageFile } from "./image_file";
import { HYPERVISOR_VA } from "./layout";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refuse } from "./refusal";
import { first_region, region_at } from "./regions";
import { radix_sort, SORT_RECORD } from "./sort";
import {
  name_hash,
  names_entries,
  NO_SYMBOL,
  SYMBOL_STRIDE,
  symbol,
  symbols_above,
} from "./symbols";
import { name_length } from "./text";

const PAGE_MASK: u64 = PAGE_SIZE - 1;

function counts(f: ImageFile, s: Sym): bool {
  const type = s.type;
  if (type == STT_FILE || type == STT_SECTION || type == STT_TLS) return false;
  if (s.st_shndx == SHN_UNDEF || s.st_shndx == SHN_COMMON) return false;
  // An end label stands one past the last byte, or past the last page. A label below the first
  // (Xen's __image_base__) is one of the image's names if a section has it.
  const below = s.st_size == 0 && s.st_shndx < SHN_LORESERVE ? HYPERVISOR_VA : f.lo_va;
  if (s.st_value < below || s.st_value > ((f.hi_va + PAGE_MASK) & ~PAGE_MASK)) return false;
  return load<u8>(f.strings + <usize>s.st_name) != 0;
}

/** Order among symbols of one address: the one that a person means comes last. */
function rank(s: Sym): u64 {
  let rank: u64 = s.bind == STB_LOCAL ? 0 : s.bind == STB_GLOBAL ? 2 : 1;
  if (s.type == STT_FUNC || s.type == STT_OBJECT) rank += 4;
  return s.st_size == 0 ? rank : rank + 8;
}

/** Fills `records` with {address and rank, file << 32 | symbol} of what counts. */
function collect(f: ImageFile, records: usize): u32 {
  let n: u32 = 0;
  let file: u32 = 0;
  for (let i: u32 = 1; i < f.symbols; i++) {
    const s = sym_at(f.symtab, i);
    if (s.type == STT_FILE) file = s.st_name;
    if (!counts(f, s)) continue;
    const record = records + <usize>n * SORT_RECORD;
    // All addresses are canonical and of the upper half: their top byte says nothing.
    store<u64>(record, (s.st_value << 8) | rank(s));
    store<u64>(record, ((<u64>(s.bind == STB_LOCAL ? file : 0)) << 32) | (<u64>i), 8);
    n++;
  }
  return n;
}

function fill(f: ImageFile, sorted: usize, count: u32): void {
  const strings = <usize>header().strings_off;
  for (let i: u32 = 0; i < count; i++) {
    const value = load<u64>(sorted + <usize>i * SORT_RECORD, 8);
    const from = sym_at(f.symtab, <usize>(<u32>value));
    const to = symbol(i);
    to.va = from.st_value;
    // A size that leaves the image is not believed.
    to.size = min<u64>(from.st_size, max<u64>(f.hi_va, from.st_value) - from.st_value);
    to.name = <u32>(strings + <usize>from.st_name);
    to.name_len = <u32>name_length(<usize>to.name, <usize>(f.strings_size - from.st_name));
    const file = <u32>(value >> 32);
    to.file = file == 0 ? 0 : <u32>(strings + <usize>file);
    to.section = from.st_shndx;
    to.type = from.type;
    to.bind = from.bind;
  }
}

/** End of the section that `va` lies in; `va` itself when it is in none. */
function section_end(va: u64): u64 {
  const i = first_region(va);
  return i < header().regions_count && region_at(i).va <= va ? region_at(i).end_va : va;
}

function measure(count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const s = symbol(i);
    // Nesting: the chain of parents of the symbol before is the stack of what may still cover this
    // one.
    let parent = i == 0 ? NO_SYMBOL : i - 1;
    while (parent != NO_SYMBOL && s.va - symbol(parent).va >= symbol(parent).size) {
      parent = symbol(parent).parent;
    }
    s.parent = parent;
    const end_va = s.va + s.size;
    let next = i + 1;
    if (next < count && (symbol(next).va < end_va || symbol(next).va == s.va)) {
      next = s.size == 0 ? symbols_above(s.va) : symbols_above(end_va - 1);
    }
    let limit = section_end(s.va);
    if (next < count) limit = min<u64>(limit, symbol(next).va);
    s.room = <u32>min<u64>(max<u64>(limit, end_va) - s.va, 0xffffffff);
  }
}

/** Bits of a bucket number, so that a bucket holds about one name. */
function names_shift(count: u32): u32 {
  let bits: u32 = 4;
  while (bits < 24 && (<u32>1) << bits < count) bits++;
  return 32 - bits;
}

function index_names(work: usize, spare: usize, count: u32): void {
  const h = header();
  for (let i: u32 = 0; i < count; i++) {
    const s = symbol(i);
    store<u64>(work + <usize>i * SORT_RECORD, name_hash(<usize>s.name, <usize>s.name_len));
    store<u64>(work + <usize>i * SORT_RECORD, i, 8);
  }
  const sorted = radix_sort(work, spare, <usize>count);
  const buckets: u32 = (<u32>1) << (32 - h.names_shift);
  const base = <usize>h.names_off;
  const entries = base + names_entries(h.names_shift);
  let filled: u32 = 0; // buckets whose first entry is known
  for (let i: u32 = 0; i < count; i++) {
    const hash = <u32>load<u64>(sorted + <usize>i * SORT_RECORD);
    for (; filled <= hash >> h.names_shift; filled++) store<u32>(base + ((<usize>filled) << 2), i);
    store<u32>(entries + ((<usize>i) << 3), hash);
    store<u32>(entries + ((<usize>i) << 3), load<u32>(sorted + <usize>i * SORT_RECORD, 8), 4);
  }
  for (; filled <= buckets; filled++) store<u32>(base + ((<usize>filled) << 2), count);
}

/** Frames for the tables. False: there are none. */
function allocate(f: ImageFile, count: u32): bool {
  const h = header();
  h.symbols_count = count;
  h.symbols_frames = pages_for(<u64>count * SYMBOL_STRIDE);
  h.strings_size = f.strings_size;
  h.strings_frames = pages_for(f.strings_size);
  h.names_shift = names_shift(count);
  h.names_frames = pages_for(<u64>names_entries(h.names_shift) + <u64>count * 8);
  h.strings_off = alloc_frames(h.strings_frames, OWNER_IMAGE);
  h.names_off = alloc_frames(h.names_frames, OWNER_IMAGE);
  if (count != 0) h.symbols_off = alloc_frames(h.symbols_frames, OWNER_IMAGE);
  return h.strings_off != 0 && h.names_off != 0 && (count == 0 || h.symbols_off != 0);
}

export function load_symbols(f: ImageFile): i32 {
  const pages = max<u32>(pages_for(<u64>f.symbols * SORT_RECORD), 1);
  const work = alloc_frames(2 * pages, OWNER_STAGING);
  if (work == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  const spare = work + ((<usize>pages) << PAGE_SHIFT);
  const count = collect(f, work);
  if (!allocate(f, count)) return refuse(ENOMEM, REASON_NO_MEMORY);
  memory.copy(<usize>header().strings_off, f.strings, <usize>f.strings_size);
  fill(f, radix_sort(work, spare, <usize>count), count);
  measure(count);
  index_names(work, spare, count);
  free_frames(work, 2 * pages);
  return 0;
}
