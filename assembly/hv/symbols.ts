// The image's symbol table: by address, by name, and by `file.c#name`, where the file is the
// STT_FILE symbol that precedes a local one (RFC R202-R204). Sorted by address; names through an
// index sorted by hash. Built in linear time and looked up in the same time whatever the names are,
// for some 100,000 symbols. Which symbols count (livepatch-today 6.5): all but files, sections,
// undefined and empty ones, and absolute values that are no address of the image.

import { header } from "./header";
import { MATCHES_OFF } from "./layout";
import { SYMBOL_MATCHES_MAX } from "../abi";
import { name_length } from "./text";

export const NO_SYMBOL: u32 = 0xffffffff;


@unmanaged
export class Symbol {
  va: u64;
  size: u64;
  name: u32; // linear offset, NUL-terminated
  file: u32; // linear offset of the file's name, 0 for global symbols
  room: u32; // size and the padding behind it, up to the next symbol or the section's end
  parent: u32; // index of the innermost earlier symbol that covers va, NO_SYMBOL
  name_len: u32;
  section: u16;
  type: u8;
  bind: u8;
}
export const SYMBOL_STRIDE: usize = 40;
if (offsetof<Symbol>() != SYMBOL_STRIDE) ERROR("Symbol is 40 bytes");


@inline
export function symbol(index: u32): Symbol {
  return changetype<Symbol>(<usize>header().symbols_off + SYMBOL_STRIDE * <usize>index);
}

/** FNV-1a, spread so that its top bits choose a bucket. */
export function name_hash(off: usize, len: usize): u32 {
  let hash: u32 = 0x811c9dc5;
  for (let i: usize = 0; i < len; i++) hash = (hash ^ (<u32>load<u8>(off + i))) * 0x01000193;
  return hash * 0x9e3779b1;
}

// The index: u32 first entry of each bucket (and one behind the last), then entries {hash, symbol}.

@inline
function bucket(index: u32): u32 {
  return load<u32>(<usize>header().names_off + ((<usize>index) << 2));
}


@inline
export function names_entries(shift: u32): usize {
  return (((<usize>1) << (32 - shift)) + 2) << 2;
}

/** Symbols that the last lookup found; the first SYMBOL_MATCHES_MAX can be asked for. */
@inline
export function match_count(): u32 {
  return load<u32>(MATCHES_OFF);
}


@inline
export function match_at(i: u32): u32 {
  return load<u32>(MATCHES_OFF + 4 + ((<usize>i) << 2));
}
function add_match(index: u32): void {
  const n = match_count();
  if (n < <u32>SYMBOL_MATCHES_MAX) store<u32>(MATCHES_OFF + 4 + ((<usize>n) << 2), index);
  store<u32>(MATCHES_OFF, n + 1);
}

/** How well a symbol's file fits the one asked for: 2 the same, 1 the end of its path, 0
 *  another. */
function file_fit(file: usize, asked: usize, len: usize): u32 {
  if (file == 0) return 0;
  const have = name_length(file, 0x1000);
  if (have < len || memory.compare(file + (have - len), asked, len) != 0) return 0;
  if (have == len) return 2;
  return load<u8>(file + (have - len) - 1) == 0x2f ? 1 : 0;
}

/** Finds all symbols of a name, plain or `file.c#name`. Returns how many; match_at() tells them. A
 *  file given exactly as the image has it wins over the same name at the end of a longer path. */
export function find_symbols(name_off: usize, len: usize): u32 {
  store<u32>(MATCHES_OFF, 0);
  const h = header();
  if (h.symbols_count == 0) return 0;
  let plain: usize = 0;
  for (let i: usize = 0; i < len && plain == 0; i++) {
    if (load<u8>(name_off + i) == 0x23) plain = i + 1;
  }
  const hash = name_hash(name_off + plain, len - plain);
  const base = <usize>h.names_off + names_entries(h.names_shift);
  const end = bucket((hash >> h.names_shift) + 1);
  let best: u32 = 0;
  for (let e = bucket(hash >> h.names_shift); e < end; e++) {
    if (load<u32>(base + ((<usize>e) << 3)) != hash) continue;
    const index = load<u32>(base + ((<usize>e) << 3), 4);
    const s = symbol(index);
    if (<usize>s.name_len != len - plain) continue;
    if (memory.compare(<usize>s.name, name_off + plain, len - plain) != 0) continue;
    const fit: u32 = plain == 0 ? 1 : file_fit(<usize>s.file, name_off, plain - 1);
    if (fit == 0 || fit < best) continue;
    if (fit > best) store<u32>(MATCHES_OFF, 0);
    best = fit;
    add_match(index);
  }
  return match_count();
}

/** The first symbol of a name, -1 when there is none; match_count() tells whether there are
 *  more. */
export function find_symbol(name_off: usize, len: usize): i32 {
  return find_symbols(name_off, len) == 0 ? -1 : <i32>match_at(0);
}

/** Index of the first symbol whose address is above `va`. */
export function symbols_above(va: u64): u32 {
  let lo: u32 = 0;
  let hi = header().symbols_count;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (symbol(mid).va <= va) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The symbol that `va` belongs to: the innermost that covers it, else a label without a size right
 *  before it; -1 when there is none. */
export function symbol_at(va: u64): i32 {
  const above = symbols_above(va);
  if (above == 0) return -1;
  let i = above - 1;
  while (i != NO_SYMBOL) {
    const s = symbol(i);
    if (va - s.va < s.size) return <i32>i;
    i = s.parent;
  }
  const s = symbol(above - 1);
  return s.size == 0 && va - s.va < <u64>max<u32>(s.room, 1) ? <i32>(above - 1) : -1;
}
