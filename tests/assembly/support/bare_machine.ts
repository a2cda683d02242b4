// The least of a machine that the loader needs: a page table, a payload area, and an image that is
// nothing but a symbol table, made by hand.

import { REGION_INIT } from "../../../assembly/abi";
import { BUILD_ID_OFF, header } from "../../../assembly/hv/header";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import {
  EXTABLES_OFF,
  FRAMES_END,
  FRAMES_OFF,
  HEADER_OFF,
  HEADER_SIZE,
  NR_FRAMES,
  OWNERS_OFF,
  PAYLOADS_OFF,
  PAYLOAD_SIZE,
  TASKLETS_OFF,
} from "../../../assembly/hv/layout";
import { new_root } from "../../../assembly/hv/pages";
import { region_at } from "../../../assembly/hv/regions";
import { NR_PAYLOADS } from "../../../assembly/hv/param";
import { name_hash, NO_SYMBOL, Symbol, SYMBOL_STRIDE } from "../../../assembly/hv/symbols";
import { claim_payload, Payload } from "../../../assembly/xsplice/payload";
import { load_payload } from "../../../assembly/xsplice/load";
import { ElfBuilder } from "./elf_builder";

export const TEXT_LO: u64 = 0xffff82d080100000;
export const TEXT_HI: u64 = 0xffff82d080200000;
export const AREA_LO: u64 = 0xffff82d080300000;
export const AREA_HI: u64 = 0xffff82d0a0000000;

/** Frames that specs may use, from the bottom and from the top; zeroed by every reset. */
const USED_FRAMES: usize = 16384;
const TOP_FRAMES: usize = 64;

const MAX_SYMBOLS: u32 = 32;
let symbols_off: usize = 0;
let names_off: usize = 0;
let count: u32 = 0;

export function reset_machine(): void {
  memory.fill(HEADER_OFF, 0, HEADER_SIZE);
  memory.fill(PAYLOADS_OFF, 0, PAYLOAD_SIZE * <usize>NR_PAYLOADS);
  memory.fill(EXTABLES_OFF, 0, TASKLETS_OFF - EXTABLES_OFF);
  memory.fill(OWNERS_OFF, 0, NR_FRAMES);
  memory.fill(FRAMES_OFF, 0, USED_FRAMES << 12);
  memory.fill(FRAMES_END - (TOP_FRAMES << 12), 0, TOP_FRAMES << 12);
  const h = header();
  h.hv_root = <u64>new_root();
  h.text_lo_va = TEXT_LO;
  h.text_hi_va = TEXT_HI;
  h.image_lo_va = TEXT_LO;
  h.image_hi_va = TEXT_HI;
  h.payload_base_va = AREA_LO;
  h.payload_end_va = AREA_HI;
  h.payload_version = 1;
  h.build_id_len = 4;
  store<u32>(BUILD_ID_OFF, 0x05dd92);
  symbols_off = alloc_frames(1, OWNER_IMAGE);
  names_off = alloc_frames(1, OWNER_IMAGE);
  count = 0;
  h.symbols_off = <u64>symbols_off;
  h.names_off = <u64>names_off;
  h.names_shift = 31;
}

/** Rewrites the two buckets of the name index. */
function index_names(): void {
  let n: u32 = 0;
  for (let half: u32 = 0; half < 2; half++) {
    store<u32>(names_off + (half << 2), n);
    for (let i: u32 = 0; i < count; i++) {
      const s = changetype<Symbol>(symbols_off + SYMBOL_STRIDE * <usize>i);
      const hash = name_hash(s.name, s.name_len);
      if (hash >> 31 != half) continue;
      store<u32>(names_off + 16 + (n << 3), hash);
      store<u32>(names_off + 16 + (n << 3), i, 4);
      n++;
    }
  }
  store<u32>(names_off + 8, n);
  store<u32>(names_off + 12, n);
}

function ascii_copy(text: string): usize {
  const off = heap.alloc(text.length + 1);
  for (let i = 0; i < text.length; i++) store<u8>(off + i, <u8>text.charCodeAt(i));
  store<u8>(off + text.length, 0);
  return off;
}

/** A symbol of the image; `file` empty for a global one. */
export function image_symbol(name: string, va: u64, file: string = ""): void {
  assert(count < MAX_SYMBOLS);
  const s = changetype<Symbol>(symbols_off + SYMBOL_STRIDE * <usize>count);
  s.va = va;
  s.size = 16;
  s.name = <u32>ascii_copy(name);
  s.name_len = <u32>name.length;
  s.file = file.length == 0 ? 0 : <u32>ascii_copy(file);
  s.bind = file.length == 0 ? 1 : 0;
  s.type = 2;
  s.parent = NO_SYMBOL;
  count++;
  header().symbols_count = count;
  index_names();
}

/** A record with the id `text`, as UPLOAD has it when it calls the loader. */
export function claim(text: string): Payload {
  const p = claim_payload();
  for (let i = 0; i < text.length; i++) store<u8>(p.id_off + i, <u8>text.charCodeAt(i));
  return p;
}

export function load_file(b: ElfBuilder, p: Payload): i32 {
  return load_payload(b.file_off, b.file_size, p, 0);
}

/** Init code of the image, which is gone after boot. */
export function init_region(va: u64, end_va: u64): void {
  const h = header();
  h.regions_off = <u64>alloc_frames(1, OWNER_IMAGE);
  h.regions_count = 1;
  const region = region_at(0);
  region.va = va;
  region.end_va = end_va;
  region.kind = REGION_INIT;
}

function hash_range(hash: u64, off: usize, len: usize): u64 {
  for (let i: usize = 0; i < len; i += 8) {
    hash = (hash ^ load<u64>(off + i)) * 0x100000001b3;
    hash ^= hash >> 29;
  }
  return hash;
}

/**
 * What a failed load must leave as it was: page tables, frames and their owners, exception
 * tables.
 */
export function machine_hash(frames: usize): u64 {
  let hash: u64 = 0xcbf29ce484222325;
  hash = hash_range(hash, EXTABLES_OFF, 256);
  hash = hash_range(hash, OWNERS_OFF, NR_FRAMES & ~7);
  return hash_range(hash, FRAMES_OFF, frames << 12);
}
