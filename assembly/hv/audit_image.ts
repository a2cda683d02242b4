// What a machine from a file knows about its image (hv/audit.ts): symbols with their names and the
// index of them, regions, the sites of alternatives. All of it lies in frames that nobody maps.

import { REGION_INIT } from "../abi";
import { PART_NAMES, PART_REGIONS, PART_SITES, PART_SYMBOLS } from "../reasons";
import { site_count, sites_off, SITE_STRIDE } from "./alternatives";
import { broken } from "./broken";
import { claim_record } from "./claims";
import { OWNER_IMAGE, pages_for } from "./frames";
import { header } from "./header";
import { PAGE_SHIFT, SYMBOLS_MAX } from "./param";
import { region_at, REGION_SIZE } from "./regions";
import { names_entries, NO_SYMBOL, symbol, Symbol, SYMBOL_STRIDE } from "./symbols";

/** `count` records of `size` bytes in `frames` frames from `off` on. */
function is_table(off: u64, frames: u64, count: u64, size: u64): bool {
  return count * size <= frames << PAGE_SHIFT && claim_record(off, frames, OWNER_IMAGE);
}

/** A string at linear `off`, of `len` bytes, inside the string table. */
function is_string(off: u64, len: u64): bool {
  const h = header();
  return off >= h.strings_off && off - h.strings_off + len < <u64>h.strings_size;
}

function is_symbol(s: Symbol, i: u32): bool {
  if (!is_string(s.name, s.name_len) || load<u8>(<usize>s.name + s.name_len) != 0) return false;
  if (s.file != 0 && !is_string(s.file, 0)) return false;
  return (s.parent == NO_SYMBOL || s.parent < i) && s.va + s.size >= s.va;
}

function audit_symbols(): bool {
  const h = header();
  const count = h.symbols_count;
  if (count > SYMBOLS_MAX) return broken(PART_SYMBOLS, 0);
  if (!is_table(h.strings_off, h.strings_frames, h.strings_size, 1)) {
    return broken(PART_SYMBOLS, 0);
  }
  if (count == 0) return true;
  // The last byte ends every string, whatever its place.
  if (h.strings_size == 0 || load<u8>(<usize>h.strings_off + h.strings_size - 1) != 0) {
    return broken(PART_SYMBOLS, 0);
  }
  if (!is_table(h.symbols_off, h.symbols_frames, count, SYMBOL_STRIDE)) {
    return broken(PART_SYMBOLS, 0);
  }
  for (let i: u32 = 0; i < count; i++) {
    if (!is_symbol(symbol(i), i)) return broken(PART_SYMBOLS, i);
  }
  return true;
}

/** Every bucket begins where the one before it ends, every entry is a symbol. */
function audit_names(): bool {
  const h = header();
  const shift = h.names_shift;
  if (shift < 8 || shift > 28) return broken(PART_NAMES, 0);
  const bytes = <u64>names_entries(shift) + ((<u64>h.symbols_count) << 3);
  if (!is_table(h.names_off, h.names_frames, bytes, 1)) return broken(PART_NAMES, 0);
  const base = <usize>h.names_off;
  const buckets: u32 = (<u32>1) << (32 - shift);
  let before: u32 = 0;
  for (let i: u32 = 0; i <= buckets; i++) {
    const first = load<u32>(base + ((<usize>i) << 2));
    if (first < before || first > h.symbols_count) return broken(PART_NAMES, i);
    before = first;
  }
  const entries = base + names_entries(shift);
  for (let i: u32 = 0; i < h.symbols_count; i++) {
    const index = load<u32>(entries + ((<usize>i) << 3), 4);
    if (index >= h.symbols_count) return broken(PART_NAMES, i);
  }
  return true;
}

function audit_regions(): bool {
  const h = header();
  const count = h.regions_count;
  if (!is_table(h.regions_off, h.regions_frames, count, REGION_SIZE)) {
    return broken(PART_REGIONS, 0);
  }
  for (let i: u32 = 0; i < count; i++) {
    const region = region_at(i);
    const last_end: u64 = i == 0 ? 0 : region_at(i - 1).end_va;
    if (region.kind > <u32>REGION_INIT || region.va < last_end || region.end_va < region.va) {
      return broken(PART_REGIONS, i);
    }
  }
  return true;
}

function audit_sites(): bool {
  const count = site_count();
  if (count == 0) return true;
  const frames = pages_for(<u64>count * SITE_STRIDE);
  return claim_record(sites_off(), frames, OWNER_IMAGE) || broken(PART_SITES, 0);
}

export function audit_image(): bool {
  return audit_symbols() && audit_names() && audit_regions() && audit_sites();
}
