// XEN_SYSCTL_XSPLICE_UPLOAD (RFC R95-R102, R226): verifies a payload and lists it, applies nothing.
// The order in which things are refused is part of the interface (R97): id, size, handle,
// duplicate, memory, copy, then the payload itself. The guest's bytes are read once, into staging
// frames; what is judged is what is loaded. The record is linked last: before that nobody sees it.

import {
  EEXIST,
  EFAULT,
  EINVAL,
  ENOMEM,
  PERM_R,
  XEN_XSPLICE_ID_SIZE,
  XSPLICE_OP_U,
  XSPLICE_PAYLOAD_MAX,
  XSPLICE_STATUS_LOADED,
  XSPLICE_UPLOAD_ID,
  XSPLICE_UPLOAD_LEN,
  XSPLICE_UPLOAD_PAYLOAD,
  SYSCTL_U,
} from "../abi";
import { print, print_byte, print_dec, print_hex } from "../hv/console";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../hv/frames";
import { GUARD_UNIQUE, is_out } from "../hv/guards";
import { copy_from_va, is_hypervisor_va, is_mapped } from "../hv/mem";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import {
  PLACE_SYSCTL,
  REASON_ARG_FAULT,
  REASON_ID_EMPTY,
  REASON_ID_EXISTS,
  REASON_NO_MEMORY,
  REASON_PAYLOAD_EXISTS,
  REASON_SIZE_LIMIT,
  REASON_SIZE_ZERO,
  STEP_UPLOAD,
} from "../reasons";
import { begin_step, forget_refusal, keep_refusal_of } from "./explain";
import { load_payload } from "./load";
import {
  claim_payload,
  copy_id,
  find_payload,
  first_payload,
  is_payload,
  link_payload,
  next_payload,
  Payload,
  release_payload,
} from "./payload";

/** Where a field of the sub-operation stands in struct xen_sysctl. */
@inline
export function sysctl_field(field: u32): u32 {
  return SYSCTL_U + XSPLICE_OP_U + field;
}

/** -EINVAL id-empty, or 0. */
export function check_id(id_off: usize): i32 {
  if (load<u8>(id_off) != 0) return 0;
  return refuse_at(EINVAL, REASON_ID_EMPTY, PLACE_SYSCTL, sysctl_field(0));
}

/** True when a guest handle names guest memory only: a guest must not make the hypervisor read
 *  or write the hypervisor's own half. */
export function is_guest_range(va: u64, len: u64): bool {
  if (len == 0) return true;
  return va + (len - 1) >= va && !is_hypervisor_va(va) && !is_hypervisor_va(va + (len - 1));
}

export function bad_handle(va: u64, field: u32): i32 {
  const rc = refuse_at(EFAULT, REASON_ARG_FAULT, PLACE_SYSCTL, sysctl_field(field));
  refusal().va = va;
  return rc;
}

function check_request(u_off: usize): i32 {
  const rc = check_id(u_off + XSPLICE_UPLOAD_ID);
  if (rc != 0) return rc;
  const size = load<u64>(u_off, XSPLICE_UPLOAD_LEN);
  const place = sysctl_field(XSPLICE_UPLOAD_LEN);
  if (size == 0) return refuse_at(EINVAL, REASON_SIZE_ZERO, PLACE_SYSCTL, place);
  if (size > <u64>XSPLICE_PAYLOAD_MAX) {
    refusal().value = size;
    refusal().limit = XSPLICE_PAYLOAD_MAX;
    return refuse_at(EINVAL, REASON_SIZE_LIMIT, PLACE_SYSCTL, place);
  }
  const handle = load<u64>(u_off, XSPLICE_UPLOAD_PAYLOAD);
  if (!is_guest_range(handle, size) || !is_mapped(handle, size, PERM_R)) {
    return bad_handle(handle, XSPLICE_UPLOAD_PAYLOAD);
  }
  if (!is_payload(find_payload(u_off + XSPLICE_UPLOAD_ID)) || is_out(GUARD_UNIQUE)) return 0;
  copy_id(refusal().other_off, u_off + XSPLICE_UPLOAD_ID);
  return refuse(EEXIST, REASON_ID_EXISTS);
}

/** Multiplies like the FNV hashes, eight bytes at a time, in two lanes with different primes. */
function hash_file(p: Payload, off: usize, size: usize): void {
  let lo: u64 = 0xcbf29ce484222325 ^ (<u64>size);
  let hi: u64 = 0x9e3779b97f4a7c15;
  let i: usize = 0;
  for (; i + 8 <= size; i += 8) {
    const word = load<u64>(off + i);
    lo = rotl<u64>((lo ^ word) * 0x9ddfea08eb382d69, 29);
    hi = rotl<u64>((hi + word) * 0xc2b2ae3d27d4eb4f, 31);
  }
  for (; i < size; i++) {
    lo = (lo ^ (<u64>load<u8>(off + i))) * 0x100000001b3;
    hi = rotl<u64>(hi ^ (<u64>load<u8>(off + i)), 11) * 0xc2b2ae3d27d4eb4f;
  }
  p.hash_lo = lo;
  p.hash_hi = hi;
  p.raw_size = size;
}

/** The same bytes are loaded already, under another id (a946b8de14). */
function check_twin(p: Payload): i32 {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (q.hash_lo != p.hash_lo || q.hash_hi != p.hash_hi || q.raw_size != p.raw_size) continue;
    copy_id(refusal().other_off, q.id_off);
    return refuse(EEXIST, REASON_PAYLOAD_EXISTS);
  }
  return 0;
}

/** R102. */
function log_upload(raw_off: usize, size: u64): void {
  print("xsplice_upload: size ");
  print_dec(size);
  print(" ");
  print_hex(<u64>raw_off, 8);
  print(" [");
  print_hex(load<u8>(raw_off), 2);
  print_byte(0x20);
  print_hex(size > 1 ? load<u8>(raw_off, 1) : 0, 2);
  print(" ..]\n");
}

/** Copies the guest's bytes to staging and loads them into `p`, which stays unlisted. */
function stage_and_load(p: Payload, handle: u64, size: u64, domain: i32): i32 {
  const pages = pages_for(size);
  const raw_off = alloc_frames(pages, OWNER_STAGING);
  if (raw_off == 0) {
    refusal().value = size;
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  let rc = 0;
  if (copy_from_va(raw_off, handle, size) != 0) rc = bad_handle(handle, XSPLICE_UPLOAD_PAYLOAD);
  if (rc == 0) {
    log_upload(raw_off, size);
    hash_file(p, raw_off, <usize>size);
    rc = check_twin(p);
  }
  if (rc == 0) rc = load_payload(raw_off, <usize>size, p, domain);
  free_frames(raw_off, pages);
  return rc;
}

/** Answers UPLOAD. `u_off`: the operation's own copy of struct xen_sysctl_xsplice_upload. */
export function upload(u_off: usize, domain: i32): i32 {
  begin_step(STEP_UPLOAD);
  let rc = check_request(u_off);
  if (rc == 0) {
    const p = claim_payload();
    if (!is_payload(p)) rc = refuse(ENOMEM, REASON_NO_MEMORY);
    else {
      copy_id(p.id_off, u_off + XSPLICE_UPLOAD_ID);
      p.domain = domain;
      const handle = load<u64>(u_off, XSPLICE_UPLOAD_PAYLOAD);
      rc = stage_and_load(p, handle, load<u64>(u_off, XSPLICE_UPLOAD_LEN), domain);
      if (rc == 0) {
        p.status = XSPLICE_STATUS_LOADED;
        link_payload(p);
        forget_refusal(p);
        return 0;
      }
      release_payload(p);
    }
  }
  if (load<u8>(u_off + XSPLICE_UPLOAD_ID) != 0) keep_refusal_of(u_off + XSPLICE_UPLOAD_ID);
  return rc;
}
if (XEN_XSPLICE_ID_SIZE != XSPLICE_UPLOAD_LEN) ERROR("size stands right behind the id");
