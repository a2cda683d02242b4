// hv/visible, hv/watch, hv/schedule_hash: where a step ends, what was written meanwhile, and which
// states are the same.

import {
  VISIBLE_CODE,
  VISIBLE_EVENT,
  VISIBLE_LIMIT,
  VISIBLE_PAUSE,
  VISIBLE_SHARED,
  VISIBLE_WAITS,
} from "../../../assembly/abi_schedules";
import { wipe_machine } from "../../../assembly/hv/boot";
import { Cpu, CPU_HYPERVISOR, cpu_at } from "../../../assembly/hv/cpu";
import { enter_domain } from "../../../assembly/hv/domain";
import { header } from "../../../assembly/hv/header";
import { install_code_class } from "../../../assembly/hv/hooks";
import { IO_OFF } from "../../../assembly/hv/layout";
import { peek_off, poke } from "../../../assembly/hv/mem";
import { schedule_hash } from "../../../assembly/hv/schedule_hash";
import { RFLAGS_RESET } from "../../../assembly/hv/smp";
import { entry_rsp } from "../../../assembly/hv/stack";
import { CLASS_CHANGED, CLASS_OTHER, step_visible, watch } from "../../../assembly/hv/visible";
import { hash_written, written_count } from "../../../assembly/hv/watch";
import { is_stale_code } from "../../../assembly/hv/x86/cache";
import { code, DATA_VA, ImageBuilder, TEXT_VA } from "../support/image_builder";

const CHANGED_VA: u64 = TEXT_VA + 0x100;
const LIMIT: u32 = 64;

/** Two bytes of the image's text change. */
function code_class(va: u64): u32 {
  return va - CHANGED_VA < 2 ? CLASS_CHANGED : CLASS_OTHER;
}

/** CPUs that execute `hex` from TEXT_VA on; rdi is the variable. */
function boot(hex: string): void {
  wipe_machine();
  const b = new ImageBuilder();
  const text = b.section(".text", TEXT_VA);
  code(text, hex);
  text.zeros(0x200);
  b.func("work", TEXT_VA, 0x100);
  b.section(".data", DATA_VA).u64(7);
  b.func("variable", DATA_VA, 8, 0x11);
  b.build();
  assert(b.boot(2) == 0);
  install_code_class(code_class);
  const h = header();
  h.live_cpus = 2;
  h.next_timer_ns = u64.MAX_VALUE;
  for (let id: u32 = 0; id < 2; id++) start(cpu_at(id));
  watch(true);
}

function start(cpu: Cpu): void {
  cpu.live = 1;
  cpu.state = CPU_HYPERVISOR;
  cpu.rip = TEXT_VA;
  cpu.rsp = entry_rsp(cpu);
  cpu.rflags = RFLAGS_RESET;
  cpu.rdi = DATA_VA;
}


@inline
function rip(cpu: u32): u64 {
  return cpu_at(cpu).rip - TEXT_VA;
}

describe("a visible step ends", () => {
  afterEach(() => {
    watch(false);
  });

  it("behind an access to shared memory, a read as well as a write", () => {
    // inc %eax; push %rax; mov (%rdi),%rcx; inc %eax; inc %eax; mov %rcx,(%rdi); inc %eax
    boot("ff c0 50 48 8b 0f ff c0 ff c0 48 89 0f ff c0");
    expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_SHARED);
    expect<u64>(rip(0)).toBe(6, "the CPU's own stack is no reason");
    expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_SHARED);
    expect<u64>(rip(0)).toBe(13);
    expect<u64>(cpu_at(0).rax).toBe(3);
  });

  it("where code that changes begins and at each instruction of it", () => {
    boot("31 c0 e9 f9 00 00 00"); // xor %eax,%eax; jmp CHANGED_VA
    store<u32>(IO_OFF, 0x90909090);
    expect<u64>(poke(CHANGED_VA, IO_OFF, 4)).toBe(0);
    for (let at: u64 = 0x100; at <= 0x102; at++) {
      expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_CODE);
      expect<u64>(rip(0)).toBe(at);
    }
  });

  it("at a pause, at a gate, where it waits, and after so many instructions", () => {
    boot("ff c0 f3 90 ff c0 b8 07 00 00 00 0f 01 c1 ff c0 f4"); // pause; gate 7; hlt
    expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_PAUSE);
    expect<u64>(rip(0)).toBe(4);
    expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_EVENT);
    expect<u64>(rip(0)).toBe(14);
    expect<u32>(step_visible(0, LIMIT)).toBe(VISIBLE_WAITS);
    expect<u32>(step_visible(0, LIMIT)).toBe(0, "it sleeps with interrupts off");
    boot("eb fe"); // jmp to itself
    expect<u32>(step_visible(1, LIMIT)).toBe(VISIBLE_LIMIT);
    expect<u64>(cpu_at(1).retired).toBe(LIMIT);
    expect<u32>(step_visible(1, 0)).toBe(VISIBLE_LIMIT, "it could");
    expect<u64>(cpu_at(1).retired).toBe(LIMIT, "and did not");
  });
});

describe("the watch", () => {
  afterEach(() => {
    watch(false);
  });

  it("notes what was written; put back, it counts no more", () => {
    boot("48 c7 07 01 00 00 00 48 c7 07 07 00 00 00"); // movq $1,(%rdi); movq $7,(%rdi)
    const noted = written_count();
    expect<u64>(hash_written()).toBe(0);
    step_visible(0, LIMIT);
    expect<u32>(written_count()).toBe(noted + 1);
    expect<u64>(hash_written()).not.toBe(0);
    step_visible(0, LIMIT);
    expect<u32>(written_count()).toBe(noted + 1);
    expect<u64>(hash_written()).toBe(0, "the variable is 7 again");
  });

  it("hashes independent steps alike in either order, and others not", () => {
    boot("50 8b 07 ff c0 89 07"); // push %rax; mov (%rdi),%eax; inc %eax; mov %eax,(%rdi)
    cpu_at(1).rdi = DATA_VA + 64;
    const begin = schedule_hash();
    step_visible(0, LIMIT);
    const first = schedule_hash();
    expect<u64>(first).not.toBe(begin);
    step_visible(1, LIMIT);
    const both = schedule_hash();
    boot("50 8b 07 ff c0 89 07");
    cpu_at(1).rdi = DATA_VA + 64;
    expect<u64>(schedule_hash()).toBe(begin);
    step_visible(1, LIMIT);
    expect<u64>(schedule_hash()).not.toBe(first);
    step_visible(0, LIMIT);
    expect<u64>(schedule_hash()).toBe(both);
    header().time_ns += 5;
    expect<u64>(schedule_hash()).toBe(both, "the clock does not count");
    cpu_at(0).irr3 = 1;
    expect<u64>(schedule_hash()).not.toBe(both, "a request does");
  });
});

describe("stale code", () => {
  afterEach(() => {
    watch(false);
  });

  it("is what is cached as current and is not in memory", () => {
    boot("ff c0 ff c0 eb fa"); // 1: inc %eax; inc %eax; jmp 1b
    step_visible(0, 3);
    enter_domain(-1, false);
    expect<bool>(is_stale_code(TEXT_VA)).toBe(false);
    store<u8>(peek_off(TEXT_VA + 1), 0xc1); // inc %ecx, and nobody is told
    expect<bool>(is_stale_code(TEXT_VA)).toBe(true);
    expect<bool>(is_stale_code(TEXT_VA + 2)).toBe(false);
    store<u8>(IO_OFF, 0xc2);
    expect<u64>(poke(TEXT_VA + 1, IO_OFF, 1)).toBe(0); // inc %edx, told
    expect<bool>(is_stale_code(TEXT_VA)).toBe(false);
  });
});
