// What the border tells about today's payloads: LIVEPATCH_INFO_*, LIVEPATCH_FUNC_* and
// LIVEPATCH_SYMBOL_* records (abi_today.ts), from which `verify`, the patch map and the names of
// their code are made.

import { EINVAL, ENOENT } from "../../abi";
import {
  LIVEPATCH_FUNC_APPLIED,
  LIVEPATCH_FUNC_EXPECT_LEN,
  LIVEPATCH_FUNC_EXPECT_OFF,
  LIVEPATCH_FUNC_HAZARDS,
  LIVEPATCH_FUNC_LENGTH,
  LIVEPATCH_FUNC_NAME_OFF,
  LIVEPATCH_FUNC_NEW_SIZE,
  LIVEPATCH_FUNC_NEW_VA,
  LIVEPATCH_FUNC_OLD_SIZE,
  LIVEPATCH_FUNC_OLD_VA,
  LIVEPATCH_FUNC_PATCH_OFFSET,
  LIVEPATCH_FUNC_RECORD_SIZE,
  LIVEPATCH_FUNC_SAVED_OFF,
  LIVEPATCH_FUNC_SYMBOL,
  LIVEPATCH_INFO_DEPENDS_LEN,
  LIVEPATCH_INFO_DEPENDS_OFF,
  LIVEPATCH_INFO_FLAGS,
  LIVEPATCH_INFO_FUNCS,
  LIVEPATCH_INFO_HAZARDS,
  LIVEPATCH_INFO_HOOKS,
  LIVEPATCH_INFO_ID_LEN,
  LIVEPATCH_INFO_ID_OFF,
  LIVEPATCH_INFO_METADATA_LEN,
  LIVEPATCH_INFO_METADATA_OFF,
  LIVEPATCH_INFO_NAME_LEN,
  LIVEPATCH_INFO_NAME_OFF,
  LIVEPATCH_INFO_ORDER,
  LIVEPATCH_INFO_PAGES,
  LIVEPATCH_INFO_RC,
  LIVEPATCH_INFO_RO_SIZE,
  LIVEPATCH_INFO_RO_VA,
  LIVEPATCH_INFO_RW_SIZE,
  LIVEPATCH_INFO_RW_VA,
  LIVEPATCH_INFO_SIZE,
  LIVEPATCH_INFO_SLOT,
  LIVEPATCH_INFO_STATE,
  LIVEPATCH_INFO_SYMBOLS,
  LIVEPATCH_INFO_TEXT_SIZE,
  LIVEPATCH_INFO_TEXT_VA,
  LIVEPATCH_SYMBOL_NAME_OFF,
  LIVEPATCH_SYMBOL_OWNER_LEN,
  LIVEPATCH_SYMBOL_OWNER_OFF,
  LIVEPATCH_SYMBOL_SIZE,
  LIVEPATCH_SYMBOL_VA,
  SITE_FEATURE,
  SITE_FLAGS,
  SITE_LENGTH,
  SITE_POINTER,
  SITE_SIZE,
  SITE_VA,
} from "../../abi_today";
import { site_at, site_count } from "../../hv/alternatives";
import { symbol_at } from "../../hv/symbols";
import { is_payload, Payload } from "../payload";
import { refusal_today } from "./explain_today";
import { copy_text, endbr_length, func_at } from "./funcs";
import { function_hazards } from "./hazards";
import { LP_SYMBOL } from "./names";
import { patch_length } from "./patching";
import { first_today, livepatch, next_today, pending_action } from "./record";
import { FSTATE_SAVED, fstate_at, is_applied } from "./struct_payload";

/** The payload at position `index` of the list, or none. */
export function today_number(index: u32): Payload {
  let p = first_today();
  while (is_payload(p) && index-- != 0) p = next_today(p);
  return p;
}

function linear(p: Payload, va: u64): u32 {
  return va == 0 ? 0 : <u32>(p.mem_off + <usize>(va - p.base_va));
}

/** 0, or -EINVAL when there is no such payload. */
export function write_livepatch(to: usize, index: u32): i32 {
  const p = today_number(index);
  if (!is_payload(p)) return -EINVAL;
  const lp = livepatch(p);
  memory.fill(to, 0, LIVEPATCH_INFO_SIZE);
  store<u32>(to, lp.state, LIVEPATCH_INFO_STATE);
  store<i32>(to, lp.rc, LIVEPATCH_INFO_RC);
  store<u64>(to, lp.hazards, LIVEPATCH_INFO_HAZARDS);
  store<u32>(to, <u32>lp.name_off, LIVEPATCH_INFO_NAME_OFF);
  store<u32>(to, lp.name_len, LIVEPATCH_INFO_NAME_LEN);
  store<u32>(to, linear(p, lp.meta_va), LIVEPATCH_INFO_METADATA_OFF);
  store<u32>(to, lp.meta_len, LIVEPATCH_INFO_METADATA_LEN);
  store<u32>(to, linear(p, p.build_id_va), LIVEPATCH_INFO_ID_OFF);
  store<u32>(to, p.build_id_len, LIVEPATCH_INFO_ID_LEN);
  store<u32>(to, linear(p, p.depends_va), LIVEPATCH_INFO_DEPENDS_OFF);
  store<u32>(to, p.depends_len, LIVEPATCH_INFO_DEPENDS_LEN);
  store<u64>(to, p.text_va, LIVEPATCH_INFO_TEXT_VA);
  store<u64>(to, p.text_size, LIVEPATCH_INFO_TEXT_SIZE);
  store<u64>(to, p.rw_va, LIVEPATCH_INFO_RW_VA);
  store<u64>(to, p.rw_size, LIVEPATCH_INFO_RW_SIZE);
  store<u64>(to, p.ro_va, LIVEPATCH_INFO_RO_VA);
  store<u64>(to, p.ro_size, LIVEPATCH_INFO_RO_SIZE);
  store<u32>(to, p.mem_pages, LIVEPATCH_INFO_PAGES);
  store<u32>(to, lp.nfuncs, LIVEPATCH_INFO_FUNCS);
  store<u32>(to, lp.hook_mask, LIVEPATCH_INFO_HOOKS);
  const busy = changetype<usize>(pending_action()) == changetype<usize>(p);
  const flags = (<u32>(lp.safe_to_reapply != 0)) | ((<u32>(lp.reverted != 0)) << 1);
  store<u32>(to, flags | ((<u32>busy) << 2), LIVEPATCH_INFO_FLAGS);
  store<u64>(to, lp.applied_order, LIVEPATCH_INFO_ORDER);
  store<u32>(to, p.slot, LIVEPATCH_INFO_SLOT);
  store<u32>(to, lp.nsyms, LIVEPATCH_INFO_SYMBOLS);
  return 0;
}

/** 0, or -EINVAL when there is no such function. */
export function write_function(to: usize, index: u32, i: u32): i32 {
  const p = today_number(index);
  if (!is_payload(p) || i >= livepatch(p).nfuncs) return -EINVAL;
  const f = func_at(p, i);
  const applied = is_applied(p, i);
  const now = endbr_length(p, f.old_addr);
  const offset = applied ? load<u32>(fstate_at(p, i)) : now < 0 ? 0 : <u32>now;
  memory.fill(to, 0, LIVEPATCH_FUNC_RECORD_SIZE);
  store<u64>(to, f.old_addr, LIVEPATCH_FUNC_OLD_VA);
  store<u64>(to, f.new_addr, LIVEPATCH_FUNC_NEW_VA);
  store<u32>(to, f.old_size, LIVEPATCH_FUNC_OLD_SIZE);
  store<u32>(to, f.new_size, LIVEPATCH_FUNC_NEW_SIZE);
  store<u32>(to, <u32>applied, LIVEPATCH_FUNC_APPLIED);
  store<u32>(to, offset, LIVEPATCH_FUNC_PATCH_OFFSET);
  store<u32>(to, patch_length(f, offset), LIVEPATCH_FUNC_LENGTH);
  store<i32>(to, symbol_at(f.old_addr), LIVEPATCH_FUNC_SYMBOL);
  store<u64>(to, function_hazards(p, i), LIVEPATCH_FUNC_HAZARDS);
  if (applied) store<u32>(to, <u32>(fstate_at(p, i) + FSTATE_SAVED), LIVEPATCH_FUNC_SAVED_OFF);
  store<u32>(to, f.name == 0 ? 0 : <u32>copy_text(p, f.name), LIVEPATCH_FUNC_NAME_OFF);
  store<i32>(to, f.expect_enabled ? <i32>f.expect_len : -1, LIVEPATCH_FUNC_EXPECT_LEN);
  store<u32>(to, <u32>f.expect_off, LIVEPATCH_FUNC_EXPECT_OFF);
  return 0;
}

/** Offset of the entry of `p`'s symbol table that covers `va` and begins last, 0 none. The table is
 *  in memory that hooks can write to. */
function covering_symbol(p: Payload, va: u64): usize {
  const lp = livepatch(p);
  let best: usize = 0;
  for (let i: u32 = 0; i < lp.nsyms; i++) {
    const at = lp.symtab_off + LP_SYMBOL * <usize>i;
    const start = load<u64>(at, 8);
    if (va - start >= max<u64>(<u64>load<u32>(at, 16), 1)) continue;
    if (best == 0 || start >= load<u64>(best, 8)) best = at;
  }
  return best;
}

/** The symbol of a loaded payload that covers `va`. -ENOENT: none does. */
export function write_symbol_at(to: usize, va: u64): i32 {
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    const at = covering_symbol(p, va);
    const name: usize = at == 0 ? 0 : copy_text(p, load<u64>(at));
    if (name == 0) continue;
    memory.fill(to, 0, LIVEPATCH_SYMBOL_SIZE);
    store<u64>(to, load<u64>(at, 8), LIVEPATCH_SYMBOL_VA);
    store<u32>(to, <u32>name, LIVEPATCH_SYMBOL_NAME_OFF);
    store<u32>(to, <u32>livepatch(p).name_off, LIVEPATCH_SYMBOL_OWNER_OFF);
    store<u32>(to, livepatch(p).name_len, LIVEPATCH_SYMBOL_OWNER_LEN);
    return 0;
  }
  return -ENOENT;
}

/** SITE_* of record `i` of the image's alternatives. */
export function write_site(to: usize, i: u32): i32 {
  if (i >= site_count()) return -EINVAL;
  const s = site_at(i);
  memory.fill(to, 0, SITE_SIZE);
  store<u64>(to, s.va, SITE_VA);
  store<u32>(to, s.length, SITE_LENGTH);
  store<u32>(to, s.feature, SITE_FEATURE);
  store<u32>(to, s.flags, SITE_FLAGS);
  store<u64>(to, s.pointer_va, SITE_POINTER);
  return 0;
}

export function livepatch_refusal(index: u32): usize {
  const p = today_number(index);
  return is_payload(p) ? refusal_today(p) : 0;
}
