// The image's own alternatives, applied once at boot as Xen's alternative.c does (livepatch-today
// 5.1-5.3, 6.2): a record of 14 bytes names a site, a replacement, and the CPU feature that
// decides. A file of an image is not what runs; old-code checks and expectations must see the bytes
// that a payload will meet. The table lies in the part that is dropped after boot, so what was
// decided is kept as a table of sites.

import { ENOMEM } from "../abi";
import {
  FEATURE_LM,
  NOPS_P6,
  PLATFORM_NONE,
  SITE_ALTCALL,
  SITE_CHANGED,
  SITE_TAKEN,
  SITE_UNSETTLED,
} from "../abi_today";
import { REASON_NO_MEMORY } from "../reasons";
import { settle_platform } from "./alternatives_platform";
import { has_feature, ideal_nops, nop_style, platform } from "./cpu_features";
import { alloc_frames, OWNER_IMAGE, pages_for } from "./frames";
import { known_symbol } from "./image";
import { HEADER_OFF } from "./layout";
import { peek, poke } from "./mem";
import { refuse } from "./refusal";

export const ALT_SIZE: usize = 14;
/** Bit of `cpuid`: apply when the feature is absent. */
export const ALT_NOT: u32 = 0x8000;
export const ENDBR64: u32 = 0xfa1e0ff3;
export const ENDBR64_POISON: u32 = 0x011f0f66;

/** One record: fields at their offsets, packed. */
@unmanaged
export class Alt {

  @inline get orig(): i32 {
    return load<i32>(changetype<usize>(this));
  }


  @inline get repl(): i32 {
    return load<i32>(changetype<usize>(this), 4);
  }


  @inline get cpuid(): u32 {
    return load<u16>(changetype<usize>(this), 8);
  }


  @inline get orig_len(): u32 {
    return load<u8>(changetype<usize>(this), 10);
  }


  @inline get repl_len(): u32 {
    return load<u8>(changetype<usize>(this), 11);
  }


  @inline get pad_len(): u32 {
    return load<u8>(changetype<usize>(this), 12);
  }


  @inline get priv(): u32 {
    return load<u8>(changetype<usize>(this), 13);
  }
  set priv(value: u32) {
    store<u8>(changetype<usize>(this), <u8>value, 13);
  }
  /** Addresses are relative to their own fields. */
  @inline site_va(va: u64): u64 {
    return va + <u64>(<i64>this.orig);
  }


  @inline repl_va(va: u64): u64 {
    return va + 4 + <u64>(<i64>this.repl);
  }
}


@inline
export function is_replaced(cpuid: u32): bool {
  return has_feature(cpuid & 0x7fff) != ((cpuid & ALT_NOT) != 0);
}

/** What boot decided about one record. */
@unmanaged
export class Site {
  va: u64;
  length: u32; // site and padding
  feature: u32; // with ALT_NOT
  flags: u32; // SITE_*
  pad: u32;
  pointer_va: u64; // SITE_ALTCALL
}
export const SITE_STRIDE: usize = 32;
if (offsetof<Site>() != SITE_STRIDE) ERROR("Site is 32 bytes");

/** Where the table is: in the header's page, behind the CPU profile. */
const SITES_OFF: usize = HEADER_OFF + 2432;


@inline
export function sites_off(): u64 {
  return load<u64>(SITES_OFF);
}


@inline
export function site_count(): u32 {
  return load<u32>(SITES_OFF, 8);
}


@inline
export function site_at(i: u32): Site {
  return changetype<Site>(<usize>load<u64>(SITES_OFF) + SITE_STRIDE * <usize>i);
}

// Work space of one site: bytes that are there, bytes to be, a copy of the record's table.
const OLD = memory.data(512);
const NEW = memory.data(512);
const POINTER = memory.data(8);
const ALTCALL_LEN: u32 = 6;
const LENGTH_MAX: u32 = 254;

/** Address of the pointer of an alternative call, 0 when the record is none. NEW holds the
 *  replacement, OLD the site. */
export function altcall_pointer(a: Alt, site_va: u64): u64 {
  const opcode = load<u8>(NEW);
  if (a.cpuid != FEATURE_LM || a.repl_len < 5 || (opcode & 0xfe) != 0xe8) return 0;
  if (load<i32>(NEW, 1) != -5 || a.orig_len < ALTCALL_LEN || load<u8>(OLD) != 0xff) return 0;
  if (load<u8>(OLD, 1) != (opcode == 0xe8 ? 0x15 : 0x25)) return 0;
  return site_va + 6 + <u64>(<i64>load<i32>(OLD, 2));
}

/** Turns NEW into a direct call to `target`, or into a trap for null. */
export function make_direct(site_va: u64, target: u64): void {
  if (target == 0) {
    store<u32>(NEW, 0xff0f0b0f);
    store<u8>(NEW, 0xff, 4);
    return;
  }
  let to = target;
  if (peek(POINTER, target, 4) == 0 && load<u32>(POINTER) == ENDBR64) to += 4;
  store<u32>(NEW, <u32>(to - (site_va + 5)), 1);
}


@inline
export function old_bytes(): usize {
  return OLD;
}


@inline
export function new_bytes(): usize {
  return NEW;
}

/** Copies a site and its replacement to OLD and NEW. False: not mapped, or longer than Xen
 *  takes. */
export function fetch(a: Alt, site_va: u64, repl_va: u64): bool {
  const total = a.orig_len + a.pad_len;
  if (total > LENGTH_MAX || a.repl_len > total) return false;
  return peek(OLD, site_va, total) == 0 && peek(NEW, repl_va, a.repl_len) == 0;
}

/** Moves a relative call or jump with the code that it is part of. */
export function move_branch(a: Alt, site_va: u64, repl_va: u64): void {
  if (a.repl_len < 5 || (load<u8>(NEW) & 0xfe) != 0xe8) return;
  store<u32>(NEW, load<u32>(NEW, 1) + <u32>(repl_va - site_va), 1);
}

/** NOPs in place of what boot does not want: only the padding, which the assembler filled with
 *  P6's. */
function keep(a: Alt, s: Site): void {
  a.priv = 1;
  if (nop_style() == <u32>NOPS_P6 || a.pad_len <= 1) return;
  ideal_nops(NEW, a.pad_len);
  poke(s.va + a.orig_len, NEW, a.pad_len);
  s.flags |= SITE_CHANGED;
}

function replace(a: Alt, s: Site, repl_va: u64, forced: bool): void {
  if (!fetch(a, s.va, repl_va)) return;
  const pointer = altcall_pointer(a, s.va);
  if (pointer != 0) {
    s.flags |= SITE_ALTCALL;
    s.pointer_va = pointer;
    const target: u64 = peek(POINTER, pointer, 8) == 0 ? load<u64>(POINTER) : 0;
    if (target == 0 && !forced) {
      s.flags |= SITE_UNSETTLED;
      return;
    }
    if (target == 0) s.flags |= SITE_UNSETTLED;
    make_direct(s.va, target);
  } else move_branch(a, s.va, repl_va);
  const total = a.orig_len + a.pad_len;
  ideal_nops(NEW + <usize>a.repl_len, total - a.repl_len);
  a.priv = 1;
  s.flags |= SITE_TAKEN;
  if (memory.compare(OLD, NEW, total) != 0) s.flags |= SITE_CHANGED;
  poke(s.va, NEW, total);
}

/** One pass over the table, of which `off` is a copy. */
function pass(off: usize, va: u64, count: u32, forced: bool): void {
  let base = changetype<Alt>(off);
  let base_va: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const a = changetype<Alt>(off + ALT_SIZE * <usize>i);
    const at = va + <u64>ALT_SIZE * i;
    const s = site_at(i);
    s.va = a.site_va(at);
    s.length = a.orig_len + a.pad_len;
    s.feature = a.cpuid;
    if (s.va != base_va) {
      base = a;
      base_va = s.va;
    }
    if (a.priv != 0) continue;
    if (is_replaced(a.cpuid)) replace(a, s, a.repl_va(at), forced);
    else if (base.priv == 0) keep(a, s);
  }
}

/** Applies the table of the image that is being booted; one without a table is left as it is. */
export function apply_alternatives(): i32 {
  const va = known_symbol("__alt_instructions");
  const end_va = known_symbol("__alt_instructions_end");
  if (va == 0 || end_va <= va || end_va - va > 0x100000) return 0;
  const count = <u32>((end_va - va) / ALT_SIZE);
  const sites = alloc_frames(pages_for(<u64>count * SITE_STRIDE), OWNER_IMAGE);
  const pages = pages_for(end_va - va);
  const table = alloc_frames(pages, OWNER_IMAGE);
  if (sites == 0 || table == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  store<u64>(SITES_OFF, <u64>sites);
  store<u32>(SITES_OFF, count, 8);
  if (peek(table, va, end_va - va) != 0) return 0;
  const settled = platform() != <u32>PLATFORM_NONE;
  if (settled) settle_platform();
  pass(table, va, count, false);
  // What early boot has left null by the second pass traps.
  if (settled) pass(table, va, count, true);
  poke(va, table, end_va - va);
  return 0;
}

/** Index of the first record from `from` on whose site touches [va, va + len); site_count() if
 *  none. */
export function site_touching(from: u32, va: u64, len: u64): u32 {
  for (let i = from; i < site_count(); i++) {
    const s = site_at(i);
    if (s.va < va + len && va < s.va + <u64>s.length) return i;
  }
  return site_count();
}
