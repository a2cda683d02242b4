// xsplice/invariants, and what is asked at the moment of a change (hv/preempt, xsplice/stackcheck):
// each state that must not be, made by hand, is told by its name; what may be is not.

import {
  GATE_GUEST_ENTRY,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_PROGRESS,
} from "../../../assembly/abi";
import {
  GUARD_BARRIER,
  VIOLATION_BARRIER,
  VIOLATION_BETWEEN,
  VIOLATION_FAULT,
  VIOLATION_GUEST,
  VIOLATION_HALF_WRITTEN,
  VIOLATION_LATE,
  VIOLATION_ON_STACK,
  VIOLATION_RETURN,
  VIOLATION_UNLOADED,
} from "../../../assembly/abi_schedules";
import { Cpu, CPU_HYPERVISOR, cpu_at } from "../../../assembly/hv/cpu";
import { header } from "../../../assembly/hv/header";
import { peek_off } from "../../../assembly/hv/mem";
import { check_barrier } from "../../../assembly/hv/preempt";
import { INFO_GUEST_REGS } from "../../../assembly/hv/stack";
import { watch } from "../../../assembly/hv/visible";
import { check_invariants } from "../../../assembly/xsplice/invariants";
import { Payload } from "../../../assembly/xsplice/payload";
import { Splice, SPLICE_TRAMPOLINE } from "../../../assembly/xsplice/splice";
import { collect_ranges, ranges_needed } from "../../../assembly/xsplice/stack_ranges";
import { check_unused } from "../../../assembly/xsplice/stackcheck";
import { store_jump } from "../../../assembly/xsplice/trampoline";
import { alloc_prepared, record_old, write_all } from "../../../assembly/xsplice/undo";
import { AREA_LO, image_symbol } from "../support/bare_machine";
import {
  CODE_VA,
  image_off,
  list_payload,
  make_splice,
  make_splices,
  reset_engine,
} from "../support/engine_machine";

const PLACE_VA: u64 = CODE_VA + 0x100;
let p: Payload = changetype<Payload>(0);
let s: Splice = changetype<Splice>(0);
let cpu: Cpu = changetype<Cpu>(0);

/** A checked payload with one trampoline, its memory at the start of the area; two CPUs that run on
 *  their own and stand at the patch point. */
function boot(): void {
  reset_engine();
  const h = header();
  h.live_cpus = 2;
  h.test_guards = 0;
  h.violation = 0;
  for (let id: u32 = 0; id < 2; id++) {
    cpu_at(id).live = 1;
    cpu_at(id).state = CPU_HYPERVISOR;
    cpu_at(id).rip = CODE_VA + 0x800;
    cpu_at(id).rsp = cpu_at(id).stack_top_va - INFO_GUEST_REGS;
    cpu_at(id).waiting = GATE_GUEST_ENTRY;
  }
  cpu = cpu_at(1);
  p = list_payload("a", XSPLICE_STATUS_CHECKED);
  p.base_va = AREA_LO;
  p.mem_pages = 1;
  make_splices(p, 1);
  s = make_splice(p, 0, SPLICE_TRAMPOLINE, PLACE_VA, 5);
  s.object_size = 0x40;
  s.target = AREA_LO + 0x10;
  assert(alloc_prepared(p, ranges_needed(p)) == 0);
  record_old(p);
  store_jump(s.new_off, s.va, s.target);
  collect_ranges(p, false);
}

function apply(): void {
  write_all(p, true);
  p.apply_order = 1;
  p.status = XSPLICE_STATUS_APPLIED;
}

function found(): u32 {
  return check_invariants();
}

describe("an invariant", () => {
  beforeEach(boot);
  afterEach(() => {
    watch(false);
  });

  it("holds before, while applied, and after", () => {
    expect<u32>(found()).toBe(0);
    apply();
    expect<u32>(found()).toBe(0);
    cpu.rip = PLACE_VA; // about to execute the jump
    expect<u32>(found()).toBe(0);
  });

  it("is broken by a CPU where no code is any more", () => {
    cpu.rip = AREA_LO + 0x4000;
    expect<u32>(found()).toBe(VIOLATION_UNLOADED);
    expect<u32>(header().violation_cpu).toBe(1);
    expect<u64>(header().violation_va).toBe(cpu.rip);
  });

  it("by one in the middle of a jump", () => {
    apply();
    cpu.rip = PLACE_VA + 1;
    expect<u32>(found()).toBe(VIOLATION_HALF_WRITTEN);
  });

  it("by a proved return address there; not by a word that nothing proves", () => {
    // f: push %rax; pop %rax; ret
    image_symbol("f", CODE_VA + 0x800);
    store<u32>(image_off(CODE_VA + 0x800), 0x90c35850);
    const bad = AREA_LO + 0x4000;
    cpu.rsp -= 16;
    store<u64>(peek_off(cpu.rsp), 0);
    store<u64>(peek_off(cpu.rsp + 8), bad); // above the return address: a caller's own word
    expect<u32>(found()).toBe(0);
    store<u64>(peek_off(cpu.rsp), bad);
    expect<u32>(found()).toBe(VIOLATION_RETURN);
  });

  it("by bytes that are not what the state says", () => {
    store<u8>(image_off(PLACE_VA + 4), 0x77);
    expect<u32>(found()).toBe(VIOLATION_BETWEEN);
    boot();
    apply();
    memory.copy(s.to_off, s.old_off, 5);
    expect<u32>(found()).toBe(VIOLATION_BETWEEN, "applied, and the old bytes");
  });

  it("by a jump that a revert has left", () => {
    apply();
    p.apply_order = 0;
    p.prepared_off = 0;
    expect<u32>(found()).toBe(VIOLATION_BETWEEN);
  });

  it("by work whose time is long over", () => {
    p.status = XSPLICE_STATUS_PROGRESS;
    p.deadline_ns = 1000;
    header().time_ns = 2000;
    expect<u32>(found()).toBe(0, "it is looked at between turns");
    header().time_ns = 100000;
    expect<u32>(found()).toBe(VIOLATION_LATE);
  });

  it("by a CPU, or a guest, that has crashed", () => {
    cpu.crashed = 1;
    expect<u32>(found()).toBe(VIOLATION_FAULT);
    boot();
    cpu.lost = 1;
    expect<u32>(found()).toBe(VIOLATION_GUEST);
  });
});

describe("when code changes under a watch", () => {
  beforeEach(() => {
    boot();
    watch(true);
  });
  afterEach(() => {
    watch(false);
  });

  it("every CPU stands at the patch point", () => {
    check_barrier();
    expect<u32>(header().violation).toBe(0);
    cpu.waiting = 0;
    header().test_guards = GUARD_BARRIER;
    check_barrier();
    expect<u32>(header().violation).toBe(0, "what a test has taken out is not asked for");
    header().test_guards = 0;
    write_all(p, true);
    expect<u32>(header().violation).toBe(VIOLATION_BARRIER);
    expect<u32>(header().violation_cpu).toBe(1);
  });

  it("no CPU is in it", () => {
    check_unused(p);
    expect<u32>(header().violation).toBe(0);
    cpu.rip = PLACE_VA + 0x20;
    check_unused(p);
    expect<u32>(header().violation).toBe(VIOLATION_ON_STACK);
    expect<u64>(header().violation_va).toBe(PLACE_VA + 0x20);
  });

  it("no CPU will come back to it", () => {
    image_symbol("f", CODE_VA + 0x800);
    store<u32>(image_off(CODE_VA + 0x800), 0x90c35850);
    cpu.rsp -= 8;
    store<u64>(peek_off(cpu.rsp), PLACE_VA + 0x20);
    check_unused(p);
    expect<u32>(header().violation).toBe(VIOLATION_ON_STACK);
  });
});
