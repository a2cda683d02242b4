// One record per CPU: architectural state (Intel SDM vol. 1 ch. 3), the fault latch, and what the
// hypervisor keeps per CPU. The interpreter (hv/x86) owns the first half, the scheduler the second.
// General registers are in encoding order (rax rcx rdx rbx rsp rbp rsi rdi r8..r15), so that
// register n is at offset 8 * n.

import { CPU_SIZE, CPUS_OFF } from "./layout";

export const CPU_OFFLINE: u32 = 0;
export const CPU_IDLE: u32 = 1; // online, nothing to run: hypervisor stack empty
export const CPU_HYPERVISOR: u32 = 2; // executing hypervisor code on its stack
export const CPU_GUEST: u32 = 3; // executing guest code: hypervisor stack empty

export const CPU_RIP: usize = 128;
export const CPU_RFLAGS: usize = 136;
export const CPU_ZERO: usize = 248;


@unmanaged
export class Cpu {
  rax: u64;
  rcx: u64;
  rdx: u64;
  rbx: u64;
  rsp: u64;
  rbp: u64;
  rsi: u64;
  rdi: u64;
  r8: u64;
  r9: u64;
  r10: u64;
  r11: u64;
  r12: u64;
  r13: u64;
  r14: u64;
  r15: u64;
  rip: u64; // 128
  rflags: u64; // 136, complete whenever the CPU is not inside run_cpu
  fs_base: u64; // 144
  gs_base: u64; // 152
  kernel_gs_base: u64; // 160
  cr0: u64; // 168
  cr2: u64; // 176
  cr3: u64; // 184
  cr4: u64; // 192
  cr8: u64; // 200
  efer: u64; // 208
  star: u64; // 216
  lstar: u64; // 224
  cstar: u64; // 232
  sfmask: u64; // 240
  zero: u64; // 248, always 0: stands for the base or index register that an address has not
  cs: u16;
  ss: u16;
  ds: u16;
  es: u16;
  fs: u16;
  gs: u16;
  pad0: u32; // 256
  retired: u64; // 272: instructions retired by this CPU
  // Fault latch: valid after STOP_FAULT. rip still points at the faulting instruction.
  fault_vector: u32; // 280
  fault_error: u32; // 284
  fault_va: u64; // 288
  fault_rip: u64; // 296
  // What the hypervisor keeps.
  id: u32; // 304
  state: u32; // 308: CPU_*
  domain: i32; // 312: whose guest is behind this CPU, -1 none
  user: u32; // 316: 1 while guest code runs (no access to the hypervisor half)
  stack_top_va: u64; // 320: T of the per-CPU block (Xen's get_cpu_info() ends here)
  current_va: u64; // 328: struct vcpu that T-56 points to
  softirq_pending: u32; // 336
  stop: u32; // 340: STOP_* of the last run
  deadline: u64; // 344: retired count at which the present run ends
  budget: u64; // 352
  // What the scheduler keeps.
  live: u32; // 360: runs an idle loop or a guest of its own; else it only works when it is called
  halted: u32; // 364: in HLT, until an interrupt
  waiting: u32; // 368: GATE_* of the patch point where it waits, rip still at the gate
  idling: u32; // 372: past the idle loop's patch point
  nmi_pending: u32; // 376
  borrowed: u32; // 380: does a call for the host; its own context is saved
  nmi_frame_va: u64; // 384: lowest word of the frame of the NMI in service, 0 none
  irr0: u64;
  irr1: u64;
  irr2: u64;
  irr3: u64; // 392: interrupts requested, one bit a vector
  excursion: u32; // 424: serves an interrupt although nothing else runs here
  serialised: u32; // 428: times it has gone on from a patch point
  result_rax: u64; // 432: of the last call
  result_rip: u64; // 440
  interrupted: u32; // 448: took an interrupt while it waited
  crashed: u32; // 452: a fault that nothing expected; runs no more
  // A guest that was crashed by a fault of its own (hv/domain_crash.ts): the CPU has none any more.
  lost: u32; // 456
  lost_domain: i32; // 460
  lost_vector: u32; // 464
  lost_error: u32; // 468
  lost_rip: u64; // 472
  lost_va: u64; // 480

  /** XMM registers, 16 bytes each, at 512. */
  @inline get xmm_off(): usize {
    return changetype<usize>(this) + 512;
  }
  /** State of the x87 and MXCSR, 160 bytes, at 768 (x86/state.ts). */
  @inline get legacy_off(): usize {
    return changetype<usize>(this) + 768;
  }
  /** The context of a borrowed CPU, at 1024. */
  @inline get saved_off(): usize {
    return changetype<usize>(this) + 1024;
  }
  /** System registers, 192 bytes, at 1856 (x86/state.ts). */
  @inline get system_off(): usize {
    return changetype<usize>(this) + 1856;
  }
}
if (offsetof<Cpu>("rip") != CPU_RIP) ERROR("Cpu.rip");
if (offsetof<Cpu>("rflags") != CPU_RFLAGS) ERROR("Cpu.rflags");
if (offsetof<Cpu>("zero") != CPU_ZERO) ERROR("Cpu.zero");
if (offsetof<Cpu>("id") != 304) ERROR("Cpu.id");
if (offsetof<Cpu>("lost_va") != 480) ERROR("Cpu.lost_va");
if (offsetof<Cpu>() > 512) ERROR("Cpu reaches into its XMM registers");


@inline
export function cpu_at(id: u32): Cpu {
  return changetype<Cpu>(CPUS_OFF + CPU_SIZE * <usize>id);
}
