// Looking through the image for what refers to a set of addresses: one pass over text and data,
// with a bitmap of the addresses that matter as the sieve. What passes the sieve is only a
// suspicion (any four bytes of code can look like a displacement), to be confirmed by decoding the
// function around it.

import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { header } from "../hv/header";
import { peek_off } from "../hv/mem";
import { PAGE_SIZE } from "../hv/param";
import { region_at } from "../hv/regions";
import { symbol, symbol_at } from "../hv/symbols";
import { decode } from "../hv/x86/decode";
import { Insn, INSN_SIZE } from "../hv/x86/insn";

// The sieve, in staging frames between open and close: one bit per 16 bytes of [sieve_va, + span).
let sieve_va: u64 = 0;
let sieve_span: u64 = 0;
let sieve_off: usize = 0;
let sieve_pages: u32 = 0;
const GRAIN: u64 = 4;

/** A sieve for addresses in [lo_va, hi_va). False: no frames. */
export function open_sieve(lo_va: u64, hi_va: u64): bool {
  sieve_va = lo_va & ~15;
  sieve_span = hi_va - sieve_va;
  sieve_pages = pages_for((sieve_span >> (GRAIN + 3)) + 1);
  sieve_off = alloc_frames(sieve_pages, OWNER_STAGING);
  if (sieve_off == 0) sieve_pages = 0;
  return sieve_off != 0;
}

export function close_sieve(): void {
  if (sieve_pages != 0) free_frames(sieve_off, sieve_pages);
  sieve_pages = 0;
}

/** [lo_va, hi_va) matters. */
export function mark(lo_va: u64, hi_va: u64): void {
  for (let va = lo_va & ~15; va < hi_va; va += 16) {
    const bit = (va - sieve_va) >> GRAIN;
    const at = sieve_off + <usize>(bit >> 3);
    const mask = (<u32>1) << ((<u32>bit) & 7);
    store<u8>(at, load<u8>(at) | (<u8>mask));
  }
}

/** May `va` matter? */
@inline
export function passes(va: u64): bool {
  const at = va - sieve_va;
  if (at >= sieve_span) return false;
  const bit = at >> GRAIN;
  return ((load<u8>(sieve_off + <usize>(bit >> 3)) >> (<u8>(bit & 7))) & 1) != 0;
}

/** A little-endian 32-bit value that may cross into another page. */
function value_across(va: u64): u32 {
  let value: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    const off = peek_off(va + i);
    if (off == 0) return 0;
    value |= (<u32>load<u8>(off)) << (i << 3);
  }
  return value;
}

/** Calls `visit(field_va, target_va)` for every 4 bytes of the image's text that, taken as a
 *  displacement from `behind` bytes after them, lead to what matters. Ends with the first answer
 *  that is not 0. */
export function scan_displacements(
  behind: u64,
  visit: (field_va: u64, target_va: u64) => i32,
  kind: u32,
): i32 {
  const h = header();
  for (let i: u32 = 0; i < h.regions_count; i++) {
    const region = region_at(i);
    if (region.kind != kind) continue;
    let va = region.va;
    while (va + 4 <= region.end_va) {
      const page_end = min<u64>((va | (PAGE_SIZE - 1)) + 1, region.end_va);
      const base = peek_off(va);
      if (base == 0) {
        va = page_end;
        continue;
      }
      const first = va;
      for (; va < page_end && va + 4 <= region.end_va; va++) {
        const inside = va + 4 <= page_end;
        const field = inside ? load<u32>(base + <usize>(va - first)) : value_across(va);
        const target = va + 4 + behind + <u64>(<i64>(<i32>field));
        if (!passes(target)) continue;
        const rc = visit(va, target);
        if (rc != 0) return rc;
      }
    }
  }
  return 0;
}

/** The same for 8 bytes that are the address itself (movabs). */
export function scan_addresses(visit: (field_va: u64, target_va: u64) => i32, kind: u32): i32 {
  const h = header();
  for (let i: u32 = 0; i < h.regions_count; i++) {
    const region = region_at(i);
    if (region.kind != kind) continue;
    for (let va = region.va; va + 8 <= region.end_va; va++) {
      const off = peek_off(va);
      if (off == 0) continue;
      const inside = (va & (PAGE_SIZE - 1)) <= PAGE_SIZE - 8;
      const value = inside
        ? load<u64>(off)
        : (<u64>value_across(va)) | ((<u64>value_across(va + 4)) << 32);
      if (!passes(value)) continue;
      const rc = visit(va, value);
      if (rc != 0) return rc;
    }
  }
  return 0;
}

/** Calls `visit(word_va, value)` for every aligned 8-byte word in [va, end_va) that points to
 *  what matters. */
export function scan_words(va: u64, end_va: u64, visit: (word_va: u64, value: u64) => i32): i32 {
  va = (va + 7) & ~7;
  while (va + 8 <= end_va) {
    const stop = min<u64>((va | (PAGE_SIZE - 1)) + 1, end_va & ~7);
    const base = peek_off(va);
    if (base != 0) {
      const last = base + <usize>(stop - va);
      for (let off = base; off < last; off += 8) {
        const value = load<u64>(off);
        if (!passes(value)) continue;
        const rc = visit(va + <u64>(off - base), value);
        if (rc != 0) return rc;
      }
    }
    va = stop;
  }
  return 0;
}

/** The same over all regions of one kind. */
export function scan_regions(kind: u32, visit: (word_va: u64, value: u64) => i32): i32 {
  for (let i: u32 = 0; i < header().regions_count; i++) {
    const region = region_at(i);
    if (region.kind != kind) continue;
    const rc = scan_words(region.va, region.end_va, visit);
    if (rc != 0) return rc;
  }
  return 0;
}

const WINDOW = memory.data(16);
const INSN = memory.data(32);
if (INSN_SIZE > 32) ERROR("Insn outgrows its buffer");

/** The instruction that decode_at found. */
@inline
export function found_insn(): Insn {
  return changetype<Insn>(INSN);
}

/** Decodes at `va`, also across pages. 0: nothing can be decoded there. */
export function decode_at(va: u64, end_va: u64): u32 {
  const max = <u32>min<u64>(end_va - va, 15);
  if ((va & (PAGE_SIZE - 1)) + max <= PAGE_SIZE) {
    const off = peek_off(va);
    return off == 0 ? 0 : decode(off, max, va, found_insn());
  }
  for (let i: u32 = 0; i < max; i++) {
    const off = peek_off(va + i);
    if (off == 0) return 0;
    store<u8>(WINDOW + i, load<u8>(off));
  }
  return decode(WINDOW, max, va, found_insn());
}

/** Start of the instruction that covers `va`, decoding its function from the beginning; 0 when
 *  that is not known. found_insn() is the instruction. */
export function insn_around(va: u64): u64 {
  const index = symbol_at(va);
  if (index < 0) return 0;
  const s = symbol(index);
  const end = s.va + max<u64>(s.size, s.room);
  let at = s.va;
  while (at < end) {
    const n = decode_at(at, end);
    if (n == 0) return 0;
    if (va < at + n) return at;
    at += n;
  }
  return 0;
}
