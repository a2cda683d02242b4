// Machine code for specs: written as hexadecimal bytes, with the assembly beside it.

import { PERM_R, PERM_W, PERM_X } from "../../../assembly/abi";
import { Cpu, cpu_at } from "../../../assembly/hv/cpu";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { boot_gdt, load_gdt } from "../../../assembly/hv/gdt";
import { header } from "../../../assembly/hv/header";
import { CPU_SIZE, IO_OFF } from "../../../assembly/hv/layout";
import { poke, set_context } from "../../../assembly/hv/mem";
import { map_pages, new_root } from "../../../assembly/hv/pages";
import { HYPERVISOR_CS } from "../../../assembly/hv/smp";
import { flush_code } from "../../../assembly/hv/x86/cache";
import { reset_state } from "../../../assembly/hv/x86/state";
import { reset_machine } from "./bare_machine";

export const CODE_VA: u64 = 0xffff82d080100000;
export const DATA_VA: u64 = 0xffff82d080200000;
export const STACK_VA: u64 = 0xffff82d080300000;
/** Top of the stack page, where specs start. */
export const STACK_TOP_VA: u64 = STACK_VA + 0x1000;

let lower_root: usize = 0;

/** Two pages of code, two of data, one of stack, with unmapped pages around; CPUs 0 and 1 in
 *  reset. */
export function reset_cpus(): void {
  reset_machine();
  flush_code();
  lower_root = new_root();
  enter_hypervisor();
  map(CODE_VA, 2, PERM_R | PERM_X);
  map(DATA_VA, 2, PERM_R | PERM_W);
  map(STACK_VA, 1, PERM_R | PERM_W);
  assert(boot_gdt() == 0);
  for (let i: u32 = 0; i < 2; i++) {
    const cpu = cpu_at(i);
    memory.fill(changetype<usize>(cpu), 0, CPU_SIZE);
    cpu.id = i;
    cpu.rip = CODE_VA;
    cpu.rsp = STACK_TOP_VA;
    cpu.rflags = 2;
    cpu.cs = HYPERVISOR_CS;
    reset_state(cpu);
    load_gdt(cpu);
  }
}

/** From now on CPU 0 executes user code. */
export function enter_user(): void {
  cpu_at(0).user = 1;
  set_context(<usize>header().hv_root, lower_root, 0, true);
}

/** And from now on hypervisor code. */
export function enter_hypervisor(): void {
  cpu_at(0).user = 0;
  set_context(<usize>header().hv_root, lower_root, -1, false);
}

/** Maps fresh pages; returns where they lie. */
export function map(va: u64, pages: u32, perms: u32): usize {
  const off = alloc_frames(pages, OWNER_IMAGE);
  assert(off != 0);
  const root = <i64>va < 0 ? <usize>header().hv_root : lower_root;
  assert(map_pages(root, va, off, pages, perms));
  return off;
}

function nibble(c: i32): u32 {
  return c <= 0x39 ? c - 0x30 : (c | 0x20) - 0x57;
}

/** Bytes of a hexadecimal string (blanks do not count) at `to`; returns how many. */
export function hex_bytes(to: usize, hex: string): u32 {
  let n: u32 = 0;
  for (let i = 0; i < hex.length; i++) {
    if (hex.charCodeAt(i) == 0x20) continue;
    store<u8>(to + n, <u8>((nibble(hex.charCodeAt(i)) << 4) | nibble(hex.charCodeAt(i + 1))));
    n++;
    i++;
  }
  return n;
}

/** Puts code at `va`, as the machine does when it patches. */
export function place(va: u64, hex: string): u64 {
  const n = hex_bytes(IO_OFF, hex);
  assert(poke(va, IO_OFF, n) == 0);
  return va + n;
}

export function cpu0(): Cpu {
  return cpu_at(0);
}
