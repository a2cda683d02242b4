// Why the last operation was refused: errno, reason code and the operands that a person needs
// (requirements.md D2). One record is being written at a time, `refusal()`; the xSplice layer keeps
// a copy per payload and a ring of 16 for uploads that never became one (A14). Not part of the
// state that a failed operation must leave unchanged.

import { header } from "./header";
import { REFUSAL_SIZE, SCRATCH_OFF } from "./layout";
import { NAME_MAX } from "./param";


@unmanaged
export class Refusal {
  errno: i32; // positive errno
  reason: u32; // REASON_*
  step: u32; // STEP_*
  place: u32; // PLACE_*
  index: u32; // of the place
  index2: u32;
  cpu: u32;
  pad0: u32;
  va: u64; // the address it is about
  va2: u64; // a second one (expected, target, conflicting)
  value: u64; // what was found
  limit: u64; // what was allowed or expected
  // 64: payload id this refusal belongs to, 40 bytes
  // 104: id of the other payload involved, 40 bytes
  // 144: symbol or section name, NAME_MAX bytes, NUL-terminated
  // 272: bytes found, 32;  304: bytes expected, 32;  336: count of both (u32)
  // 344: candidates (sym-ambiguous) count u32, then u64 addresses at 352, 16 of them

  @inline get id_off(): usize {
    return changetype<usize>(this) + 64;
  }


  @inline get other_off(): usize {
    return changetype<usize>(this) + 104;
  }


  @inline get name_off(): usize {
    return changetype<usize>(this) + 144;
  }


  @inline get found_off(): usize {
    return changetype<usize>(this) + 272;
  }


  @inline get expected_off(): usize {
    return changetype<usize>(this) + 304;
  }


  @inline get bytes_count(): u32 {
    return load<u32>(changetype<usize>(this), 336);
  }
  set bytes_count(n: u32) {
    store<u32>(changetype<usize>(this), n, 336);
  }


  @inline get candidate_count(): u32 {
    return load<u32>(changetype<usize>(this), 344);
  }
  set candidate_count(n: u32) {
    store<u32>(changetype<usize>(this), n, 344);
  }


  @inline candidate_off(i: u32): usize {
    return changetype<usize>(this) + 352 + ((<usize>i) << 3);
  }
}
if (offsetof<Refusal>() != 64) ERROR("Refusal's fixed part is 64 bytes");

export const REFUSAL_CANDIDATES: u32 = 16;

/** The record being written. */
@inline
export function refusal(): Refusal {
  return changetype<Refusal>(SCRATCH_OFF);
}

/** Forgets the last refusal: called at the start of every operation. */
export function clear_refusal(): void {
  memory.fill(SCRATCH_OFF, 0, REFUSAL_SIZE);
}

/** Starts a refusal and gives the value to return. Operands are set on `refusal()` afterwards. */
export function refuse(errno: i32, reason: u32): i32 {
  const r = refusal();
  r.errno = errno;
  r.reason = reason;
  return -errno;
}

/** The same with a place: which element, and which of its kind. */
export function refuse_at(errno: i32, reason: u32, place: u32, index: u32): i32 {
  const r = refusal();
  r.place = place;
  r.index = index;
  return refuse(errno, reason);
}

/** Attaches a NUL-terminated name from linear memory, cut to NAME_MAX - 1. */
export function refusal_name(name_off: usize, limit: usize): void {
  const to = refusal().name_off;
  const max = min<usize>(limit, NAME_MAX - 1);
  let i: usize = 0;
  while (i < max) {
    const c = load<u8>(name_off + i);
    if (c == 0) break;
    store<u8>(to + i, c);
    i++;
  }
  store<u8>(to + i, 0);
}

/** The refusal of the host's hypercall, while other CPUs' work writes its own. */
const KEPT = memory.data(1024);
if (REFUSAL_SIZE != 1024) ERROR("a refusal outgrows its copy");

export function keep_refusal_of_call(): void {
  if (header().in_call != 0) memory.copy(KEPT, SCRATCH_OFF, REFUSAL_SIZE);
}
export function restore_refusal_of_call(): void {
  if (header().in_call != 0) memory.copy(SCRATCH_OFF, KEPT, REFUSAL_SIZE);
}
