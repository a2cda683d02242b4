// System instructions: privilege, MSRs, ports, and the ways between rings.

import {
  PERM_R,
  PERM_W,
  PERM_X,
  STOP_BUDGET,
  STOP_CONTEXT,
  STOP_FAULT,
  STOP_HALT,
  STOP_SYSCALL,
  VECTOR_BP,
  VECTOR_GP,
  VECTOR_PF,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { header } from "../../../../assembly/hv/header";
import { translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { install_port_out } from "../../../../assembly/hv/x86/port";
import {
  CODE_VA,
  cpu0,
  DATA_VA,
  enter_hypervisor,
  enter_user,
  map,
  place,
  reset_cpus,
  STACK_TOP_VA,
} from "../../support/code";

const USER_VA: u64 = 0x400000;
let last_port: u32 = 0;
let written: u32 = 0;

/** Runs the bytes in user mode; returns the vector they fault with. */
function user_vector(hex: string): u32 {
  place(USER_VA, hex);
  cpu0().rip = USER_VA;
  assert(run_cpu(cpu0(), 10) == STOP_FAULT);
  assert(cpu0().fault_rip == USER_VA);
  return cpu0().fault_vector;
}

describe("system instructions", () => {
  beforeEach(reset_cpus);

  it("keep user code out", () => {
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    // hlt cli sti clts invd wbinvd wrmsr rdmsr rdpmc, cr3 cr0 dr0 dr7, swapgs xsetbv, ports,
    // lgdt lidt lmsw invlpg lldt ltr invpcid xrstors xsaves sysretq sysexitq
    const refused = [
      "f4",
      "fa",
      "fb",
      "0f 06",
      "0f 08",
      "0f 09",
      "0f 30",
      "0f 32",
      "0f 33",
      "0f 22 d8",
      "0f 20 c0",
      "0f 21 c0",
      "0f 23 f8",
      "0f 01 f8",
      "0f 01 d1",
      "e6 e9",
      "ec",
      "6c",
      "f3 6f",
      "0f 01 10",
      "0f 01 18",
      "0f 01 f0",
      "0f 01 38",
      "0f 00 d0",
      "0f 00 d8",
      "66 0f 38 82 00",
      "0f c7 18",
      "0f c7 28",
      "48 0f 07",
      "48 0f 35",
    ];
    for (let i = 0; i < refused.length; i++) assert(user_vector(refused[i]) == VECTOR_GP);
    expect(user_vector("0f 01 c1")).toBe(VECTOR_UD); // vmcall
    expect(user_vector("0f 01 cb")).toBe(VECTOR_UD); // stac
    expect(user_vector("0f 01 c8")).toBe(VECTOR_UD); // monitor
    expect(user_vector("0f 01 c9")).toBe(VECTOR_UD); // mwait
    expect(user_vector("cc")).toBe(VECTOR_BP);
    expect(user_vector("cd 80")).toBe(VECTOR_GP); // int $0x80
    expect(cpu0().fault_error).toBe(0x402);
  });

  it("lead from user code into the hypervisor and back", () => {
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    place(USER_VA, "0f 05"); // syscall
    const cpu = cpu0();
    cpu.rip = USER_VA;
    cpu.rflags = 0x246;
    expect(run_cpu(cpu, 10)).toBe(STOP_SYSCALL);
    expect(cpu.rcx).toBe(USER_VA + 2);
    expect(cpu.r11).toBe(0x246);
    cpu.user = 0;
    cpu.star = 0xe023_e008_0000_0000;
    enter_hypervisor();
    place(CODE_VA, "48 0f 07"); // sysretq
    cpu.rip = CODE_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_CONTEXT);
    expect(cpu.rip).toBe(USER_VA + 2);
    expect(cpu.user).toBe(1);
    expect<u32>(cpu.cs).toBe(0xe033);
  });

  it("iretq within a ring goes on, to another ring it stops", () => {
    const cpu = cpu0();
    place(CODE_VA, "48 cf"); // iretq
    place(CODE_VA + 0x100, "f4");
    const frame = STACK_TOP_VA - 40;
    const off = translate_write(frame);
    store<u64>(off, CODE_VA + 0x100);
    store<u64>(off, 0xe008, 8);
    store<u64>(off, 0x246, 16);
    store<u64>(off, DATA_VA, 24);
    store<u64>(off, 0, 32);
    cpu.rsp = frame;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rsp).toBe(DATA_VA);
    expect(cpu.rflags).toBe(0x246);
    store<u64>(off, USER_VA);
    store<u64>(off, 0xe033, 8);
    store<u64>(off, 0xe02b, 32);
    cpu.rip = CODE_VA;
    cpu.rsp = frame;
    expect(run_cpu(cpu, 10)).toBe(STOP_CONTEXT);
    expect(cpu.rip).toBe(USER_VA);
    expect(cpu.user).toBe(1);
  });

  it("have the MSRs that they announce, and #GP for others", () => {
    const cpu = cpu0();
    place(CODE_VA, "0f 30 0f 32 f4"); // wrmsr; rdmsr; hlt
    cpu.rcx = 0xc0000101; // GS base
    cpu.rax = 0x80000000;
    cpu.rdx = 0xffff82d0;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.gs_base).toBe(0xffff82d080000000);
    expect(cpu.rdx).toBe(0xffff82d0);
    cpu.rip = CODE_VA;
    cpu.rdx = 0x8000; // not canonical
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    cpu.rip = CODE_VA;
    cpu.rcx = 0x12345;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_GP);
    expect(cpu.rip).toBe(CODE_VA);
  });

  it("swapgs, and addresses with a segment", () => {
    const cpu = cpu0();
    // swapgs; mov %gs:0x10,%rax; mov %gs:(%rbx,%rcx,4),%edx; lea %gs:0x10,%rsi; hlt
    place(CODE_VA, "0f 01 f8 65 48 8b 04 25 10 00 00 00 65 8b 14 8b 65 48 8d 34 25 10 00 00 00 f4");
    cpu.kernel_gs_base = DATA_VA;
    cpu.rbx = 8;
    cpu.rcx = 2;
    store<u64>(translate_write(DATA_VA + 0x10), 0x123456789a);
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rax).toBe(0x123456789a);
    expect(cpu.rdx).toBe(0x3456789a);
    expect(cpu.rsi).toBe(0x10);
    expect(cpu.kernel_gs_base).toBe(0);
  });

  it("count time in instructions", () => {
    const cpu = cpu0();
    header().time_ns = 0x100000000;
    place(CODE_VA, "90 90 0f 31 f4"); // nop; nop; rdtsc; hlt
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rdx).toBe(1);
    expect(cpu.rax).toBe(2);
  });

  it("let ring 3 in where IOPL says so", () => {
    const cpu = cpu0();
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    cpu.rflags = 0x3202;
    place(USER_VA, "fa ec fb 9d 0f 0b"); // cli; in (%dx),%al; sti; popf; ud2
    cpu.rip = USER_VA;
    cpu.rsp = 0x500800;
    map(0x500000, 1, PERM_R | PERM_W);
    expect(run_cpu(cpu, 3)).toBe(STOP_BUDGET);
    expect(cpu.rflags & 0x200).toBe(0x200);
    expect(cpu.rax & 0xff).toBe(0xff);
    store<u64>(translate_write(0x500800), 0);
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_UD);
    expect(cpu.rflags & 0x3200).toBe(0x3000); // IF yes, IOPL no
  });

  it("move strings to ports and from them", () => {
    const cpu = cpu0();
    install_port_out((port: u32, value: u32) => {
      last_port = port;
      written = (written << 8) | value;
    });
    written = 0;
    place(CODE_VA, "f3 6e f3 6d f4"); // rep outsb; rep insl; hlt
    store<u32>(translate_write(DATA_VA), 0x44434241);
    cpu.rdx = 0xe9;
    cpu.rsi = DATA_VA;
    cpu.rcx = 3;
    cpu.rdi = DATA_VA + 8;
    expect(run_cpu(cpu, 1)).toBe(STOP_BUDGET);
    expect(written).toBe(0x414243);
    expect(last_port).toBe(0xe9);
    expect(cpu.rsi).toBe(DATA_VA + 3);
    cpu.rcx = 2;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(load<u64>(translate_write(DATA_VA + 8))).toBe(u64.MAX_VALUE);
    expect(load<u64>(translate_write(DATA_VA + 16))).toBe(0);
    // A fault in the middle: what was done is done, the rest can go on.
    cpu.rip = CODE_VA;
    cpu.rsi = DATA_VA + 0x1ffe;
    cpu.rcx = 5;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_PF);
    expect(cpu.rip).toBe(CODE_VA);
    expect(cpu.rcx).toBe(3);
  });

  it("draw numbers that the seed decides", () => {
    const cpu = cpu0();
    place(CODE_VA, "0f c7 f0 48 0f c7 f3 48 0f c7 f9 66 0f c7 f2 f4");
    header().seed = 42;
    cpu.rdx = 0xabcd0000;
    cpu.rflags = 0x8d7;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rflags).toBe(3); // CF: it is always there
    expect(cpu.rax >> 32).toBe(0);
    expect(cpu.rdx >> 16).toBe(0xabcd);
    expect(cpu.rbx).not.toBe(cpu.rcx);
    const first = cpu.rbx;
    cpu.rip = CODE_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(first); // the same time, the same machine
    header().seed = 43;
    cpu.rip = CODE_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rbx).not.toBe(first);
  });

  it("flush the TLB by INVPCID, and know its types", () => {
    const cpu = cpu0();
    place(CODE_VA, "66 0f 38 82 0b f4"); // invpcid (%rbx),%rcx; hlt
    cpu.rbx = DATA_VA;
    for (let kind: u64 = 0; kind < 4; kind++) {
      cpu.rcx = kind;
      cpu.rip = CODE_VA;
      expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    }
    cpu.rcx = 4;
    cpu.rip = CODE_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    cpu.rcx = 0;
    store<u64>(translate_write(DATA_VA + 8), 0x800000000000);
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_GP);
    cpu.rcx = 1;
    store<u64>(translate_write(DATA_VA), 5); // a PCID without CR4.PCIDE
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
  });

  it("wait as little as MWAIT may", () => {
    const cpu = cpu0();
    place(CODE_VA, "0f 01 c8 0f 01 c9 f4"); // monitor; mwait; hlt
    cpu.rax = DATA_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.retired).toBe(3);
    cpu.rip = CODE_VA;
    cpu.rax = DATA_VA + 0x10000;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_PF);
    cpu.rax = DATA_VA;
    cpu.rcx = 1;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_GP);
  });

  it("send bytes to the port's hook", () => {
    place(CODE_VA, "b0 41 e6 e9 f4"); // mov $'A',%al; out %al,$0xe9; hlt
    install_port_out((port: u32, value: u32) => {
      last_port = port;
      written = value;
    });
    expect(run_cpu(cpu0(), 10)).toBe(STOP_HALT);
    expect(last_port).toBe(0xe9);
    expect(written).toBe(0x41);
  });

  it("name the processor, and announce no AVX", () => {
    const cpu = cpu0();
    place(CODE_VA, "0f a2 f4"); // cpuid; hlt
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0x756e6547);
    cpu.rip = CODE_VA;
    cpu.rax = 1;
    expect(run_cpu(cpu, 10)).toBe(STOP_HALT);
    expect(cpu.rcx & (1 << 28)).toBe(0);
    expect(cpu.rcx & (1 << 13)).not.toBe(0); // CMPXCHG16B
  });
});
