// Brings CPUs up: record, stack, per-CPU area, and what the image keeps an eye on (idle_vcpu,
// __per_cpu_offset, cpu_online_map), as far as the image has it.

import { EINVAL, ENOMEM, PERM_R, PERM_W } from "../abi";
import { REASON_NO_MEMORY, REASON_NO_SUCH_CPU } from "../reasons";
import { Cpu, CPU_IDLE, CPU_OFFLINE, cpu_at } from "./cpu";
import { vcpu_va } from "./current";
import { alloc_frames, OWNER_IMAGE, pages_for } from "./frames";
import { load_gdt } from "./gdt";
import { header } from "./header";
import { known_symbol } from "./image";
import { CPU_SIZE, PER_CPU_VA } from "./layout";
import { is_mapped, peek_off, poke } from "./mem";
import { map_pages } from "./pages";
import { NR_CPUS, PAGE_SHIFT } from "./param";
import { refusal, refuse } from "./refusal";
import { boot_stack, fill_cpu_info } from "./stack";
import { NAME_OFF } from "./layout";
import { reset_state } from "./x86/state";

/** Bit 1 of rflags is always set (SDM vol. 1, 3.4.3); IF: interrupts on. */
export const RFLAGS_RESET: u64 = 0x2;
export const RFLAGS_IF: u64 = 0x200;
/** Xen's selectors: 64-bit code of ring 0, and what SYSCALL loads into SS. */
export const HYPERVISOR_CS: u16 = 0xe008;
export const HYPERVISOR_SS: u16 = 0xe010;
const UNUSED_OFFSET: u64 = 0x8000000000000000;

/** Stores a u64 of the image's data, when it is there. */
function poke_u64(va: u64, value: u64): void {
  store<u64>(NAME_OFF, value);
  if (is_mapped(va, 8, PERM_W)) poke(va, NAME_OFF, 8);
}

/** Added to an address in the image's per-CPU template to get a CPU's own copy. */
export function per_cpu_offset(cpu: u32): u64 {
  const h = header();
  if (cpu == 0 || h.per_cpu_va == 0) return 0;
  return per_cpu_area(cpu) - h.per_cpu_va;
}

function per_cpu_area(cpu: u32): u64 {
  const pages = <u64>pages_for(header().per_cpu_size) + 1; // one stays unmapped
  return PER_CPU_VA + ((<u64>cpu * pages) << PAGE_SHIFT);
}

/** Gives every CPU but the first a zeroed area, and tells the image where they are. */
function boot_per_cpu(): i32 {
  const h = header();
  const start = known_symbol("__per_cpu_start");
  let end = known_symbol("__per_cpu_data_end");
  if (end == 0) end = known_symbol("__per_cpu_end");
  const offsets = known_symbol("__per_cpu_offset");
  if (start == 0 || end <= start || end > h.image_hi_va || offsets == 0) return 0;
  h.per_cpu_va = start;
  h.per_cpu_size = end - start;
  const pages = pages_for(end - start);
  for (let cpu: u32 = 1; cpu < h.nr_cpus; cpu++) {
    const off = alloc_frames(pages, OWNER_IMAGE);
    const va = per_cpu_area(cpu);
    if (off == 0 || !map_pages(<usize>h.hv_root, va, off, pages, PERM_R | PERM_W)) {
      return refuse(ENOMEM, REASON_NO_MEMORY);
    }
  }
  for (let cpu: u32 = 0; cpu < NR_CPUS; cpu++) {
    const offset = cpu < h.nr_cpus ? per_cpu_offset(cpu) : UNUSED_OFFSET - start;
    poke_u64(offsets + ((<u64>cpu) << 3), offset);
  }
  return 0;
}

/** State of a CPU that was just switched on: idle, interrupts on, all registers zero. */
export function reset_cpu(id: u32): Cpu {
  const cpu = cpu_at(id);
  memory.fill(changetype<usize>(cpu), 0, CPU_SIZE);
  cpu.id = id;
  cpu.state = CPU_IDLE;
  cpu.domain = -1;
  cpu.rflags = RFLAGS_RESET | RFLAGS_IF;
  cpu.cs = HYPERVISOR_CS;
  reset_state(cpu);
  load_gdt(cpu);
  return cpu;
}

/** A CPU works for `domain` (-1: nobody) from now on. */
export function set_current(cpu: Cpu, domain: i32): void {
  cpu.domain = domain;
  cpu.current_va = vcpu_va(domain, cpu.id);
  fill_cpu_info(cpu, per_cpu_offset(cpu.id));
}

/** Sets or clears a CPU's bit in a map of them, when there is one. */
function tell_map(map: u64, id: u32, online: bool): void {
  const word = map + ((<u64>(id >> 6)) << 3);
  const off: usize = map == 0 ? 0 : peek_off(word);
  if (off == 0 || !is_mapped(word, 8, PERM_W)) return;
  const bit = (<u64>1) << (id & 63);
  poke_u64(word, online ? load<u64>(off) | bit : load<u64>(off) & ~bit);
}

/** Tells the image's cpu_online_map and that of the entries that a CPU has come or gone. */
export function tell_online(id: u32, online: bool): void {
  const map = known_symbol("cpu_online_map");
  tell_map(map, id, online);
  if (header().online_map_va != map) tell_map(header().online_map_va, id, online);
}

export function boot_cpus(): i32 {
  const h = header();
  const rc = boot_per_cpu();
  if (rc != 0) return rc;
  const idle = known_symbol("idle_vcpu");
  for (let id: u32 = 0; id < h.nr_cpus; id++) {
    const cpu = reset_cpu(id);
    const failed = boot_stack(cpu);
    if (failed != 0) return failed;
    set_current(cpu, -1);
    if (idle != 0) poke_u64(idle + ((<u64>id) << 3), cpu.current_va);
    tell_online(id, true);
  }
  return 0;
}

/** 0, or -EINVAL no-such-cpu. */
export function check_cpu(id: u32): i32 {
  if (id < header().nr_cpus && cpu_at(id).state != CPU_OFFLINE) return 0;
  const rc = refuse(EINVAL, REASON_NO_SUCH_CPU);
  refusal().cpu = id;
  refusal().value = id;
  refusal().limit = header().nr_cpus;
  return rc;
}
