// Payloads of today's format in a machine from a file (../audit.ts). Their private memory and their
// pages may hold anything: hooks write there. What is asked is where it all lies.

import { LIVEPATCH_ACTION_REPLACE, XEN_LIVEPATCH_NAME_SIZE } from "../../abi_today";
import { broken } from "../../hv/broken";
import { are_pages } from "../../hv/claims";
import { OWNER_PAYLOAD } from "../../hv/frames";
import { header } from "../../hv/header";
import { TASKLET_LIVEPATCH, WORK_LIVEPATCH } from "../../hv/hooks";
import { NR_PAYLOADS, PAGE_SHIFT, PAGE_SIZE } from "../../hv/param";
import { is_scheduled } from "../../hv/tasklet";
import { PART_PAYLOAD_LIST, PART_WORK } from "../../reasons";
import { is_inside, is_list } from "../audit_parts";
import { is_payload, LISTED_TODAY, Payload, payload_at } from "../payload";
import { FUNC_SIZE } from "./funcs";
import {
  first_slot,
  last_slot,
  livepatch,
  NR_BUG_FRAMES,
  NR_HOOKS,
  payloads_count,
  pending_action,
  pending_slot,
} from "./record";
import { is_private } from "./struct_payload";

/** Orders of application are counted from 1. */
const ORDER_MAX: u64 = 1 << 62;

/** Text, data, read-only data, in adjacent frames. */
function has_memory(p: Payload): bool {
  const bytes = (<u64>p.mem_pages) << PAGE_SHIFT;
  if ((p.base_va & (PAGE_SIZE - 1)) != 0 || p.base_va + bytes < p.base_va) return false;
  if (!is_inside(p, p.text_va, p.text_size) || !is_inside(p, p.rw_va, p.rw_size)) return false;
  if (!is_inside(p, p.ro_va, p.ro_size)) return false;
  return are_pages(<u64>p.mem_off, p.mem_pages, OWNER_PAYLOAD, -1, p.base_va);
}

function has_hooks(p: Payload): bool {
  const lp = livepatch(p);
  if (lp.hook_mask >> NR_HOOKS != 0) return false;
  for (let kind: u32 = 0; kind < NR_HOOKS; kind++) {
    const entries = lp.hook_entries(kind);
    if (!is_inside(p, lp.hook_va(kind), (<u64>entries) << 3)) return false;
    if (((lp.hook_mask >> kind) & 1) != 0 && entries == 0) return false;
  }
  return true;
}

function has_functions(p: Payload): bool {
  const lp = livepatch(p);
  if (lp.blank_func > lp.nfuncs) return false;
  if (!is_inside(p, lp.funcs_va, <u64>lp.nfuncs * <u64>FUNC_SIZE)) return false;
  return lp.nfuncs == 0 || lp.funcs_off == p.mem_off + <usize>(lp.funcs_va - p.base_va);
}

export function is_sound_today(p: Payload): bool {
  const lp = livepatch(p);
  // Hooks may write state and result, and are believed.
  if (lp.cmd > <u32>LIVEPATCH_ACTION_REPLACE || lp.applied_order > ORDER_MAX) return false;
  if (lp.name_len >= <u32>XEN_LIVEPATCH_NAME_SIZE) return false;
  if (!has_memory(p) || !has_functions(p) || !has_hooks(p) || !is_private(p)) return false;
  if (!is_inside(p, p.build_id_va, p.build_id_len)) return false;
  if (!is_inside(p, p.depends_va, p.depends_len)) return false;
  if (!is_inside(p, lp.xen_depends_va, lp.xen_depends_len)) return false;
  if (!is_inside(p, p.extable_va, p.extable_end_va - p.extable_va)) return false;
  for (let n: u32 = 0; n < NR_BUG_FRAMES; n++) {
    if (!is_inside(p, lp.bugs_va(n), (<u64>lp.bugs_count(n)) << 3)) return false;
  }
  return is_inside(p, lp.meta_va, lp.meta_len);
}

/** The list, and the one action that may be under way. */
export function audit_today(): bool {
  if (!is_list(first_slot(), last_slot(), payloads_count(), LISTED_TODAY)) {
    return broken(PART_PAYLOAD_LIST, 1);
  }
  for (let slot: u32 = 0, n: u32 = 0; slot < NR_PAYLOADS; slot++) {
    if (payload_at(slot).used == LISTED_TODAY && ++n > payloads_count()) {
      return broken(PART_PAYLOAD_LIST, 1);
    }
  }
  if (pending_slot() > NR_PAYLOADS) return broken(PART_WORK, 0);
  const p = pending_action();
  if (!is_payload(p)) return true;
  const h = header();
  const asked = is_scheduled(TASKLET_LIVEPATCH, p.slot);
  const there = h.work_id == WORK_LIVEPATCH && h.work_data == p.slot;
  return (p.used == LISTED_TODAY && asked != there) || broken(PART_WORK, p.slot);
}
