// What must hold between any two steps, whatever the CPUs do: asked by the search for schedules and
// by tests. A violation is a defect of the hypervisor's own patching, or of code that a payload
// brings, never of the order in which CPUs run.

import { PERM_X, XSPLICE_STATUS_PROGRESS } from "../abi";
import {
  VIOLATION_BETWEEN,
  VIOLATION_FAULT,
  VIOLATION_GUEST,
  VIOLATION_HALF_WRITTEN,
  VIOLATION_LATE,
  VIOLATION_RETURN,
  VIOLATION_STALE,
  VIOLATION_UNLOADED,
} from "../abi_schedules";
import { forget_rules } from "../hv/cfa";
import { Cpu, CPU_OFFLINE, cpu_at } from "../hv/cpu";
import { enter_domain } from "../hv/domain";
import { begin_walk, next_frame, WALK_END, WALK_WORDS, word_off, word_va } from "../hv/frame_walk";
import { header } from "../hv/header";
import { is_mapped, peek_off } from "../hv/mem";
import { note_violation } from "../hv/preempt";
import { is_on_stack, words_end_va, words_va } from "../hv/stack";
import { CLASS_CHANGED } from "../hv/visible";
import { is_stale_code } from "../hv/x86/cache";
import { code_class } from "./code_class";
import { misplaced_function } from "./livepatch/patching";
import { first_today, next_today } from "./livepatch/record";
import { first_payload, is_live, is_payload, next_payload, Payload } from "./payload";
import { MARK_REPLACES, Splice, splice_at, splice_touching, SPLICE_TRAMPOLINE } from "./splice";

/** Work is looked at between turns, so it ends a little after its time. */
const SLACK_NS: u64 = 4096;

/** True for an address of the payload area at which no code is. */
function is_dangling(va: u64): bool {
  const h = header();
  if (va < h.payload_base_va || va >= h.payload_end_va) return false;
  return !is_mapped(va, 1, PERM_X);
}

/** True for an address in the middle of a jump that a payload has put in place. */
function is_in_jump(va: u64): bool {
  const h = header();
  if (va < h.text_lo_va || va >= h.text_hi_va) return false;
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    if (!is_live(p)) continue;
    const s = splice_touching(p, va, 1);
    if (changetype<usize>(s) != 0 && s.kind == SPLICE_TRAMPOLINE && va != s.va) return true;
  }
  return false;
}

/** Whether any word in use on a CPU's stack looks like an address where no instruction is. */
function has_bad_word(cpu: Cpu): bool {
  const end_va = words_end_va(cpu);
  for (let va = words_va(cpu); va < end_va; va += 8) {
    const off = peek_off(va);
    if (off != 0 && (is_dangling(load<u64>(off)) || is_in_jump(load<u64>(off)))) return true;
  }
  return false;
}

/** Return addresses, as far as the code proves where they are: a word in a buffer is none, and
 *  whoever returns there after all is met with his rip. */
function check_returns(cpu: Cpu): void {
  // Code may put its stack pointer anywhere.
  if (!is_on_stack(cpu, cpu.rsp) || !has_bad_word(cpu)) return;
  forget_rules();
  begin_walk(cpu, true);
  for (let kind = next_frame(); kind != WALK_END && kind != WALK_WORDS; kind = next_frame()) {
    const back = load<u64>(word_off(word_va()));
    if (!is_dangling(back) && !is_in_jump(back)) continue;
    note_violation(VIOLATION_RETURN, cpu.id, word_va());
    return;
  }
}

function check_cpu(cpu: Cpu): void {
  if (cpu.lost != 0) note_violation(VIOLATION_GUEST, cpu.id, cpu.lost_rip);
  if (cpu.state == CPU_OFFLINE || cpu.live == 0) return;
  if (cpu.crashed != 0) note_violation(VIOLATION_FAULT, cpu.id, cpu.rip);
  if (cpu.user != 0) return;
  if (is_dangling(cpu.rip)) note_violation(VIOLATION_UNLOADED, cpu.id, cpu.rip);
  if (is_in_jump(cpu.rip)) note_violation(VIOLATION_HALF_WRITTEN, cpu.id, cpu.rip);
  if (code_class(cpu.rip) == CLASS_CHANGED && is_stale_code(cpu.rip)) {
    note_violation(VIOLATION_STALE, cpu.id, cpu.rip);
  }
  check_returns(cpu);
}

/** A later payload has written over a part of the place. */
function is_covered(p: Payload, s: Splice): bool {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (!is_live(q) || q.apply_order <= p.apply_order) continue;
    if (changetype<usize>(splice_touching(q, s.va, s.length)) != 0) return true;
  }
  return false;
}

/** What is not applied is led into from nowhere. */
function check_no_jump(p: Payload): void {
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    const off: usize = s.kind == SPLICE_TRAMPOLINE ? peek_off(s.va) : 0;
    if (off == 0 || load<u8>(off) != 0xe9 || (s.va & 0xfff) > 0xffb) continue;
    const target = s.va + 5 + <u64>(<i64>load<i32>(off, 1));
    const inside = target - p.base_va < (<u64>p.mem_pages) << 12;
    if (inside) note_violation(VIOLATION_BETWEEN, 0, s.va);
  }
}

/** Every place holds the new bytes when the payload is applied, else the old ones: whole, and all
 *  of them the same. */
function check_bytes(p: Payload): void {
  if (p.prepared_off == 0) {
    check_no_jump(p);
    return;
  }
  const live = is_live(p);
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (s.to_off == 0 || (!live && (s.marks & MARK_REPLACES) != 0)) continue;
    if (memory.compare(s.to_off, live ? s.new_off : s.old_off, s.length) == 0) continue;
    if (live && is_covered(p, s)) continue;
    note_violation(VIOLATION_BETWEEN, 0, s.va);
  }
}

function check_work(): void {
  const h = header();
  const end_ns = h.work_id == 0 ? 0 : h.work_deadline_ns;
  if (end_ns != 0 && h.time_ns > end_ns + SLACK_NS) note_violation(VIOLATION_LATE, 0, 0);
}

function check_payload(p: Payload): void {
  check_bytes(p);
  const late = p.deadline_ns != 0 && header().time_ns > p.deadline_ns + SLACK_NS;
  if (p.status == XSPLICE_STATUS_PROGRESS && late) note_violation(VIOLATION_LATE, 0, 0);
}

/** VIOLATION_* of the first invariant that was ever found broken, 0 none. */
export function check_invariants(): u32 {
  enter_domain(-1, false);
  for (let id: u32 = 0; id < header().nr_cpus; id++) check_cpu(cpu_at(id));
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) check_payload(p);
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    const at = misplaced_function(p);
    if (at != 0) note_violation(VIOLATION_BETWEEN, 0, at);
  }
  check_work();
  return header().violation;
}
