// Questions that are asked of payloads of both formats in a machine from a file (audit.ts).

import { claim_record } from "../hv/claims";
import { OWNER_PAYLOAD } from "../hv/frames";
import { NR_PAYLOADS, PAGE_SHIFT } from "../hv/param";
import { Payload, payload_at } from "./payload";

/** Bytes of the payload, or none at all. */
export function is_inside(p: Payload, va: u64, len: u64): bool {
  if (len == 0) return true;
  const at = va - p.base_va;
  const bytes = (<u64>p.mem_pages) << PAGE_SHIFT;
  return at < bytes && len <= bytes - at;
}

/** Frames of a record of the payload's own; none are none. */
export function has_record(off: usize, pages: u32): bool {
  if (pages == 0) return off == 0;
  return claim_record(<u64>off, pages, OWNER_PAYLOAD);
}

/** The list from `first` (slot + 1) to its end has `count` payloads that are `used` so. */
export function is_list(first: u32, last: u32, count: u32, used: u32): bool {
  let previous: u32 = 0;
  for (let slot = first; slot != 0; slot = payload_at(slot - 1).next) {
    if (slot > NR_PAYLOADS || count == 0) return false;
    const p = payload_at(slot - 1);
    if (p.used != used || p.previous != previous) return false;
    previous = slot;
    count--;
  }
  return count == 0 && previous == last;
}
