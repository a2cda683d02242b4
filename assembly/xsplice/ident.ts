// Is the payload for this hypervisor? (R24, R200, R201, K6). Asked first of all, before any address
// of the payload is believed (fa49f4be41). `id` may be, in this order: the build-id's bytes, its
// hexadecimal text, the version string; with enforced signatures only the first two count. A
// payload that was built on top of another one carries that payload's own build-id instead, and
// needs it applied (R198).

import {
  EFAULT,
  EINVAL,
  ENODATA,
  EXDEV,
  OPTION_REQUIRE_SIGNATURE,
  XSPLICE_SIZE,
  XSPLICE_STATUS_APPLIED,
} from "../abi";
import { BUILD_ID_OFF, header, VERSION_MAX, VERSION_OFF } from "../hv/header";
import { refusal, refusal_name, refuse_at } from "../hv/refusal";
import { name_length } from "../hv/text";
import {
  PLACE_XSPLICE,
  REASON_BUILD_ID,
  REASON_DEPENDENCY,
  REASON_NO_BUILD_ID,
  REASON_PAYLOAD_POINTER,
} from "../reasons";
import { payload_off, payload_string } from "./memory";
import { copy_id, first_payload, is_payload, next_payload, Payload } from "./payload";
import { XspliceRoot } from "./structs";

/** Payload.matched_id */
export const ID_MATCH_BYTES: u32 = 1;
export const ID_MATCH_HEX: u32 = 2;
export const ID_MATCH_VERSION: u32 = 3;
export const ID_MATCH_PAYLOAD: u32 = 4; // of the payload that it stands on

const ID_MAX: u32 = 255;

function nibble(c: u8): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** `text` of `len` characters is the hexadecimal form of `bytes`. */
function is_hex_of(text_off: usize, len: u32, bytes_off: usize, count: u32): bool {
  if (count == 0 || len != count * 2) return false;
  for (let i: u32 = 0; i < count; i++) {
    const high = nibble(load<u8>(text_off + (i << 1)));
    const low = nibble(load<u8>(text_off + (i << 1), 1));
    if (high < 0 || low < 0 || <u8>((high << 4) | low) != load<u8>(bytes_off + i)) return false;
  }
  return true;
}


@inline
function is_same(off: usize, len: u32, bytes_off: usize, count: u32): bool {
  return count != 0 && len == count && memory.compare(off, bytes_off, count) == 0;
}

/** How `id` names the build-id `bytes`, 0 not at all. */
function match_bytes(id_off: usize, len: u32, bytes_off: usize, count: u32): u32 {
  if (is_same(id_off, len, bytes_off, count)) return ID_MATCH_BYTES;
  return is_hex_of(id_off, len, bytes_off, count) ? ID_MATCH_HEX : 0;
}

/** The loaded payload whose own build-id is `id`, or none. */
function find_base(p: Payload, id_off: usize, len: u32): Payload {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (changetype<usize>(q) == changetype<usize>(p) || q.build_id_len == 0) continue;
    const own = payload_off(q, q.build_id_va, q.build_id_len);
    if (own != 0 && match_bytes(id_off, len, own, q.build_id_len) != 0) return q;
  }
  return changetype<Payload>(0);
}

function refuse_pointer(va: u64): i32 {
  const rc = refuse_at(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE, 0);
  refusal().va = va;
  return rc;
}

function refuse_build(id_off: usize, len: u32): i32 {
  const h = header();
  refusal_name(id_off, len);
  if (h.build_id_len == 0) return refuse_at(ENODATA, REASON_NO_BUILD_ID, PLACE_XSPLICE, 0);
  const rc = refuse_at(EINVAL, REASON_BUILD_ID, PLACE_XSPLICE, 0);
  const n = min<u32>(h.build_id_len, 32);
  memory.copy(refusal().expected_off, BUILD_ID_OFF, n);
  memory.copy(refusal().found_off, id_off, min<u32>(len, n));
  refusal().bytes_count = n;
  return rc;
}

/** CHECK: 0 with p.matched_id set, or -EINVAL build-id, -ENODATA no-build-id, -EXDEV dependency. */
export function check_ident(p: Payload): i32 {
  const root_off = payload_off(p, p.root_va, XSPLICE_SIZE);
  if (root_off == 0) return refuse_pointer(p.root_va);
  const root = changetype<XspliceRoot>(root_off);
  const text = root.id_size == 0 ? payload_string(p, root.id, ID_MAX) : <i32>root.id_size;
  const id_off: usize = text < 0 ? 0 : payload_off(p, root.id, <u64>text);
  if (id_off == 0) return refuse_pointer(root.id);
  const len = <u32>text;
  const h = header();
  p.matched_id = match_bytes(id_off, len, BUILD_ID_OFF, h.build_id_len);
  p.base_slot = 0;
  if (p.matched_id != 0) return 0;
  const enforced = (h.options & OPTION_REQUIRE_SIGNATURE) != 0;
  const version_len = <u32>name_length(VERSION_OFF, VERSION_MAX);
  if (!enforced && is_same(id_off, len, VERSION_OFF, version_len)) {
    p.matched_id = ID_MATCH_VERSION;
    return 0;
  }
  const base = find_base(p, id_off, len);
  if (!is_payload(base)) return refuse_build(id_off, len);
  if (base.status != XSPLICE_STATUS_APPLIED) {
    copy_id(refusal().other_off, base.id_off);
    return refuse_at(EXDEV, REASON_DEPENDENCY, PLACE_XSPLICE, 0);
  }
  p.matched_id = ID_MATCH_PAYLOAD;
  p.base_slot = base.slot + 1;
  return 0;
}
