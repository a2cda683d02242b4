// The payloads of a machine from a file (hv/audit.ts): that their records, lists and frames are
// what uploads and actions could have left. The bytes of a payload itself may be anything: whoever
// reads its structures reads them with bounds.

import {
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_CHECK,
  XSPLICE_ACTION_REVERT,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_LOADED,
  XSPLICE_STATUS_PROGRESS,
  XSPLICE_STATUS_REVERTED,
} from "../abi";
import { broken } from "../hv/broken";
import { are_pages } from "../hv/claims";
import { OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { header } from "../hv/header";
import { TASKLET_LIVEPATCH, TASKLET_XSPLICE, WORK_LIVEPATCH, WORK_XSPLICE } from "../hv/hooks";
import { PAYLOADS_OFF, PAYLOAD_SIZE } from "../hv/layout";
import { NR_PAYLOADS, PAGE_SHIFT, PAGE_SIZE } from "../hv/param";
import { is_scheduled } from "../hv/tasklet";
import { PART_KEYS, PART_PAYLOADS, PART_PAYLOAD_LIST, PART_QUESTIONS, PART_WORK } from "../reasons";
import { has_record, is_inside, is_list } from "./audit_parts";
import { audit_splices } from "./audit_splices";
import { audit_keystore } from "./keystore";
import { audit_today, is_sound_today } from "./livepatch/audit_today";
import { pending_slot } from "./livepatch/record";
import {
  FORMAT_RFC,
  FORMAT_TODAY,
  is_live,
  LISTED_TODAY,
  Payload,
  payload_at,
  PAYLOAD_FREE,
  PAYLOAD_LISTED,
} from "./payload";
import { PayloadSymbol, payload_symbol, PAYLOAD_SYMBOL_SIZE } from "./payload_symbols";
import { audit_questions } from "./signature_request";
import { is_zero } from "./structs";
import { AT_PATCH_POINT, SCHEDULED, WAITING } from "./work";

/** Error numbers are below this. */
const ERRNO_END: i32 = 4096;
/** Orders of application are counted from 1. */
const ORDER_MAX: u64 = 1 << 62;


@inline
function is_state(status: i32): bool {
  return (
    status == XSPLICE_STATUS_LOADED ||
    status == XSPLICE_STATUS_CHECKED ||
    status == XSPLICE_STATUS_APPLIED ||
    status == XSPLICE_STATUS_REVERTED
  );
}

/** The action under way has somebody who will do it (work.ts). */
function is_under_way(p: Payload): bool {
  const h = header();
  const scheduled = is_scheduled(TASKLET_XSPLICE, p.slot);
  const there = h.work_id == WORK_XSPLICE && h.work_data == p.slot;
  if (scheduled != (p.pending == SCHEDULED) || there != (p.pending == AT_PATCH_POINT)) return false;
  if (p.pending == 0) return p.status != XSPLICE_STATUS_PROGRESS;
  if (p.pending > WAITING || p.status != XSPLICE_STATUS_PROGRESS) return false;
  if (p.pending == SCHEDULED && p.cmd == XSPLICE_ACTION_CHECK) return true;
  return p.cmd == XSPLICE_ACTION_APPLY || p.cmd == XSPLICE_ACTION_REVERT;
}

/** No two were applied at the same moment. */
function is_ordered(p: Payload): bool {
  if (!is_live(p)) return true;
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    const q = payload_at(slot);
    if (slot != p.slot && q.used == PAYLOAD_LISTED && q.apply_order == p.apply_order) return false;
  }
  return p.apply_order <= ORDER_MAX;
}

/** Its code is in place exactly when its state says so. */
function is_in_state(p: Payload): bool {
  const listed = is_state(p.status) || p.status == XSPLICE_STATUS_PROGRESS;
  if (!listed && (p.status >= 0 || p.status <= -ERRNO_END)) return false;
  const behind = is_state(p.status) ? p.status : p.old_status;
  if (!is_state(behind) || p.cmd > <u32>XSPLICE_ACTION_APPLY) return false;
  const applied = behind == XSPLICE_STATUS_APPLIED;
  if (is_live(p) != applied || !is_ordered(p)) return false;
  // What goes on with a payload depends on whether it is live: so must the action.
  if (p.status == XSPLICE_STATUS_PROGRESS) return applied == (p.cmd == XSPLICE_ACTION_REVERT);
  return p.status > 0 || applied == (p.cmd == XSPLICE_ACTION_REVERT);
}

/** Three regions of whole pages, one behind the other, in adjacent frames (place.ts). */
function has_memory(p: Payload): bool {
  const end_va = p.base_va + ((<u64>p.mem_pages) << PAGE_SHIFT);
  if ((p.base_va & (PAGE_SIZE - 1)) != 0 || end_va < p.base_va) return false;
  const text_end = p.text_va + ((<u64>pages_for(p.text_size)) << PAGE_SHIFT);
  const rw_end = p.rw_va + ((<u64>pages_for(p.rw_size)) << PAGE_SHIFT);
  const ro_end = p.ro_va + ((<u64>pages_for(p.ro_size)) << PAGE_SHIFT);
  const bytes = (<u64>p.mem_pages) << PAGE_SHIFT;
  if (p.text_size > bytes || p.rw_size > bytes || p.ro_size > bytes) return false;
  if (p.text_va != p.base_va || p.rw_va != text_end || p.ro_va != rw_end) return false;
  if (ro_end != end_va) return false;
  return are_pages(<u64>p.mem_off, p.mem_pages, OWNER_PAYLOAD, -1, p.base_va);
}

function is_symbol(p: Payload, s: PayloadSymbol): bool {
  const end = p.symbols_off + ((<usize>p.symbols_pages) << PAGE_SHIFT);
  if (s.name_off < p.symbols_off || s.name_off >= end) return false;
  for (let at = s.name_off; at < end; at++) if (load<u8>(at) == 0) return true;
  return false;
}

function has_symbols(p: Payload): bool {
  if (!has_record(p.symbols_off, p.symbols_pages)) return false;
  const bytes = <u64>p.symbols_count * <u64>PAYLOAD_SYMBOL_SIZE;
  if (bytes > (<u64>p.symbols_pages) << PAGE_SHIFT) return false;
  for (let i: u32 = 0; i < p.symbols_count; i++) {
    if (!is_symbol(p, payload_symbol(p, i))) return false;
  }
  return true;
}

/** What a payload was built on is a payload, and so on, and it ends. */
function has_base(p: Payload): bool {
  let base = p.base_slot;
  for (let n: u32 = 0; base != 0; n++) {
    if (base > NR_PAYLOADS || n == NR_PAYLOADS) return false;
    base = payload_at(base - 1).base_slot;
  }
  return p.superseded_by <= NR_PAYLOADS;
}

function is_sound(p: Payload): bool {
  if (!is_in_state(p) || !is_under_way(p) || !has_memory(p) || !has_base(p)) return false;
  if (!is_inside(p, p.extable_va, p.extable_end_va - p.extable_va)) return false;
  if (!is_inside(p, p.build_id_va, p.build_id_len)) return false;
  if (!is_inside(p, p.depends_va, p.depends_len)) return false;
  if (!has_record(p.initial_off, p.initial_pages)) return false;
  return p.initial_pages <= pages_for(p.rw_size) && has_symbols(p);
}

/** The one list entry that has nobody before it. */
function audit_list(): bool {
  let first: u32 = 0;
  let count: u32 = 0;
  let last: u32 = 0;
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    const p = payload_at(slot);
    if (p.used != PAYLOAD_LISTED) continue;
    if (p.previous == 0) first = slot + 1;
    if (p.next == 0) last = slot + 1;
    count++;
  }
  const sound = count == header().payload_count && is_list(first, last, count, PAYLOAD_LISTED);
  return sound || broken(PART_PAYLOAD_LIST, 0);
}

function audit_payload(p: Payload, slot: u32): bool {
  if (p.used == PAYLOAD_FREE) {
    const off = PAYLOADS_OFF + PAYLOAD_SIZE * <usize>slot;
    return is_zero(off, PAYLOAD_SIZE) || broken(PART_PAYLOADS, slot);
  }
  const today = p.used == LISTED_TODAY;
  if (p.slot != slot || (!today && p.used != PAYLOAD_LISTED)) {
    return broken(PART_PAYLOADS, slot);
  }
  if (p.format != (today ? FORMAT_TODAY : FORMAT_RFC)) return broken(PART_PAYLOADS, slot);
  const sound = today ? is_sound_today(p) : is_sound(p);
  if (!sound) return broken(PART_PAYLOADS, slot);
  return today || audit_splices(p);
}

/** Work that is pending belongs to a payload of its own format. */
function audit_work(): bool {
  const h = header();
  const slot = h.work_data;
  if (h.work_id == WORK_XSPLICE && payload_at(slot).used != PAYLOAD_LISTED) {
    return broken(PART_WORK, slot);
  }
  if (h.work_id == WORK_LIVEPATCH && pending_slot() != slot + 1) {
    return broken(PART_WORK, slot);
  }
  for (let i: u32 = 0; i < NR_PAYLOADS; i++) {
    const used = payload_at(i).used;
    const wrong =
      (used != PAYLOAD_LISTED && is_scheduled(TASKLET_XSPLICE, i)) ||
      (used != LISTED_TODAY && is_scheduled(TASKLET_LIVEPATCH, i));
    if (wrong) return broken(PART_WORK, i);
  }
  return true;
}

/** After audit_machine(), with its claims. False: the refusal says what cannot be. */
export function audit_payloads(): bool {
  if (!audit_keystore()) return broken(PART_KEYS, 0);
  if (!audit_questions()) return broken(PART_QUESTIONS, 0);
  if (!audit_list() || !audit_today()) return false;
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    if (!audit_payload(payload_at(slot), slot)) return false;
  }
  return audit_work();
}
