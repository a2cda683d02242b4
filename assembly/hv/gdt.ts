// The global descriptor table that Xen's boot leaves (its asm/desc.h; Intel SDM vol. 3, 3.4.5 and
// 5.8): one page of descriptors at selectors from 0xe000 on, the same for every CPU. There is no
// TSS and no IDT behind it: stacks are found as Xen lays them out (hv/stack.ts), and interrupts
// reach the image by the names of its entries (hv/entries.ts).

import { ENOMEM, PERM_R, PERM_W } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import { Cpu } from "./cpu";
import { alloc_frames, OWNER_CURRENT } from "./frames";
import { header } from "./header";
import { GDT_VA } from "./layout";
import { map_pages } from "./pages";
import { PAGE_SIZE } from "./param";
import { refuse } from "./refusal";
import { system_of } from "./x86/state";

/** Selectors of what is below belong to guests. */
const FIRST_RESERVED: u64 = 0xe000;
const LIMIT: u16 = <u16>FIRST_RESERVED + <u16>(PAGE_SIZE - 1);

// Base 0, limit 4 GiB, accessed. L: 64-bit code; D: 32-bit.
const CODE64: u64 = 0x00af9b000000ffff;
const CODE32: u64 = 0x00cf9b000000ffff;
const DATA: u64 = 0x00cf93000000ffff;
const RING_3: u64 = 0x600000000000;

/** STAR's selectors (vol. 3, 5.8.8): SYSRET's, then SYSCALL's. */
const STAR: u64 = 0xe023e00800000000;

/** Points a CPU to the table, and SYSCALL and SYSRET to its selectors. */
export function load_gdt(cpu: Cpu): void {
  cpu.star = STAR;
  system_of(cpu).gdt_base = GDT_VA;
  system_of(cpu).gdt_limit = LIMIT;
}

export function boot_gdt(): i32 {
  const off = alloc_frames(1, OWNER_CURRENT);
  const root = <usize>header().hv_root;
  if (off == 0 || !map_pages(root, GDT_VA + FIRST_RESERVED, off, 1, PERM_R | PERM_W)) {
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  store<u64>(off, CODE64, 0x08); // __HYPERVISOR_CS 0xe008
  store<u64>(off, DATA, 0x10); // __HYPERVISOR_DS32 0xe010
  store<u64>(off, CODE32, 0x18); // __HYPERVISOR_CS32 0xe018
  store<u64>(off, CODE32 | RING_3, 0x20); // FLAT_RING3_CS32 0xe023
  store<u64>(off, DATA | RING_3, 0x28); // FLAT_RING3_DS32 0xe02b
  store<u64>(off, CODE64 | RING_3, 0x30); // FLAT_RING3_CS64 0xe033
  return 0;
}
