// From a payload's virtual addresses to linear memory. A payload's frames are adjacent, so one
// subtraction translates; what has to be checked is that the bytes belong to one of its three
// regions and not to the padding between them.

import { PERM_R, PERM_W, PERM_X } from "../abi";
import { Payload } from "./payload";


@inline
function inside(va: u64, len: u64, region_va: u64, region_size: u64): bool {
  const at = va - region_va;
  return va >= region_va && at <= region_size && len <= region_size - at;
}

/** Permissions of the region that holds all of [va, va + len), 0 when none does. */
export function payload_perms(p: Payload, va: u64, len: u64): u32 {
  if (p.text_size != 0 && inside(va, len, p.text_va, p.text_size)) return PERM_R | PERM_X;
  if (p.rw_size != 0 && inside(va, len, p.rw_va, p.rw_size)) return PERM_R | PERM_W;
  if (p.ro_size != 0 && inside(va, len, p.ro_va, p.ro_size)) return PERM_R;
  return 0;
}

/** Linear offset of [va, va + len) in one region of the payload, or 0. */
export function payload_off(p: Payload, va: u64, len: u64): usize {
  return payload_perms(p, va, len) == 0 ? 0 : p.mem_off + <usize>(va - p.base_va);
}

/** Bytes from `va` to the end of its region, 0 outside. */
export function payload_room(p: Payload, va: u64): u64 {
  if (p.text_size != 0 && va - p.text_va < p.text_size) return p.text_size - (va - p.text_va);
  if (p.rw_size != 0 && va - p.rw_va < p.rw_size) return p.rw_size - (va - p.rw_va);
  if (p.ro_size != 0 && va - p.ro_va < p.ro_size) return p.ro_size - (va - p.ro_va);
  return 0;
}

/** Result of payload_string: no such memory, or no NUL within the limit. */
export const STRING_OUTSIDE: i32 = -1;
export const STRING_TOO_LONG: i32 = -2;

/** Length of the NUL-terminated string at `va`, of at most `limit` characters. */
export function payload_string(p: Payload, va: u64, limit: u32): i32 {
  const room = payload_room(p, va);
  if (room == 0) return STRING_OUTSIDE;
  const off = p.mem_off + <usize>(va - p.base_va);
  const most = <u32>min<u64>(room, <u64>limit + 1);
  for (let i: u32 = 0; i < most; i++) {
    if (load<u8>(off + i) == 0) return <i32>i;
  }
  return room <= <u64>limit ? STRING_OUTSIDE : STRING_TOO_LONG;
}
