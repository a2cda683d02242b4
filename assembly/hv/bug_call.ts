// What Xen's run_in_exception_handler() comes to: a ud2 whose bug frame names a function. The trap
// handler saves the registers on the stack (struct cpu_user_regs up to ss), calls the function with
// them, and goes on behind the ud2 with what the function has left in them. Here the function is
// run as code; it returns to an address where nothing is mapped, which ends the call. So calls can
// be nested, and be cut off anywhere, as the machine's memory holds all there is to know.
//
//   frame, ascending: rip behind the ud2 (8)
//                     r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi (120)
//                     error code, vector (8), rip, cs, rflags, rsp, ss (Intel SDM vol. 3, 6.14.2)

import { VECTOR_UD } from "../abi";
import { Cpu } from "./cpu";
import { BUG_RETURN_VA } from "./layout";
import { copy_from_va, copy_to_va } from "./mem";
import { HYPERVISOR_CS } from "./smp";
import { FIXED, POPF_MASK } from "./x86/flags";

const REGS_SIZE: usize = 168;
const FRAME_SIZE: usize = 8 + REGS_SIZE;
const NR_SAVED: usize = 15;
const DF: u64 = 0x400;
const UD2_LEN: u64 = 2;
const FRAME = memory.data(184);
if (FRAME_SIZE + 8 > 184) ERROR("the frame and a return address outgrow their buffer");

/** Numbers of the general registers in the order of the frame. */
const ORDER = memory.data<u8>([15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7]);


@inline
function register(cpu: Cpu, i: usize): usize {
  return changetype<usize>(cpu) + ((<usize>load<u8>(ORDER + i)) << 3);
}

/** Calls `fn` for the ud2 at rip. False: the stack has no room. */
export function call_for_bug(cpu: Cpu, fn: u64): bool {
  const regs = FRAME + 16;
  store<u64>(FRAME, BUG_RETURN_VA);
  store<u64>(FRAME, cpu.rip + UD2_LEN, 8);
  for (let i: usize = 0; i < NR_SAVED; i++) {
    store<u64>(regs + (i << 3), load<u64>(register(cpu, i)));
  }
  store<u64>(regs, (<u64>VECTOR_UD) << 32, 120);
  store<u64>(regs, cpu.rip, 128);
  store<u64>(regs, <u64>HYPERVISOR_CS, 136);
  store<u64>(regs, cpu.rflags, 144);
  store<u64>(regs, cpu.rsp, 152);
  store<u64>(regs, <u64>cpu.ss, 160);
  const regs_va = (cpu.rsp & ~15) - <u64>REGS_SIZE;
  if (copy_to_va(regs_va - 16, FRAME, 16 + REGS_SIZE) != 0) return false;
  cpu.rsp = regs_va - 16;
  cpu.rdi = regs_va;
  cpu.rip = fn;
  cpu.rflags &= ~DF;
  return true;
}

/** The function has returned. False: its frame is not there any more. */
export function return_from_bug(cpu: Cpu): bool {
  if (copy_from_va(FRAME, cpu.rsp, FRAME_SIZE) != 0) return false;
  const regs = FRAME + 8;
  for (let i: usize = 0; i < NR_SAVED; i++) {
    store<u64>(register(cpu, i), load<u64>(regs + (i << 3)));
  }
  cpu.rip = load<u64>(FRAME);
  cpu.rflags = (load<u64>(regs, 144) & POPF_MASK) | FIXED;
  cpu.rsp = load<u64>(regs, 152);
  return true;
}
