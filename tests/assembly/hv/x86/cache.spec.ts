// Decoded code and its end: a patched instruction never runs stale.

import { PERM_R, PERM_X, STOP_BUDGET, STOP_FAULT, STOP_HALT } from "../../../../assembly/abi";
import { cpu_at } from "../../../../assembly/hv/cpu";
import { alloc_frames, OWNER_DOMAIN } from "../../../../assembly/hv/frames";
import { header } from "../../../../assembly/hv/header";
import { set_context } from "../../../../assembly/hv/mem";
import { map_pages, new_root, protect_pages, unmap_pages } from "../../../../assembly/hv/pages";
import { hash_slot } from "../../../../assembly/hv/x86/cache";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { CODE_VA, cpu0, map, place, reset_cpus } from "../../support/code";

describe("code cache", () => {
  beforeEach(reset_cpus);

  it("sees a patch of the loop that another CPU is in", () => {
    place(CODE_VA, "48 83 c0 01 eb fa"); // 1: add $1,%rax; jmp 1b
    const other = cpu_at(1);
    expect(run_cpu(other, 1001)).toBe(STOP_BUDGET); // behind the add, in front of the jmp
    expect(other.rax).toBe(501);
    expect(other.rip).toBe(CODE_VA + 4);
    expect(run_cpu(cpu0(), 10)).toBe(STOP_BUDGET);
    place(CODE_VA + 3, "05"); // add $5,%rax
    expect(run_cpu(other, 3)).toBe(STOP_BUDGET); // jmp, add, jmp
    expect(other.rax).toBe(506);
    expect(run_cpu(other, 1000000)).toBe(STOP_BUDGET);
    expect(other.rax).toBe(506 + 5 * 500000);
    expect(run_cpu(cpu0(), 2)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(10);
  });

  it("sees a patch in a function that linked blocks call", () => {
    // 1: call f; cmp $1000,%eax; jb 1b; hlt      f: add $1,%eax; ret (in the second page)
    place(CODE_VA, "e8 fb 0f 00 00 3d e8 03 00 00 72 f4 f4");
    place(CODE_VA + 0x1000, "83 c0 01 c3");
    expect(run_cpu(cpu0(), 500)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(100);
    place(CODE_VA + 0x1000, "83 c0 64 c3"); // add $100
    expect(run_cpu(cpu0(), 100000)).toBe(STOP_HALT);
    expect(cpu0().rax).toBe(1000);
    expect(cpu0().retired).toBe(500 + 9 * 5 + 1);
  });

  it("sees a patch of either page of an instruction that crosses", () => {
    place(CODE_VA + 0xffd, "48 81 c0 01 00 00 00 eb f7"); // 1: add $1,%rax; jmp 1b
    cpu0().rip = CODE_VA + 0xffd;
    expect(run_cpu(cpu0(), 20)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(10);
    place(CODE_VA + 0x1000, "02"); // add $2
    expect(run_cpu(cpu0(), 20)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(30);
    place(CODE_VA + 0xffe, "81 e8"); // sub $2
    expect(run_cpu(cpu0(), 20)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(10);
  });

  it("does not run code whose page was unmapped or made data", () => {
    place(CODE_VA, "eb fe"); // jmp to itself
    expect(run_cpu(cpu0(), 100)).toBe(STOP_BUDGET);
    protect_pages(<usize>header().hv_root, CODE_VA, 1, PERM_R);
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    protect_pages(<usize>header().hv_root, CODE_VA, 1, PERM_R | PERM_X);
    expect(run_cpu(cpu0(), 100)).toBe(STOP_BUDGET);
    unmap_pages(<usize>header().hv_root, CODE_VA, 1);
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_error).toBe(0x10); // not present, fetch
  });

  it("does not run code of a frame that another one has replaced", () => {
    place(CODE_VA, "48 83 c0 01 eb fa"); // 1: add $1,%rax; jmp 1b
    expect(run_cpu(cpu0(), 100)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(50);
    map(CODE_VA, 1, PERM_R | PERM_X);
    place(CODE_VA, "48 83 e8 01 eb fa"); // sub $1,%rax
    expect(run_cpu(cpu0(), 100)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(0);
  });

  it("goes on when the cache is full", () => {
    // A new version of the loop's body for every round fills the region several times over.
    place(CODE_VA, "48 83 c0 01 eb fa");
    for (let i = 0; i < 200000; i++) {
      place(CODE_VA + 3, i % 2 == 0 ? "02" : "01");
      assert(run_cpu(cpu0(), 2) == STOP_BUDGET);
    }
    expect(cpu0().rax).toBe(300000);
  });

  it("keeps blocks whose addresses share a slot apart", () => {
    // The slot is bits 15:0 of va ^ (va >> 15): both addresses give the same.
    const twin: u64 = CODE_VA + 0x10002;
    expect(hash_slot(twin)).toBe(hash_slot(CODE_VA));
    map(CODE_VA + 0x10000, 1, PERM_R | PERM_X);
    place(CODE_VA, "ff c0 ff e1"); // inc %eax; jmp *%rcx
    place(twin, "ff c3 ff e2"); // inc %ebx; jmp *%rdx
    cpu0().rcx = twin;
    cpu0().rdx = CODE_VA;
    expect(run_cpu(cpu0(), 40000)).toBe(STOP_BUDGET);
    expect(cpu0().rax).toBe(10000);
    expect(cpu0().rbx).toBe(10000);
    place(twin, "ff cb"); // dec %ebx
    expect(run_cpu(cpu0(), 40000)).toBe(STOP_BUDGET);
    expect(cpu0().rbx).toBe(0);
  });

  it("keeps the code of two domains at one address apart", () => {
    const va: u64 = 0x400000;
    const roots = [new_root(), new_root()];
    const hypervisor = <usize>header().hv_root;
    for (let d = 0; d < 2; d++) {
      const off = alloc_frames(1, OWNER_DOMAIN);
      expect(map_pages(roots[d], va, off, 1, PERM_R | PERM_X)).toBe(true);
      set_context(hypervisor, roots[d], d, true);
      place(va, d == 0 ? "ff c0 eb fc" : "ff c3 eb fc"); // 1: inc %eax (%ebx); jmp 1b
    }
    const cpu = cpu0();
    cpu.user = 1;
    for (let round: u64 = 1; round <= 6; round++) {
      set_context(hypervisor, roots[<i32>(round & 1)], <i32>(round & 1), true);
      cpu.rip = va;
      expect(run_cpu(cpu, 100)).toBe(STOP_BUDGET);
      expect(cpu.rax).toBe((round / 2) * 50);
      expect(cpu.rbx).toBe(((round + 1) / 2) * 50);
    }
  });
});
