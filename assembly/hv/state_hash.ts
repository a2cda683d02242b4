// A hash of the state that a failed operation must leave unchanged (requirements.md A14): image,
// page tables, payload area, payload records, and which frame belongs to whom. Not counted:
// console, refusals, clock, counters, CPUs and what is below their stack pointers, the guests' own
// memory, transient buffers, everything derived. Free frames are zero and add nothing.

import { OWNER_CURRENT, OWNER_DOMAIN, OWNER_FREE, OWNER_STACK, OWNER_STAGING } from "./frames";
import { hash_bytes, mix, PRIME_1 } from "./hash";
import { header } from "./header";
import {
  EXTABLES_OFF,
  FRAMES_OFF,
  NR_FRAMES,
  OWNERS_OFF,
  PAYLOADS_OFF,
  PAYLOAD_SIZE,
} from "./layout";
import { NR_PAYLOADS, PAGE_SHIFT, PAGE_SIZE } from "./param";


@inline
function has_counted_contents(owner: u8): bool {
  return owner != OWNER_STACK && owner != OWNER_DOMAIN && owner != OWNER_CURRENT;
}

function hash_frames(hash: u64): u64 {
  for (let i: usize = 0; i < NR_FRAMES; i++) {
    const owner = load<u8>(OWNERS_OFF + i);
    if (owner == OWNER_FREE || owner == OWNER_STAGING) continue;
    const seed = ((<u64>i) << 8) | (<u64>owner);
    hash = mix(hash, seed);
    if (!has_counted_contents(owner)) continue;
    hash = mix(hash, hash_bytes(FRAMES_OFF + (i << PAGE_SHIFT), PAGE_SIZE, seed));
  }
  return hash;
}

export function state_hash(): u64 {
  const h = header();
  let hash = mix(PRIME_1, h.payload_count);
  hash = mix(hash, h.hv_root);
  hash = mix(hash, h.payload_base_va);
  hash = mix(hash, hash_bytes(EXTABLES_OFF, 16 * <usize>NR_PAYLOADS, 1));
  for (let slot: usize = 0; slot < NR_PAYLOADS; slot++) {
    const off = PAYLOADS_OFF + slot * PAYLOAD_SIZE;
    if (load<u32>(off) == 0) continue;
    hash = mix(hash, hash_bytes(off, PAYLOAD_SIZE, slot));
  }
  return hash_frames(hash);
}
