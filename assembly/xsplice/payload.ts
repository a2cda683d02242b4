// One record per payload, in the machine's own memory, and the list that they form in upload order
// (RFC "struct payload", R131-R133). A record is claimed while an upload is under way and becomes
// visible only when it is linked: nobody outside sees a half-loaded payload. A record that is given
// back is zeroed, so that an upload and an unload leave no trace (requirements.md A14).

import { XEN_XSPLICE_ID_SIZE } from "../abi";
import { GUARD_VERSION, is_out } from "../hv/guards";
import { header } from "../hv/header";
import { PAYLOAD_SIZE, PAYLOADS_OFF } from "../hv/layout";
import { NR_PAYLOADS } from "../hv/param";

/** Payload.used */
export const PAYLOAD_FREE: u32 = 0;
export const PAYLOAD_CLAIMED: u32 = 1; // upload under way, not listed
export const PAYLOAD_LISTED: u32 = 2;
/** Not PAYLOAD_LISTED, whose list is the RFC's. */
export const LISTED_TODAY: u32 = 3;

/** Payload.format: which door it came through. */
export const FORMAT_RFC: u32 = 0;
export const FORMAT_TODAY: u32 = 1; // .livepatch.funcs


@unmanaged
export class Payload {
  used: u32;
  slot: u32;
  next: u32; // slot + 1 of the next in upload order, 0 at the end
  previous: u32;
  status: i32; // XSPLICE_STATUS_*, or -errno
  old_status: i32; // the status that an error came from, or that work started from (K45)
  cmd: u32; // XSPLICE_ACTION_* under way
  pending: u32; // 1 while work is scheduled: the record must not be freed (K61)
  deadline_ns: u64; // virtual time at which the action under way gives up, 0 never (R116)
  apply_order: u64; // 1 for the first applied, 0 not applied
  raw_size: u64; // bytes of the file as uploaded
  hash_lo: u64; // of those bytes: the same payload under another id (a946b8de14)
  hash_hi: u64;
  // 72: filled in by the loader. Linear memory: adjacent frames, mapped at base_va.
  mem_off: usize;
  mem_pages: u32;
  base_va: u64;
  text_va: u64; // R X
  text_size: u64;
  rw_va: u64; // R W
  rw_size: u64;
  ro_va: u64; // R
  ro_size: u64;
  root_va: u64; // struct xsplice
  new_va: u64; // its struct xsplice_code, 0 none
  old_va: u64;
  build_id_va: u64; // the payload's own .note.gnu.build-id descriptor, 0 none
  build_id_len: u32;
  format: u32; // FORMAT_*
  signed_by: u32; // 1 + index of the key in the keystore, 0 unsigned
  flags: u32; // PAYLOAD_FLAG_*
  extable_va: u64; // the payload's own exception table, sorted
  extable_end_va: u64;
  initial_off: usize; // pristine copy of the writable part, for APPLY after REVERT (98b728a7b2)
  initial_pages: u32;
  symbols_off: usize; // the payload's own symbols (frames), 0 none
  symbols_count: u32;
  symbols_pages: u32;
  depends_len: u32; // build-id of what this payload was built on top of (R198)
  depends_va: u64;
  // 248: filled in by the engine (check, apply).
  splices_off: usize; // Splice[], sorted by va (xsplice/splice.ts)
  splices_count: u32;
  splices_pages: u32;
  prepared_off: usize; // old and new bytes and stack ranges, ready (xsplice/undo.ts)
  prepared_pages: u32;
  ranges_off: usize; // CodeRange[] that must not be on a stack (xsplice/stackcheck.ts)
  ranges_count: u32;
  islands_off: usize; // frames of second hops (R184), 0 none
  islands_pages: u32;
  islands_count: u32;
  islands_va: u64;
  matched_id: u32; // ID_MATCH_*: how the hypervisor was recognised (K6)
  base_slot: u32; // slot + 1 of the payload that this one was built on top of (R198), 0 none
  superseded_by: u32; // slot + 1 of the cumulative payload that replaced this one (R197)
  retries: u32; // of the stack check, by the action under way
  replacing: u32; // places at which it replaces earlier payloads (R197)
  shared_users: u32; // of strings that it edits in place, when there are several (R176)
  domain: i32; // who uploaded it (a continued upload must come from the same, A14)
  // 320: id, 40 bytes; 360: own name (R23), 40 bytes; both zero-padded, not always terminated.

  @inline get id_off(): usize {
    return changetype<usize>(this) + 320;
  }


  @inline get name_off(): usize {
    return changetype<usize>(this) + 360;
  }
  /** What UPLOAD, LOADER and later formats keep for themselves: 400..1023. */
  @inline get extra_off(): usize {
    return changetype<usize>(this) + 400;
  }
}
if (offsetof<Payload>() > 320) ERROR("Payload reaches into its id");
if (PAYLOAD_SIZE < 1024) ERROR("Payload is a KiB");


@inline
export function payload_at(slot: u32): Payload {
  return changetype<Payload>(PAYLOADS_OFF + PAYLOAD_SIZE * <usize>slot);
}

/** An applied payload changes the machine: its bytes are in place. */
@inline
export function is_live(p: Payload): bool {
  return p.apply_order != 0;
}

/** A payload that is not there: overlay at 0, never a record. */
@inline
export function no_payload(): Payload {
  return changetype<Payload>(0);
}


@inline
export function is_payload(p: Payload): bool {
  return changetype<usize>(p) != 0;
}

/** Claims a zeroed record for an upload, or none when all are taken. */
export function claim_payload(): Payload {
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    const p = payload_at(slot);
    if (p.used != PAYLOAD_FREE) continue;
    p.used = PAYLOAD_CLAIMED;
    p.slot = slot;
    return p;
  }
  return no_payload();
}

/** Gives a record back, zeroed. What it owned in frames must have been freed. */
export function release_payload(p: Payload): void {
  memory.fill(changetype<usize>(p), 0, PAYLOAD_SIZE);
}

/** Head of the list, in upload order. */
export function first_payload(): Payload {
  if (header().payload_count == 0) return no_payload();
  for (let slot: u32 = 0; slot < NR_PAYLOADS; slot++) {
    const p = payload_at(slot);
    if (p.used == PAYLOAD_LISTED && p.previous == 0) return p;
  }
  return no_payload();
}


@inline
export function next_payload(p: Payload): Payload {
  return p.next == 0 ? no_payload() : payload_at(p.next - 1);
}

function last_payload(): Payload {
  let last = no_payload();
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) last = p;
  return last;
}

/** Appends to the list; the payload is visible from here on (R101). */
export function link_payload(p: Payload): void {
  const last = last_payload();
  p.used = PAYLOAD_LISTED;
  p.next = 0;
  p.previous = 0;
  if (is_payload(last)) {
    last.next = p.slot + 1;
    p.previous = last.slot + 1;
  }
  header().payload_count++;
  bump_version();
}

/** Takes a payload off the list; the record stays claimed. */
export function unlink_payload(p: Payload): void {
  if (p.previous != 0) payload_at(p.previous - 1).next = p.next;
  if (p.next != 0) payload_at(p.next - 1).previous = p.previous;
  p.next = 0;
  p.previous = 0;
  p.used = PAYLOAD_CLAIMED;
  header().payload_count--;
  bump_version();
}

/** The list's version changes with every add and remove (R107) and is never 0, which clients
 *  read as "unset" (K28). */
function bump_version(): void {
  const h = header();
  if (is_out(GUARD_VERSION)) return;
  h.payload_version = h.payload_version + 1;
  if (h.payload_version == 0) h.payload_version = 1;
}

/** strncmp over the 40 bytes of an id: a 40-character id has no terminator (R133). */
export function ids_equal(a_off: usize, b_off: usize): bool {
  for (let i = 0; i < XEN_XSPLICE_ID_SIZE; i++) {
    const c = load<u8>(a_off + i);
    if (c != load<u8>(b_off + i)) return false;
    if (c == 0) return true;
  }
  return true;
}

/** The listed payload with this id, or none. */
export function find_payload(id_off: usize): Payload {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (ids_equal(p.id_off, id_off)) return p;
  }
  return no_payload();
}

/** The payload at position `index` of the list, or none. */
export function payload_number(index: u32): Payload {
  let p = first_payload();
  while (is_payload(p) && index-- != 0) p = next_payload(p);
  return p;
}

/** Copies an id, zero-padded behind its end: what follows the NUL is the caller's stack (K36). */
export function copy_id(to_off: usize, from_off: usize): void {
  memory.fill(to_off, 0, XEN_XSPLICE_ID_SIZE);
  for (let i = 0; i < XEN_XSPLICE_ID_SIZE; i++) {
    const c = load<u8>(from_off + i);
    if (c == 0) return;
    store<u8>(to_off + i, c);
  }
}

/** The payload whose memory holds `va`, or none. */
export function payload_of_va(va: u64): Payload {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (va - p.base_va < (<u64>p.mem_pages) << 12) return p;
  }
  return no_payload();
}
