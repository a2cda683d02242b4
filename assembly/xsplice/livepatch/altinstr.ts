// `.altinstructions` of today's payload (spec/livepatch-today 5.1, 5.3): applied to its own text
// when it is uploaded, for the CPU that the hypervisor was booted on. What is bad about an entry
// crashes 4.17; later releases have errors for it, which are given here.

import { EINVAL, ENOSPC, ERANGE } from "../../abi";
import { FEATURE_LIMIT, NOPS_P6 } from "../../abi_today";
import {
  Alt,
  ALT_SIZE,
  altcall_pointer,
  is_replaced,
  make_direct,
  move_branch,
  new_bytes,
  old_bytes,
} from "../../hv/alternatives";
import { ideal_nops, nop_style } from "../../hv/cpu_features";
import { peek } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import {
  HAZARD_ALT_IGNORED,
  PLACE_LP_ALT,
  REASON_LP_ALTERNATIVE,
  REASON_XEN_CRASH_ALT_FEATURE,
  REASON_XEN_CRASH_ALT_LENGTH,
  REASON_XEN_CRASH_ALT_REPLACEMENT,
} from "../../reasons";
import { ElfFile, refuse_section, section_place } from "../elf";
import { Payload } from "../payload";
import { note_hazard } from "./file";
import { check_entries, check_placed, named_section, section_size } from "./sections";

const TOTAL_MAX: u32 = 254;
const POINTER = memory.data(8);

function refuse_entry(errno: i32, reason: u32, i: u32, va: u64, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_LP_ALT, i);
  refusal().va = va;
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}


@inline
function inside(va: u64, len: u64, base: u64, size: u64): bool {
  return va - base <= size && len <= size - (va - base);
}

/** All entries point into the payload's text, and into the section of replacements. */
function check_places(e: ElfFile, p: Payload, table: u32, repl: u32): i32 {
  const place = section_place(e, table);
  const repl_va = section_place(e, repl).va;
  const repl_size = section_size(e, repl);
  const count = <u32>(section_size(e, table) / ALT_SIZE);
  for (let i: u32 = 0; i < count; i++) {
    const a = changetype<Alt>(place.mem_off + ALT_SIZE * <usize>i);
    const va = place.va + <u64>ALT_SIZE * i;
    const orig = a.site_va(va);
    if (!inside(orig, a.orig_len, p.text_va, p.text_size)) {
      return refuse_entry(EINVAL, REASON_LP_ALTERNATIVE, i, orig, a.orig_len, p.text_size);
    }
    const from = a.repl_va(va);
    if (!inside(from, a.repl_len, repl_va, repl_size)) {
      return refuse_entry(EINVAL, REASON_LP_ALTERNATIVE, i, from, a.repl_len, repl_size);
    }
  }
  return 0;
}

/** What crashes 4.17, in the order in which it would meet it. */
function check_entry(p: Payload, a: Alt, i: u32, orig: u64, repl: u64): i32 {
  const total = a.orig_len + a.pad_len;
  if (a.repl_len > total) {
    return refuse_entry(ENOSPC, REASON_XEN_CRASH_ALT_REPLACEMENT, i, orig, a.repl_len, total);
  }
  if (total > TOTAL_MAX) {
    return refuse_entry(ENOSPC, REASON_XEN_CRASH_ALT_LENGTH, i, orig, total, TOTAL_MAX);
  }
  const feature = a.cpuid & 0x7fff;
  if (feature >= <u32>FEATURE_LIMIT) {
    return refuse_entry(ERANGE, REASON_XEN_CRASH_ALT_FEATURE, i, orig, feature, FEATURE_LIMIT);
  }
  // An entry before this one may have changed the table itself.
  const memory_size = (<u64>p.mem_pages) << 12;
  const sound =
    inside(orig, total, p.text_va, p.text_size) && inside(repl, a.repl_len, p.base_va, memory_size);
  return sound ? 0 : refuse_entry(EINVAL, REASON_LP_ALTERNATIVE, i, orig, total, p.text_size);
}


@inline
function linear(p: Payload, va: u64): usize {
  return p.mem_off + <usize>(va - p.base_va);
}

function keep(p: Payload, a: Alt, orig: u64): void {
  a.priv = 1;
  if (nop_style() != <u32>NOPS_P6 && a.pad_len > 1) {
    ideal_nops(linear(p, orig + a.orig_len), a.pad_len);
  }
}

function replace(p: Payload, a: Alt, orig: u64, repl: u64): void {
  const total = a.orig_len + a.pad_len;
  memory.copy(old_bytes(), linear(p, orig), total);
  memory.copy(new_bytes(), linear(p, repl), a.repl_len);
  const pointer = altcall_pointer(a, orig);
  if (pointer != 0) {
    // The payload's own memory is not mapped yet.
    let target: u64 = 0;
    if (pointer - p.base_va < ((<u64>p.mem_pages) << 12) - 8)
      target = load<u64>(linear(p, pointer));
    else if (peek(POINTER, pointer, 8) == 0) target = load<u64>(POINTER);
    make_direct(orig, target);
  } else move_branch(a, orig, repl);
  ideal_nops(new_bytes() + <usize>a.repl_len, total - a.repl_len);
  a.priv = 1;
  memory.copy(linear(p, orig), new_bytes(), total);
}

export function apply_altinstructions(e: ElfFile, p: Payload): i32 {
  const table = named_section(e, ".altinstructions");
  if (table == 0) return 0;
  let rc = check_entries(e, table, ALT_SIZE);
  if (rc != 0 || section_size(e, table) == 0) return rc;
  rc = check_placed(e, table);
  if (rc != 0) return rc;
  const repl = named_section(e, ".altinstr_replacement");
  if (repl == 0 || p.text_size == 0) return refuse_section(e, EINVAL, REASON_LP_ALTERNATIVE, table);
  rc = check_places(e, p, table, repl);
  if (rc != 0) return rc;
  const place = section_place(e, table);
  const count = <u32>(section_size(e, table) / ALT_SIZE);
  let base = changetype<Alt>(place.mem_off);
  let base_orig: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const a = changetype<Alt>(place.mem_off + ALT_SIZE * <usize>i);
    const va = place.va + <u64>ALT_SIZE * i;
    const orig = a.site_va(va);
    if (orig != base_orig) {
      base = a;
      base_orig = orig;
    }
    rc = check_entry(p, a, i, orig, a.repl_va(va));
    if (rc != 0) return rc;
    if (a.priv != 0) note_hazard(HAZARD_ALT_IGNORED);
    else if (is_replaced(a.cpuid)) replace(p, a, orig, a.repl_va(va));
    else if (base.priv == 0) keep(p, a, orig);
  }
  return 0;
}
