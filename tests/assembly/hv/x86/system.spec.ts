// System instructions: privilege, MSRs, ports, and the ways between rings.

import {
  PERM_R,
  PERM_X,
  STOP_CONTEXT,
  STOP_FAULT,
  STOP_HALT,
  STOP_SYSCALL,
  VECTOR_BP,
  VECTOR_GP,
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
    const refused = [
      "f4",
      "fa",
      "fb",
      "0f 30",
      "0f 32",
      "0f 22 d8",
      "0f 20 c0",
      "0f 01 f8",
      "e6 e9",
      "ec",
      "0f 01 38",
    ];
    for (let i = 0; i < refused.length; i++) assert(user_vector(refused[i]) == VECTOR_GP);
    expect(user_vector("0f 01 c1")).toBe(VECTOR_UD); // vmcall
    expect(user_vector("0f 01 cb")).toBe(VECTOR_UD); // stac
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
