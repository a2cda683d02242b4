// Hypercalls that are begun and not waited for: a toolstack of a domain makes one on a CPU, as any
// guest does. It starts in the domain's user mode at a `syscall`, comes in through the entry,
// is dispatched, passes the point before the way into a guest, and is over when `iretq` has brought
// it behind the `syscall`. Meanwhile it has turns like everybody else, can be interrupted, and
// stands at the patch point with all others. What the CPU was doing before is put aside in its
// record (hv/borrow.ts) and goes on afterwards; the result stays until it is collected.

import {
  ENOENT,
  EOPNOTSUPP,
  RESULT_CPU,
  RESULT_ERROR,
  RESULT_FAULT_RIP,
  RESULT_FAULT_VA,
  RESULT_INSTRUCTIONS,
  RESULT_RAX,
  RESULT_SIZE,
  RESULT_STOP,
  RESULT_VECTOR,
  STOP_FAULT,
} from "../abi";
import { REASON_NO_GUESTS } from "../reasons";
import { borrow, give_back, is_free, refuse_busy } from "./borrow";
import { Cpu, CPU_GUEST } from "./cpu";
import { GUEST_CS, GUEST_SS } from "./guest";
import { GUEST_TOOLSTACK } from "./guest_code";
import { header } from "./header";
import { has_requests } from "./interrupt";
import { GUEST_DATA_VA, GUEST_TEXT_VA } from "./layout";
import { peek_off } from "./mem";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refuse } from "./refusal";
import { RFLAGS_IF, RFLAGS_RESET, set_current } from "./smp";
import { INFO_GUEST_REGS } from "./stack";

/** Begun.state */
export const BEGUN_NONE: u32 = 0;
export const BEGUN_UNDER_WAY: u32 = 1;
export const BEGUN_ENDED: u32 = 2; // the result waits to be collected

const SYSCALL_LENGTH: u64 = 2;
/** struct cpu_user_regs at the top of the stack: of the guest that is put aside. */
const UREGS: usize = 200;

/** In the CPU's record, behind its saved context. */
@unmanaged
export class Begun {
  state: u32;
  stop: u32; // STOP_*, once it has ended
  rax: u64;
  rip: u64;
  retired: u64; // instructions of the CPU when it began, of the hypercall once it has ended
  vector: u32; // of the fault that ended it
  error: u32;
  fault_va: u64;
  // 64: the guest's struct cpu_user_regs
  @inline get frame_off(): usize {
    return changetype<usize>(this) + 64;
  }
}
if (offsetof<Begun>() > 64) ERROR("Begun reaches into the guest's frame");
const BEGUN_OFF: usize = 1600;
export const BEGUN_SIZE: usize = 64 + UREGS;


@inline
export function begun(cpu: Cpu): Begun {
  return changetype<Begun>(changetype<usize>(cpu) + BEGUN_OFF);
}


@inline
export function is_under_way(cpu: Cpu): bool {
  return begun(cpu).state == BEGUN_UNDER_WAY;
}


@inline
function frame_of(cpu: Cpu): usize {
  return peek_off(cpu.stack_top_va - INFO_GUEST_REGS);
}

/** Argument n of a hypercall (Xen's convention for 64-bit guests). */
function set_argument(cpu: Cpu, n: u32, value: u64): void {
  if (n == 0) cpu.rdi = value;
  else if (n == 1) cpu.rsi = value;
  else if (n == 2) cpu.rdx = value;
  else if (n == 3) cpu.r10 = value;
  else if (n == 4) cpu.r8 = value;
  else if (n == 5) cpu.r9 = value;
}

/** A vcpu could be scheduled here now: the CPU is in its guest or idles, and nothing calls it. */
function can_begin(cpu: Cpu): bool {
  if (begun(cpu).state != BEGUN_NONE || cpu.waiting != 0) return false;
  return is_free(cpu) && !has_requests(cpu);
}

/** Begins hypercall `nr` of `domain` with `nargs` u64 from `args_off`: 0, -EBUSY cpu-busy, or
 *  -EOPNOTSUPP no-guests on a machine whose CPUs only work when they are called. */
export function begin_hypercall(cpu: Cpu, domain: i32, nr: u64, args_off: usize, nargs: u32): i32 {
  if (header().live_cpus == 0) return refuse(EOPNOTSUPP, REASON_NO_GUESTS);
  if (!can_begin(cpu)) return refuse_busy(cpu);
  borrow(cpu);
  const b = begun(cpu);
  memory.copy(b.frame_off, frame_of(cpu), UREGS);
  memory.fill(changetype<usize>(cpu), 0, 128);
  for (let n: u32 = 0; n < nargs; n++) {
    set_argument(cpu, n, load<u64>(args_off + ((<usize>n) << 3)));
  }
  cpu.rax = nr;
  cpu.rip = GUEST_TEXT_VA + GUEST_TOOLSTACK;
  cpu.rsp = GUEST_DATA_VA + ((<u64>cpu.id) << PAGE_SHIFT) + PAGE_SIZE;
  cpu.rflags = RFLAGS_RESET | RFLAGS_IF;
  cpu.cs = <u16>GUEST_CS;
  cpu.ss = <u16>GUEST_SS;
  cpu.user = 1;
  cpu.state = CPU_GUEST;
  set_current(cpu, domain);
  b.state = BEGUN_UNDER_WAY;
  b.retired = cpu.retired;
  header().begun++;
  return 0;
}

/** Back in user mode, behind the `syscall`. */
@inline
export function has_returned(cpu: Cpu): bool {
  return cpu.user != 0 && cpu.rip == GUEST_TEXT_VA + GUEST_TOOLSTACK + SYSCALL_LENGTH;
}

/** The hypercall is over: the result is kept, and the CPU does what it did before, unless it has
 *  crashed. After a fault of the caller's own the CPU is none the worse. */
export function end_hypercall(cpu: Cpu, stop: u32): void {
  const b = begun(cpu);
  b.state = BEGUN_ENDED;
  b.stop = stop;
  b.rax = cpu.rax;
  b.rip = cpu.rip;
  b.vector = cpu.fault_vector;
  b.error = cpu.fault_error;
  b.fault_va = cpu.fault_va;
  b.retired = cpu.retired - b.retired;
  header().begun--;
  if (cpu.crashed != 0) return;
  memory.copy(frame_of(cpu), b.frame_off, UREGS);
  give_back(cpu);
}

/** 1 and RESULT_* of the hypercall that has ended, which is forgotten then; 0 while it is under
 *  way; -ENOENT when none was begun. */
export function collect_hypercall(to: usize, cpu: Cpu): i32 {
  const b = begun(cpu);
  if (b.state != BEGUN_ENDED) return b.state == BEGUN_NONE ? -ENOENT : 0;
  memory.fill(to, 0, RESULT_SIZE);
  store<u32>(to + RESULT_STOP, b.stop);
  store<u32>(to + RESULT_CPU, cpu.id);
  store<u64>(to + RESULT_RAX, b.rax);
  store<u64>(to + RESULT_INSTRUCTIONS, b.retired);
  store<u64>(to + RESULT_FAULT_RIP, b.rip);
  if (b.stop == STOP_FAULT) {
    store<u32>(to + RESULT_VECTOR, b.vector);
    store<u32>(to + RESULT_ERROR, b.error);
    store<u64>(to + RESULT_FAULT_VA, b.fault_va);
  }
  memory.fill(changetype<usize>(b), 0, BEGUN_SIZE);
  return 1;
}
