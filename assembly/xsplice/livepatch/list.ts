// LIST of today's door (spec/livepatch-today 7.3): parallel arrays of status, lengths and metadata
// lengths; names and metadata one behind the other without gaps. The totals in an answer are of
// this call.

import { E2BIG, EFAULT, EINVAL } from "../../abi";
import {
  LIVEPATCH_LIST_IDX,
  LIVEPATCH_LIST_LEN,
  LIVEPATCH_LIST_MAX,
  LIVEPATCH_LIST_METADATA,
  LIVEPATCH_LIST_METADATA_LEN,
  LIVEPATCH_LIST_METADATA_TOTAL,
  LIVEPATCH_LIST_NAME,
  LIVEPATCH_LIST_NAME_TOTAL,
  LIVEPATCH_LIST_NR,
  LIVEPATCH_LIST_PAD,
  LIVEPATCH_LIST_STATUS,
  LIVEPATCH_LIST_VERSION,
} from "../../abi_today";
import { copy_to_va, is_hypervisor_va } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import {
  PLACE_SYSCTL,
  REASON_ARG_FAULT,
  REASON_LIST_BATCH,
  REASON_LIST_HANDLE,
  REASON_LIST_INDEX,
  REASON_LP_PAD,
} from "../../reasons";
import { is_payload, Payload } from "../payload";
import { first_today, livepatch, next_today, payloads_count, payloads_version } from "./record";

const WORD = memory.data(8);

function is_guest(va: u64, len: u64): bool {
  if (len == 0) return true;
  return va + (len - 1) >= va && !is_hypervisor_va(va) && !is_hypervisor_va(va + (len - 1));
}

function refuse_field(errno: i32, reason: u32, field: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_SYSCTL, field);
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

function bad_handles(s_off: usize, nr: u64): i32 {
  if (!is_guest(load<u64>(s_off, LIVEPATCH_LIST_STATUS), nr << 3)) return LIVEPATCH_LIST_STATUS;
  if (!is_guest(load<u64>(s_off, LIVEPATCH_LIST_LEN), nr << 2)) return LIVEPATCH_LIST_LEN;
  const metadata_len = load<u64>(s_off, LIVEPATCH_LIST_METADATA_LEN);
  return is_guest(metadata_len, nr << 2) ? 0 : LIVEPATCH_LIST_METADATA_LEN;
}

function check(s_off: usize): i32 {
  const nr = load<u32>(s_off, LIVEPATCH_LIST_NR);
  if (nr > <u32>LIVEPATCH_LIST_MAX) {
    return refuse_field(E2BIG, REASON_LIST_BATCH, LIVEPATCH_LIST_NR, nr, LIVEPATCH_LIST_MAX);
  }
  const pad = load<u32>(s_off, LIVEPATCH_LIST_PAD);
  if (pad != 0) return refuse_field(EINVAL, REASON_LP_PAD, LIVEPATCH_LIST_PAD, pad, 0);
  const bad = bad_handles(s_off, nr);
  if (bad != 0) return refuse_field(EINVAL, REASON_LIST_HANDLE, bad, nr, 0);
  const idx = load<u32>(s_off, LIVEPATCH_LIST_IDX);
  const count = payloads_count();
  if (count != 0 && idx >= count) {
    return refuse_field(EINVAL, REASON_LIST_INDEX, LIVEPATCH_LIST_IDX, idx, count);
  }
  return 0;
}

/** nr 0: how much there is. */
function measure(s_off: usize): void {
  let names: u32 = 0;
  let metadata: u32 = 0;
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    names += livepatch(p).name_len + 1;
    metadata += livepatch(p).meta_len;
  }
  store<u32>(s_off, payloads_count(), LIVEPATCH_LIST_NR);
  store<u32>(s_off, names, LIVEPATCH_LIST_NAME_TOTAL);
  store<u32>(s_off, metadata, LIVEPATCH_LIST_METADATA_TOTAL);
}

function put_word(va: u64, value: u32): bool {
  store<u32>(WORD, value);
  return copy_to_va(va, WORD, 4) == 0;
}

/** Writes entry k; `names` and `metadata` bytes went before it. 0, or the field whose memory
 *  failed. */
function put(s_off: usize, p: Payload, k: u64, names: u32, metadata: u32): u32 {
  const lp = livepatch(p);
  store<u32>(WORD, lp.state);
  store<i32>(WORD, lp.rc, 4);
  const status = load<u64>(s_off, LIVEPATCH_LIST_STATUS);
  if (copy_to_va(status + (k << 3), WORD, 8) != 0) return LIVEPATCH_LIST_STATUS;
  const name_va = load<u64>(s_off, LIVEPATCH_LIST_NAME) + names;
  if (copy_to_va(name_va, lp.name_off, lp.name_len + 1) != 0) return LIVEPATCH_LIST_NAME;
  if (!put_word(load<u64>(s_off, LIVEPATCH_LIST_LEN) + (k << 2), lp.name_len + 1)) {
    return LIVEPATCH_LIST_LEN;
  }
  const to = load<u64>(s_off, LIVEPATCH_LIST_METADATA_LEN) + (k << 2);
  if (!put_word(to, lp.meta_len)) return LIVEPATCH_LIST_METADATA_LEN;
  if (lp.meta_len == 0) return 0;
  const from = p.mem_off + <usize>(lp.meta_va - p.base_va);
  const meta_va = load<u64>(s_off, LIVEPATCH_LIST_METADATA) + metadata;
  return copy_to_va(meta_va, from, lp.meta_len) == 0 ? 0 : LIVEPATCH_LIST_METADATA;
}

/** Names and metadata go where the guest says; the ranges are looked at entry by entry. */
function is_room(s_off: usize, p: Payload, names: u32, metadata: u32): bool {
  const lp = livepatch(p);
  const name_va = load<u64>(s_off, LIVEPATCH_LIST_NAME) + names;
  const meta_va = load<u64>(s_off, LIVEPATCH_LIST_METADATA) + metadata;
  return is_guest(name_va, lp.name_len + 1) && is_guest(meta_va, lp.meta_len);
}

export function list_today(s_off: usize): i32 {
  const rc = check(s_off);
  if (rc != 0) return rc;
  const nr = load<u32>(s_off, LIVEPATCH_LIST_NR);
  const idx = load<u32>(s_off, LIVEPATCH_LIST_IDX);
  store<u32>(s_off, payloads_version(), LIVEPATCH_LIST_VERSION);
  if (nr == 0) {
    measure(s_off);
    return 0;
  }
  let at: u32 = 0;
  let done: u32 = 0;
  let names: u32 = 0;
  let metadata: u32 = 0;
  for (let p = first_today(); is_payload(p) && done < nr; p = next_today(p)) {
    if (at++ < idx) continue;
    if (!is_room(s_off, p, names, metadata)) {
      return refuse_field(EINVAL, REASON_LIST_HANDLE, LIVEPATCH_LIST_NAME, done, nr);
    }
    const bad = put(s_off, p, done, names, metadata);
    if (bad != 0) return refuse_field(EFAULT, REASON_ARG_FAULT, bad, done, nr);
    names += livepatch(p).name_len + 1;
    metadata += livepatch(p).meta_len;
    done++;
  }
  const count = payloads_count();
  store<u32>(s_off, count - min<u32>(count, idx + done), LIVEPATCH_LIST_NR);
  store<u32>(s_off, names, LIVEPATCH_LIST_NAME_TOTAL);
  store<u32>(s_off, metadata, LIVEPATCH_LIST_METADATA_TOTAL);
  return <i32>done;
}
