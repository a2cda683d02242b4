// What the host sees of live patching: every place that is patched now, in the order of
// application, and the payloads in upload order. Records MAP_* and PAYLOAD_INFO_* of abi.ts,
// written to the I/O window.

import {
  MAP_FLAGS,
  MAP_ID,
  MAP_KIND,
  MAP_KIND_BUG,
  MAP_KIND_NOP,
  MAP_KIND_TRAMPOLINE,
  MAP_LENGTH,
  MAP_MARKS,
  MAP_NEW_OFF,
  MAP_OLD_OFF,
  MAP_ORDER,
  MAP_SIZE,
  MAP_TARGET,
  MAP_VA,
  PAYLOAD_INFO_BASE_VA,
  PAYLOAD_INFO_CMD,
  PAYLOAD_INFO_ID,
  PAYLOAD_INFO_NAME,
  PAYLOAD_INFO_OLD_STATUS,
  PAYLOAD_INFO_ORDER,
  PAYLOAD_INFO_PAGES,
  PAYLOAD_INFO_RAW_SIZE,
  PAYLOAD_INFO_RO_SIZE,
  PAYLOAD_INFO_RW_SIZE,
  PAYLOAD_INFO_SIZE,
  PAYLOAD_INFO_STATUS,
  PAYLOAD_INFO_SYMBOLS,
  PAYLOAD_INFO_SYMBOLS_OFF,
  PAYLOAD_INFO_TEXT_SIZE,
  XEN_XSPLICE_ID_SIZE,
} from "../abi";
import {
  first_payload,
  is_live,
  is_payload,
  next_payload,
  no_payload,
  Payload,
  payload_number,
} from "./payload";
import { Splice, splice_at, SPLICE_BUG, SPLICE_NOP, SPLICE_TRAMPOLINE } from "./splice";

if (MAP_KIND_TRAMPOLINE != SPLICE_TRAMPOLINE) ERROR("the border's kinds are SPLICE_*");
if (MAP_KIND_BUG != SPLICE_BUG || MAP_KIND_NOP != SPLICE_NOP)
  ERROR("the border's kinds are SPLICE_*");

/** Places patched now. */
export function map_count(): u32 {
  let n: u32 = 0;
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (is_live(p)) n += p.splices_count;
  }
  return n;
}

/** The applied payload with the lowest order above `order`, or none. */
function next_applied(order: u64): Payload {
  let next = no_payload();
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (!is_live(p) || p.apply_order <= order) continue;
    if (!is_payload(next) || p.apply_order < next.apply_order) next = p;
  }
  return next;
}

function write_place(to_off: usize, p: Payload, s: Splice): void {
  memory.fill(to_off, 0, MAP_SIZE);
  store<u64>(to_off, s.va, MAP_VA);
  store<u32>(to_off, s.length, MAP_LENGTH);
  store<u32>(to_off, s.kind, MAP_KIND);
  store<u64>(to_off, p.apply_order, MAP_ORDER);
  store<u64>(to_off, s.target, MAP_TARGET);
  store<u32>(to_off, <u32>s.old_off, MAP_OLD_OFF);
  store<u32>(to_off, <u32>s.new_off, MAP_NEW_OFF);
  store<u32>(to_off, s.flags, MAP_FLAGS);
  store<u32>(to_off, s.marks, MAP_MARKS);
  memory.copy(to_off + MAP_ID, p.id_off, XEN_XSPLICE_ID_SIZE);
}

/** MAP_* of place `index`, payloads in order of application, places by address. False: no such
 *  place. */
export function write_map(to_off: usize, index: u32): bool {
  for (let p = next_applied(0); is_payload(p); p = next_applied(p.apply_order)) {
    if (index < p.splices_count) {
      write_place(to_off, p, splice_at(p, index));
      return true;
    }
    index -= p.splices_count;
  }
  return false;
}

/** Frames that a payload holds, its records included. */
export function pages_of(p: Payload): u32 {
  return (
    p.mem_pages +
    p.initial_pages +
    p.symbols_pages +
    p.splices_pages +
    p.prepared_pages +
    p.islands_pages
  );
}

/** PAYLOAD_INFO_* of payload `index` in upload order. False: no such payload. */
export function write_payload(to_off: usize, index: u32): bool {
  const p = payload_number(index);
  if (!is_payload(p)) return false;
  memory.fill(to_off, 0, PAYLOAD_INFO_SIZE);
  memory.copy(to_off + PAYLOAD_INFO_ID, p.id_off, XEN_XSPLICE_ID_SIZE);
  store<i32>(to_off, p.status, PAYLOAD_INFO_STATUS);
  store<i32>(to_off, p.old_status, PAYLOAD_INFO_OLD_STATUS);
  store<u64>(to_off, p.base_va, PAYLOAD_INFO_BASE_VA);
  store<u64>(to_off, p.text_size, PAYLOAD_INFO_TEXT_SIZE);
  store<u64>(to_off, p.rw_size, PAYLOAD_INFO_RW_SIZE);
  store<u64>(to_off, p.ro_size, PAYLOAD_INFO_RO_SIZE);
  store<u64>(to_off, p.raw_size, PAYLOAD_INFO_RAW_SIZE);
  store<u64>(to_off, p.apply_order, PAYLOAD_INFO_ORDER);
  store<u32>(to_off, pages_of(p), PAYLOAD_INFO_PAGES);
  store<u32>(to_off, p.cmd, PAYLOAD_INFO_CMD);
  store<u32>(to_off, <u32>p.symbols_off, PAYLOAD_INFO_SYMBOLS_OFF);
  store<u32>(to_off, p.symbols_count, PAYLOAD_INFO_SYMBOLS);
  memory.copy(to_off + PAYLOAD_INFO_NAME, p.name_off, XEN_XSPLICE_ID_SIZE);
  return true;
}
