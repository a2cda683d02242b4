// Bug frames: what a ud2 in hypervisor code means (livepatch-today 5.4; Xen's do_invalid_op). Four
// kinds: call a function, warn, bug, assertion. The image brings its tables; a loaded payload
// registers its own under the number of its record. A function to be called is called with the
// registers (hv/bug_call.ts), a warning is printed, and both go on behind the instruction; a bug
// and a failed assertion stop the run, as they stop the hypervisor.

import { VECTOR_UD } from "../abi";
import { call_for_bug } from "./bug_call";
import { print, print_byte, print_dec } from "./console";
import { Cpu } from "./cpu";
import { known_symbol } from "./image";
import { BUGFRAMES_OFF } from "./layout";
import { peek } from "./mem";
import { NR_PAYLOADS } from "./param";

export const BUG_RUN_FN: u32 = 0;
export const BUG_WARN: u32 = 1;
export const BUG_BUG: u32 = 2;
export const BUG_ASSERT: u32 = 3;
export const NR_BUG_KINDS: u32 = 4;
export const BUG_FRAME_SIZE: u64 = 8;
const UD2: u32 = 0x0b0f;
const UD2_LEN: u64 = 2;
const FILE_MAX: u32 = 64;
const ROW: usize = 16 * <usize>NR_BUG_KINDS;
/** A frame's two words. */
const FRAME = memory.data(8);

/** {u64 va, u64 frames} of each kind for each payload; 0: none. */
export function register_bugframes(owner: u32, kind: u32, va: u64, count: u32): void {
  assert(owner < NR_PAYLOADS && kind < NR_BUG_KINDS);
  const at = BUGFRAMES_OFF + ROW * <usize>owner + 16 * <usize>kind;
  store<u64>(at, va);
  store<u64>(at, count, 8);
}
export function unregister_bugframes(owner: u32): void {
  memory.fill(BUGFRAMES_OFF + ROW * <usize>owner, 0, ROW);
}

/** Signed 24 bits of a word. */
@inline
function s24(word: u32): u64 {
  return <u64>(<i64>((<i32>(word << 8)) >> 8));
}
/** Address that the frame at `va`, its bytes at linear `off`, is about. */
export function bug_site(off: usize, va: u64): u64 {
  return va + s24(load<u32>(off));
}
/** Its file's name, or the function to be called. */
export function bug_pointer(off: usize, va: u64): u64 {
  return va + s24(load<u32>(off, 4));
}
export function bug_line(off: usize): u32 {
  const word0 = load<u32>(off);
  const word1 = load<u32>(off, 4);
  // A negative displacement has borrowed from the bits above it.
  const high = ((word0 >> 24) + ((word0 >> 23) & 1)) & 127;
  const low = ((word1 >> 24) + ((word1 >> 23) & 1)) & 127;
  return (high << 7) | low;
}

// What the last search found.
let found_kind: u32 = 0;
let found_va: u64 = 0;

function search(kind: u32, va: u64, count: u64, rip: u64): bool {
  for (let i: u64 = 0; i < count; i++) {
    const at = va + i * BUG_FRAME_SIZE;
    if (peek(FRAME, at, BUG_FRAME_SIZE) != 0) return false;
    if (bug_site(FRAME, at) != rip) continue;
    found_kind = kind;
    found_va = at;
    return true;
  }
  return false;
}

function stop_symbol(kind: u32): u64 {
  if (kind == BUG_RUN_FN) return known_symbol("__stop_bug_frames_0");
  if (kind == BUG_WARN) return known_symbol("__stop_bug_frames_1");
  return kind == BUG_BUG
    ? known_symbol("__stop_bug_frames_2")
    : known_symbol("__stop_bug_frames_3");
}

/** The frame of the ud2 at `rip`: the image's tables, then the payloads'. */
function find_frame(rip: u64): bool {
  let va = known_symbol("__start_bug_frames");
  for (let kind: u32 = 0; kind < NR_BUG_KINDS && va != 0; kind++) {
    const end = stop_symbol(kind);
    if (end < va) break;
    if (search(kind, va, (end - va) / BUG_FRAME_SIZE, rip)) return true;
    va = end;
  }
  for (let owner: u32 = 0; owner < NR_PAYLOADS; owner++) {
    for (let kind: u32 = 0; kind < NR_BUG_KINDS; kind++) {
      const at = BUGFRAMES_OFF + ROW * <usize>owner + 16 * <usize>kind;
      if (load<u64>(at) != 0 && search(kind, load<u64>(at), load<u64>(at, 8), rip)) return true;
    }
  }
  return false;
}

function print_place(what: string): void {
  print(what);
  let va = bug_pointer(FRAME, found_va);
  const line = bug_line(FRAME);
  for (let i: u32 = 0; i < FILE_MAX && peek(FRAME, va, 1) == 0; i++, va++) {
    const c = <u32>load<u8>(FRAME);
    if (c == 0) break;
    print_byte(c >= 0x20 && c < 0x7f ? c : 0x3f);
  }
  print(":");
  print_dec(line);
  print_byte(10);
}

/** A ud2 with a frame: says what it is. True: the CPU goes on behind it. */
export function answer_bug(cpu: Cpu): bool {
  if (cpu.fault_vector != <u32>VECTOR_UD) return false;
  if (peek(FRAME, cpu.rip, UD2_LEN) != 0 || <u32>load<u16>(FRAME) != UD2) return false;
  if (!find_frame(cpu.rip)) return false;
  if (found_kind == BUG_BUG || found_kind == BUG_ASSERT) {
    print_place("Xen BUG at ");
    return false;
  }
  if (found_kind == BUG_RUN_FN) return call_for_bug(cpu, bug_pointer(FRAME, found_va));
  print_place("Xen WARN at ");
  cpu.rip += UD2_LEN;
  return true;
}
