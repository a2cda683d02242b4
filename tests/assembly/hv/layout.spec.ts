// hv/layout: the map is ordered, and what the compiler adds lies behind the machine.

import {
  AS_BASE,
  CPUS_OFF,
  FRAMES_END,
  FRAMES_OFF,
  HEADER_OFF,
  HYPERVISOR_VA,
  MACHINE_END,
  NR_FRAMES,
  OWNERS_OFF,
  STACKS_VA,
  STACK_STRIDE,
  stack_base_va,
} from "../../../assembly/hv/layout";
import { NR_CPUS, PAGE_SIZE, STACK_SIZE } from "../../../assembly/hv/param";

describe("layout", () => {
  it("leaves page 0 unused, so that a null overlay reaches nothing", () => {
    expect<usize>(HEADER_OFF).toBeGreaterThanOrEqual(PAGE_SIZE);
    expect<usize>(CPUS_OFF).toBeGreaterThan(HEADER_OFF);
  });

  it("has one owner byte for every frame, in front of the frames", () => {
    expect<usize>(OWNERS_OFF + NR_FRAMES).toBeLessThanOrEqual(FRAMES_OFF);
    expect<usize>(FRAMES_OFF % PAGE_SIZE).toBe(0);
    expect<usize>(FRAMES_END).toBeLessThanOrEqual(MACHINE_END);
  });

  it("keeps the compiler's data and heap behind the machine", () => {
    expect<usize>(AS_BASE).toBeGreaterThan(MACHINE_END);
    expect<usize>(__heap_base).toBeGreaterThanOrEqual(AS_BASE);
  });

  it("gives every CPU a stack of 32 KiB aligned to its size, with a guard below it", () => {
    for (let cpu: u32 = 0; cpu < NR_CPUS; cpu++) {
      const base = stack_base_va(cpu);
      expect<u64>(base % STACK_SIZE).toBe(0);
      expect<u64>(base - (STACKS_VA + cpu * STACK_STRIDE)).toBe(STACK_SIZE);
      expect<u64>(base).toBeGreaterThan(HYPERVISOR_VA);
    }
  });
});
