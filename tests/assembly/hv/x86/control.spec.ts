// Control and debug registers, and what they switch on and off (Intel SDM vol. 3, 2.5, 2.6, 17.2).

import {
  PERM_R,
  PERM_W,
  PERM_X,
  STOP_FAULT,
  STOP_HALT,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { system_of } from "../../../../assembly/hv/x86/state";
import { CODE_VA, cpu0, DATA_VA, enter_user, map, place, reset_cpus } from "../../support/code";

const USER_VA: u64 = 0x400000;

/** Runs the bytes, and a HLT behind them. */
function run(hex: string): u32 {
  place(CODE_VA, hex + "f4");
  cpu0().rip = CODE_VA;
  return run_cpu(cpu0(), 100);
}

/** The vector with which the bytes fault; RIP stays. */
function vector_of(hex: string): u32 {
  assert(run(hex) == STOP_FAULT && cpu0().rip == CODE_VA);
  return cpu0().fault_vector;
}

/** The same in user mode. */
function user_vector(hex: string): u32 {
  place(USER_VA, hex);
  cpu0().rip = USER_VA;
  assert(run_cpu(cpu0(), 10) == STOP_FAULT && cpu0().fault_rip == USER_VA);
  return cpu0().fault_vector;
}

describe("control registers", () => {
  beforeEach(reset_cpus);

  it("hold what they can hold", () => {
    const cpu = cpu0();
    cpu.rax = cpu.cr0 | 0x20000000; // NW without CD
    expect(vector_of("0f 22 c0")).toBe(VECTOR_GP);
    cpu.rax = cpu.cr0 & ~(<u64>0x80000000); // without paging
    expect(vector_of("0f 22 c0")).toBe(VECTOR_GP);
    cpu.rax = cpu.cr0 | 0x100000000;
    expect(vector_of("0f 22 c0")).toBe(VECTOR_GP);
    cpu.rax = (cpu.cr0 & ~(<u64>0x10010)) | 0x8; // TS, without WP and ET
    expect(run("0f 22 c0 0f 20 c3")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0x8004003b); // ET is always there
    cpu.rax = 1 << 63;
    expect(vector_of("0f 22 d8")).toBe(VECTOR_GP); // cr3
    cpu.rax = 0x123456000;
    expect(run("0f 22 d8 0f 20 db")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0x123456000);
    cpu.rax = 16;
    expect(vector_of("44 0f 22 c0")).toBe(VECTOR_GP); // cr8
    cpu.rax = 15;
    expect(run("44 0f 22 c0 44 0f 20 c3")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(15);
  });

  it("CR4 has the bits that CPUID announces, and PAE stays", () => {
    const cpu = cpu0();
    const cr4 = cpu.cr4;
    cpu.rax = cr4 & ~(<u64>0x20);
    expect(vector_of("0f 22 e0")).toBe(VECTOR_GP);
    cpu.rax = cr4 | 0x800000; // CET
    expect(vector_of("0f 22 e0")).toBe(VECTOR_GP);
    cpu.rax = cr4 | 0x2000; // VMX
    expect(vector_of("0f 22 e0")).toBe(VECTOR_GP);
    expect(cpu.cr4).toBe(cr4);
    cpu.rax = cr4 ^ 0x80; // PGE, to flush the TLB
    expect(run("0f 22 e0")).toBe(STOP_HALT);
    expect(cpu.cr4).toBe(cr4 ^ 0x80);
  });

  it("those that do not exist are no instruction", () => {
    expect(vector_of("0f 20 c8")).toBe(VECTOR_UD); // cr1
    expect(vector_of("0f 22 e8")).toBe(VECTOR_UD); // cr5
    expect(vector_of("44 0f 20 d0")).toBe(VECTOR_UD); // cr10
    expect(vector_of("44 0f 21 c0")).toBe(VECTOR_UD); // dr8
  });

  it("SMSW, LMSW and CLTS: the machine status word", () => {
    const cpu = cpu0();
    cpu.rbx = u64.MAX_VALUE;
    expect(run("0f 01 e3")).toBe(STOP_HALT); // smsw %ebx
    expect(cpu.rbx).toBe(0x80050033);
    cpu.rax = 0x8; // TS, and PE not: it cannot be cleared
    expect(run("0f 01 f0 66 0f 01 e3")).toBe(STOP_HALT); // lmsw %ax; smsw %bx
    expect(cpu.rbx).toBe(0x80050039);
    expect(run("0f 06")).toBe(STOP_HALT); // clts
    expect(cpu.cr0).toBe(0x80050031);
  });

  it("XSETBV keeps the x87, and takes what is there", () => {
    const cpu = cpu0();
    cpu.rax = 1;
    expect(run("31 c9 31 d2 0f 01 d1 0f 01 d0")).toBe(STOP_HALT); // xsetbv; xgetbv
    expect(cpu.rax).toBe(1);
    cpu.rax = 2;
    expect(run("31 c9 31 d2 0f 01 d1")).toBe(STOP_FAULT);
    cpu.rax = 7; // AVX
    expect(run("31 c9 31 d2 0f 01 d1")).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_GP);
    expect(system_of(cpu).xcr0).toBe(1);
    cpu.cr4 &= ~(<u64>0x40000); // OSXSAVE
    expect(vector_of("0f 01 d0")).toBe(VECTOR_UD);
    cpu.rax = 1;
    cpu.rcx = 0;
    expect(run("0f a2")).toBe(STOP_HALT); // and CPUID says so
    expect(cpu.rcx & (1 << 27)).toBe(0);
  });

  it("switch off for ring 3 what asks about the system: UMIP, TSD, FSGSBASE", () => {
    const cpu = cpu0();
    map(USER_VA, 1, PERM_R | PERM_X);
    map(0x500000, 1, PERM_R | PERM_W);
    enter_user();
    cpu.rax = 0x500000;
    const asks = ["0f 01 00", "0f 01 08", "0f 00 00", "0f 00 08", "0f 01 20"];
    for (let i = 0; i < asks.length; i++) {
      place(USER_VA, asks[i] + "0f 0b");
      cpu.rip = USER_VA;
      expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
      expect(cpu.rip).toBe(USER_VA + 3); // at the ud2
    }
    expect<u32>(load<u16>(translate_write(0x500000))).toBe(0x33); // of SMSW
    cpu.cr4 |= 0x800;
    for (let i = 0; i < asks.length; i++) expect(user_vector(asks[i])).toBe(VECTOR_GP);
    cpu.cr4 |= 4;
    expect(user_vector("0f 31")).toBe(VECTOR_GP);
    expect(user_vector("0f 01 f9")).toBe(VECTOR_GP);
    cpu.cr4 &= ~(<u64>0x10000);
    expect(user_vector("f3 48 0f ae c0")).toBe(VECTOR_UD); // rdfsbase
  });
});

describe("debug registers", () => {
  beforeEach(reset_cpus);

  it("hold addresses, and have fixed bits", () => {
    const cpu = cpu0();
    cpu.rax = DATA_VA;
    // mov %rax,%dr2; mov %dr2,%rbx; mov %dr6,%rcx; mov %dr7,%rdx
    expect(run("0f 23 d0 0f 21 d3 0f 21 f1 0f 21 fa")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(DATA_VA);
    expect(cpu.rcx).toBe(0xffff0ff0);
    expect(cpu.rdx).toBe(0x400);
    cpu.rax = 0xffffffff & ~0x2000;
    expect(run("0f 23 f8 0f 21 fa")).toBe(STOP_HALT);
    expect(cpu.rdx).toBe(0xffff07ff);
    cpu.rax = 1 << 32;
    expect(vector_of("0f 23 f0")).toBe(VECTOR_GP); // dr6
  });

  it("4 and 5 are other names of 6 and 7, until CR4.DE", () => {
    const cpu = cpu0();
    expect(run("0f 21 e9")).toBe(STOP_HALT); // mov %dr5,%rcx
    expect(cpu.rcx).toBe(0x400);
    cpu.cr4 |= 8;
    expect(vector_of("0f 21 e9")).toBe(VECTOR_UD);
  });

  it("guard themselves with GD", () => {
    const cpu = cpu0();
    cpu.rax = 0x2000;
    expect(run("0f 23 f8")).toBe(STOP_HALT);
    expect(vector_of("0f 21 c0")).toBe(VECTOR_DB); // in front of the instruction
    expect(run("0f 21 f1 0f 21 fa")).toBe(STOP_HALT); // once
    expect(cpu.rcx).toBe(0xffff2ff0); // BD
    expect(cpu.rdx).toBe(0x400);
  });
});
