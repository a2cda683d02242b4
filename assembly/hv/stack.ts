// Hypervisor stacks: one of 32 KiB per CPU, aligned to its size, guard pages below it, and at its
// top Xen's struct cpu_info (264 bytes), through which image code finds its CPU and vcpu
// (livepatch-today 6.6).

import { ENOMEM, PERM_R, PERM_W } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import { alloc_frames, OWNER_STACK } from "./frames";
import { header } from "./header";
import { stack_base_va } from "./layout";
import { peek_off } from "./mem";
import { map_pages } from "./pages";
import { PAGE_SHIFT, STACK_SIZE } from "./param";
import { refuse } from "./refusal";
import { Cpu, CPU_HYPERVISOR, CPU_OFFLINE } from "./cpu";

/** Distances below the top. */
export const INFO_GUEST_REGS: u64 = 264; // struct cpu_user_regs, 200 bytes
export const INFO_RIP: u64 = 136; // cpu_user_regs.rip: an interrupt's frame is rip to ss
export const INFO_PROCESSOR_ID: u64 = 64;
export const INFO_CURRENT_VCPU: u64 = 56;
export const INFO_PER_CPU_OFFSET: u64 = 48;

const STACK_PAGES: u32 = STACK_SIZE >> PAGE_SHIFT;

/** Maps a CPU's stack, zeroed. */
export function boot_stack(cpu: Cpu): i32 {
  const base_va = stack_base_va(cpu.id);
  const off = alloc_frames(STACK_PAGES, OWNER_STACK);
  const root = <usize>header().hv_root;
  if (off == 0 || !map_pages(root, base_va, off, STACK_PAGES, PERM_R | PERM_W)) {
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  cpu.stack_top_va = base_va + STACK_SIZE;
  return 0;
}

/** Fills what image code reads there. Called when a CPU changes whom it works for. */
export function fill_cpu_info(cpu: Cpu, per_cpu_offset: u64): void {
  const top = peek_off(cpu.stack_top_va - 8) + 8;
  store<u32>(top - <usize>INFO_PROCESSOR_ID, cpu.id);
  store<u64>(top - <usize>INFO_CURRENT_VCPU, cpu.current_va);
  store<u64>(top - <usize>INFO_PER_CPU_OFFSET, per_cpu_offset);
}

/** rsp at the entry of a function that the machine calls: below cpu_info, the return address
 *  pushed, and aligned as the psABI wants it there (rsp + 8 a multiple of 16). */
@inline
export function entry_rsp(cpu: Cpu): u64 {
  return ((cpu.stack_top_va - INFO_GUEST_REGS) & ~15) - 8;
}


@inline
export function is_on_stack(cpu: Cpu, va: u64): bool {
  return va < cpu.stack_top_va && va >= cpu.stack_top_va - STACK_SIZE;
}

/** Whether a CPU has frames on its hypervisor stack. One in its guest, or that is not called, has
 *  none; one that idles on its own has the idle loop's. */
export function is_inside(cpu: Cpu): bool {
  if (cpu.user != 0 || cpu.state == CPU_OFFLINE) return false;
  return cpu.live != 0 || cpu.state == CPU_HYPERVISOR;
}

/** Where a stack begins: above are the saved registers of the guest, which may hold whatever the
 *  guest likes. */
@inline
export function stack_start_va(cpu: Cpu): u64 {
  return cpu.stack_top_va - INFO_GUEST_REGS;
}

/** One past the words of a stack that may be return addresses. An NMI is taken also while an entry
 *  saves or restores the guest's registers: then the address to go back to lies among them. */
export function words_end_va(cpu: Cpu): u64 {
  const start_va = stack_start_va(cpu);
  const in_nmi = cpu.nmi_frame_va >= start_va && cpu.rsp <= cpu.nmi_frame_va;
  return in_nmi ? cpu.nmi_frame_va + 8 : start_va;
}

/** The lowest word in use; words_end_va() when there is none. */
export function words_va(cpu: Cpu): u64 {
  const va = cpu.rsp & ~7;
  const end_va = words_end_va(cpu);
  return va < cpu.stack_top_va - STACK_SIZE || va > end_va ? end_va : va;
}
