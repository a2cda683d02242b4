// What a payload of today's format has beside the common record (xsplice/payload.ts), in that
// record's extra part; and the lists that such payloads form: in upload order, and the stack of
// those applied. They are listed apart from the RFC's, because each door has names, states and
// rules of its own.

import { HEADER_OFF, PAYLOAD_SIZE } from "../../hv/layout";
import { NR_PAYLOADS } from "../../hv/param";
import { FORMAT_TODAY, LISTED_TODAY, no_payload, Payload, payload_at } from "../payload";
import { XEN_LIVEPATCH_NAME_SIZE } from "../../abi_today";

/** The eight kinds of hooks; the first six are single functions. Bits of hook_mask. */
export const HOOK_PREAPPLY: u32 = 0;
export const HOOK_APPLY: u32 = 1;
export const HOOK_POSTAPPLY: u32 = 2;
export const HOOK_PREREVERT: u32 = 3;
export const HOOK_REVERT: u32 = 4;
export const HOOK_POSTREVERT: u32 = 5;
export const HOOK_LOAD: u32 = 6;
export const HOOK_UNLOAD: u32 = 7;
export const NR_HOOKS: u32 = 8;
export const NR_BUG_FRAMES: u32 = 4;


@unmanaged
export class Livepatch {
  hazards: u64;
  state: u32; // LIVEPATCH_STATE_*
  rc: i32;
  reverted: u32;
  safe_to_reapply: u32;
  applied_order: u64; // place in the stack, 0 not applied
  funcs_off: usize; // linear: struct livepatch_func[]
  nfuncs: u32;
  funcs_va: u64;
  fstate_off: usize; // linear: 40 bytes for each
  private_pages: u32;
  private_off: usize; // struct payload and what hangs on it (struct_payload.ts)
  cmd: u32; // LIVEPATCH_ACTION_* under way
  private_va: u64;
  fstate_va: u64;
  symtab_off: usize;
  nsyms: u32;
  symtab_va: u64;
  strtab_va: u64;
  meta_va: u64;
  meta_len: u32;
  name_len: u32; // without its NUL
  xen_depends_va: u64;
  xen_depends_len: u32;
  hook_mask: u32; // hooks that would run
  ex_va: u64;
  ex_end_va: u64;
  strtab_off: usize;
  blank_func: u32; // 1 + index of a function whose new code has no bytes in the file, 0 none
  altinstr_off: usize;
  // 200: u64[NR_HOOKS] where each hook's section lies, 0 none; 264: u32[NR_HOOKS] entries
  // 296: {u64 va, u32 entries, u32} [NR_BUG_FRAMES]; 360: name, 128 bytes

  @inline hook_va(kind: u32): u64 {
    return load<u64>(changetype<usize>(this) + ((<usize>kind) << 3), 200);
  }
  set_hook(kind: u32, va: u64, entries: u32): void {
    store<u64>(changetype<usize>(this) + ((<usize>kind) << 3), va, 200);
    store<u32>(changetype<usize>(this) + ((<usize>kind) << 2), entries, 264);
  }


  @inline hook_entries(kind: u32): u32 {
    return load<u32>(changetype<usize>(this) + ((<usize>kind) << 2), 264);
  }


  @inline bugs_va(n: u32): u64 {
    return load<u64>(changetype<usize>(this) + ((<usize>n) << 4), 296);
  }


  @inline bugs_count(n: u32): u32 {
    return load<u32>(changetype<usize>(this) + ((<usize>n) << 4), 304);
  }
  set_bugs(n: u32, va: u64, count: u32): void {
    store<u64>(changetype<usize>(this) + ((<usize>n) << 4), va, 296);
    store<u32>(changetype<usize>(this) + ((<usize>n) << 4), count, 304);
  }


  @inline get name_off(): usize {
    return changetype<usize>(this) + 360;
  }
}
const EXTRA_ROOM: usize = PAYLOAD_SIZE - 400;
if (offsetof<Livepatch>() > 200) ERROR("Livepatch reaches into its hooks");
if (<usize>(360 + XEN_LIVEPATCH_NAME_SIZE) > EXTRA_ROOM) ERROR("a name outgrows the record");


@inline
export function livepatch(p: Payload): Livepatch {
  return changetype<Livepatch>(p.extra_off);
}
export function add_hazard(p: Payload, bit: u32): void {
  livepatch(p).hazards |= (<u64>1) << (<u64>bit);
}

/** The state of today's door, in the header's page. */
@unmanaged
class Door {
  count: u32;
  version: u32; // less 1: starts at 0
  first: u32; // slot + 1
  last: u32;
  applied_order: u64; // of the last applied
  pending: u32; // slot + 1 of the payload whose action is scheduled
  timeout_ns: u32;
}
export const DOOR_OFF: usize = HEADER_OFF + 2560;
export const DOOR_SIZE: usize = offsetof<Door>();


@inline
function door(): Door {
  return changetype<Door>(DOOR_OFF);
}

export function payloads_count(): u32 {
  return door().count;
}
export function payloads_version(): u32 {
  return door().version + 1;
}


@inline
export function first_slot(): u32 {
  return door().first;
}


@inline
export function last_slot(): u32 {
  return door().last;
}


@inline
export function pending_slot(): u32 {
  return door().pending;
}


@inline
export function first_today(): Payload {
  const first = door().first;
  return first == 0 ? no_payload() : payload_at(first - 1);
}

/** Appends; visible from here on. */
export function link_today(p: Payload): void {
  const d = door();
  p.format = FORMAT_TODAY;
  p.used = LISTED_TODAY;
  p.next = 0;
  p.previous = d.last;
  if (d.last != 0) payload_at(d.last - 1).next = p.slot + 1;
  else d.first = p.slot + 1;
  d.last = p.slot + 1;
  d.count++;
  d.version++;
}

export function unlink_today(p: Payload): void {
  const d = door();
  if (p.previous != 0) payload_at(p.previous - 1).next = p.next;
  else d.first = p.next;
  if (p.next != 0) payload_at(p.next - 1).previous = p.previous;
  else d.last = p.previous;
  p.next = 0;
  p.previous = 0;
  d.count--;
  d.version++;
}

/** The payload on top of the stack of applied ones, or none. */
export function top_applied(): Payload {
  let top = no_payload();
  let order: u64 = 0;
  for (let slot = door().first; slot != 0; slot = payload_at(slot - 1).next) {
    const p = payload_at(slot - 1);
    if (livepatch(p).applied_order <= order) continue;
    order = livepatch(p).applied_order;
    top = p;
  }
  return top;
}

export function push_applied(p: Payload): void {
  livepatch(p).applied_order = ++door().applied_order;
}

/** The last one that is taken off leaves no trace of the order. */
export function pop_applied(p: Payload): void {
  livepatch(p).applied_order = 0;
  const top = top_applied();
  door().applied_order = changetype<usize>(top) == 0 ? 0 : livepatch(top).applied_order;
}

export function pending_action(): Payload {
  const slot = door().pending;
  return slot == 0 ? no_payload() : payload_at(slot - 1);
}
export function pending_timeout(): u32 {
  return door().timeout_ns;
}
export function set_pending(p: Payload, timeout_ns: u32): void {
  door().pending = changetype<usize>(p) == 0 ? 0 : p.slot + 1;
  door().timeout_ns = timeout_ns;
}

/** Bounded by the number of records. */
export function find_today(name_off: usize, len: usize): Payload {
  let left = NR_PAYLOADS;
  for (let slot = door().first; slot != 0 && left-- != 0; slot = payload_at(slot - 1).next) {
    const p = payload_at(slot - 1);
    const lp = livepatch(p);
    if (<usize>lp.name_len != len) continue;
    if (memory.compare(lp.name_off, name_off, len) == 0) return p;
  }
  return no_payload();
}


@inline
export function next_today(p: Payload): Payload {
  return p.next == 0 ? no_payload() : payload_at(p.next - 1);
}

/** The payload whose pages hold `va`, or none. */
export function today_of_va(va: u64): Payload {
  for (let p = first_today(); changetype<usize>(p) != 0; p = next_today(p)) {
    if (va - p.base_va < (<u64>p.mem_pages) << 12) return p;
  }
  return no_payload();
}
