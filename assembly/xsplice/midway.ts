// A replaced range must not be entered in its middle (R220): a jump from elsewhere to bytes 1..4 of
// a trampoline would execute the tail of a displacement. Looked for: every direct branch of the
// image's text, and every pointer in its data (switch tables, code pointers).
//
// Not counted: branches inside the function behind a trampoline (that code is dead, and nobody is
// in it: R50), branches inside a replaced range, and entries at which the new code has an
// instruction of its own to begin with.

import { EINVAL, REGION_DATA, REGION_RODATA, REGION_TEXT, ENOMEM } from "../abi";
import { peek_off } from "../hv/mem";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { decode } from "../hv/x86/decode";
import { Op } from "../hv/x86/ops";
import { PLACE_XSPLICE_PATCH, REASON_ENTERED_MIDWAY, REASON_NO_MEMORY } from "../reasons";
import { payload_at, Payload } from "./payload";
import {
  close_sieve,
  decode_at,
  found_insn,
  insn_around,
  mark,
  open_sieve,
  passes,
  scan_displacements,
  scan_regions,
} from "./scan";
import { Splice, splice_at, SPLICE_TEXT, splice_touching, SPLICE_TRAMPOLINE } from "./splice";
import { name_symbol } from "./target";

/** Reach of an 8-bit displacement and the two bytes before its end. */
const SHORT_REACH: u64 = 130;

/** Slot of the payload under judgement: the visitors below get no other argument. */
let judged: u32 = 0;


@inline
function is_replacing(s: Splice): bool {
  return (s.kind == SPLICE_TRAMPOLINE || s.kind == SPLICE_TEXT) && s.length > 1;
}

/** Bytes 1.. of a replaced range. */
@inline
function is_inside(s: Splice, va: u64): bool {
  return va > s.va && va < s.va + s.length;
}

/** The new bytes of `s` have an instruction that begins at `va`. */
function has_boundary(s: Splice, va: u64): bool {
  if (s.kind != SPLICE_TEXT) return false;
  let at: u32 = 0;
  const wanted = <u32>(va - s.va);
  while (at < wanted && at < s.content_size) {
    const n = decode(s.content_off + at, s.content_size - at, s.va + at, found_insn());
    if (n == 0) return false;
    at += n;
  }
  return at == wanted;
}

function is_branch(): bool {
  switch (<u32>found_insn().id) {
    case <u32>Op.Call:
    case <u32>Op.Jmp:
    case <u32>Op.Jcc:
    case <u32>Op.Loop:
    case <u32>Op.Loope:
    case <u32>Op.Loopne:
    case <u32>Op.Jrcxz:
      return true;
  }
  return false;
}

function refuse_entry(s: Splice, from_va: u64, to_va: u64): i32 {
  name_symbol(s.symbol);
  const rc = refuse_at(EINVAL, REASON_ENTERED_MIDWAY, PLACE_XSPLICE_PATCH, s.index);
  refusal().va = to_va;
  refusal().va2 = from_va;
  return rc;
}

/** The splice that an entry at `to_va` would harm, 0 none. */
function harmed(from_va: u64, to_va: u64): Splice {
  const none = changetype<Splice>(0);
  const p = payload_at(judged);
  const s = splice_touching(p, to_va, 1);
  if (changetype<usize>(s) == 0 || !is_replacing(s) || !is_inside(s, to_va)) return none;
  const dead = s.kind == SPLICE_TRAMPOLINE && from_va - s.object_va < s.object_size;
  if (dead || changetype<usize>(splice_touching(p, from_va, 1)) != 0) return none;
  return has_boundary(s, to_va) ? none : s;
}

/** The branch to `to_va` that `field_va` is a byte of, by decoding its function; 0: it is none. */
export function branch_around(field_va: u64, to_va: u64): u64 {
  const at = insn_around(field_va);
  return at != 0 && is_branch() && found_insn().imm == to_va ? at : 0;
}

/** Something that looks like a branch to `to_va`, its displacement at `field_va`. */
function judge_branch(field_va: u64, to_va: u64): i32 {
  const s = harmed(field_va, to_va);
  if (changetype<usize>(s) == 0) return 0;
  const at = branch_around(field_va, to_va);
  return at == 0 ? 0 : refuse_entry(s, at, to_va);
}

function judge_pointer(word_va: u64, value: u64): i32 {
  const s = harmed(word_va, value);
  return changetype<usize>(s) == 0 ? 0 : refuse_entry(s, word_va, value);
}

/** Branches with an 8-bit displacement start near their target. */
function check_short(s: Splice): i32 {
  const lo = s.va - SHORT_REACH;
  const hi = s.va + s.length + SHORT_REACH;
  for (let va = lo; va < hi; va++) {
    const off = peek_off(va);
    const next = peek_off(va + 1);
    if (off == 0 || next == 0) continue;
    const opcode = load<u8>(off);
    if ((opcode & 0xf0) != 0x70 && opcode != 0xeb && (opcode & 0xfc) != 0xe0) continue;
    const target = va + 2 + <u64>(<i64>load<i8>(next));
    if (!is_inside(s, target)) continue;
    const rc = judge_branch(va, target);
    if (rc != 0) return rc;
  }
  return 0;
}

/** -EINVAL entered-midway, or 0. */
export function check_midway(p: Payload): i32 {
  judged = p.slot;
  let lo: u64 = u64.MAX_VALUE;
  let hi: u64 = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (!is_replacing(s)) continue;
    lo = min<u64>(lo, s.va);
    hi = max<u64>(hi, s.va + s.length);
  }
  if (lo >= hi) return 0;
  if (!open_sieve(lo, hi)) return refuse(ENOMEM, REASON_NO_MEMORY);
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (is_replacing(s)) mark(s.va + 1, s.va + s.length);
  }
  let rc = scan_displacements(0, judge_branch, REGION_TEXT);
  if (rc == 0) rc = scan_regions(REGION_RODATA, judge_pointer);
  if (rc == 0) rc = scan_regions(REGION_DATA, judge_pointer);
  close_sieve();
  for (let i: u32 = 0; i < p.splices_count && rc == 0; i++) {
    const s = splice_at(p, i);
    if (is_replacing(s)) rc = check_short(s);
  }
  return rc;
}

/** Where the instructions that begin in [s.va, s.va + length) end, 0 when s.va is not where one
 *  begins. */
function old_end(s: Splice): u64 {
  const end = s.object_va + s.object_size;
  let at = s.object_va;
  while (at < s.va + s.length && at < end) {
    const n = decode_at(at, end);
    if (n == 0 || (at < s.va && at + n > s.va)) return 0;
    at += n;
  }
  return at;
}

/** The new bytes are whole instructions. */
function is_whole(s: Splice): bool {
  let at: u32 = 0;
  while (at < s.content_size) {
    const n = decode(s.content_off + at, s.content_size - at, s.va + at, found_insn());
    if (n == 0) return false;
    at += n;
  }
  return true;
}

/** Code in place that ends inside an old instruction: the rest of that one becomes NOPs (R2).
 *  New bytes that are not whole instructions are meant to go together with old ones, and stay as
 *  they are. */
export function finish_instructions(s: Splice): void {
  if (!is_whole(s)) return;
  const end = old_end(s);
  if (end > s.va + s.length) s.length = <u32>(end - s.va);
}
