// Repeated string instructions: in steps, restartable after a fault.

import { PERM_R, PERM_W, STOP_BUDGET, STOP_FAULT, STOP_HALT } from "../../../../assembly/abi";
import { translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { CODE_VA, cpu0, DATA_VA, map, place, reset_cpus } from "../../support/code";

function byte_at(va: u64): u32 {
  return load<u8>(translate_write(va));
}

describe("rep", () => {
  beforeEach(reset_cpus);

  it("stops at the page that is not there, and goes on when it is", () => {
    place(CODE_VA, "f3 48 ab f4"); // rep stos %rax,(%rdi); hlt
    const cpu = cpu0();
    cpu.rax = 0x4141414141414141;
    cpu.rdi = DATA_VA + 0x1ff0;
    cpu.rcx = 4;
    expect(run_cpu(cpu, 100)).toBe(STOP_FAULT);
    expect(cpu.rip).toBe(CODE_VA);
    expect(cpu.rcx).toBe(2);
    expect(cpu.rdi).toBe(DATA_VA + 0x2000);
    expect(cpu.fault_va).toBe(DATA_VA + 0x2000);
    map(DATA_VA + 0x2000, 1, PERM_R | PERM_W);
    expect(run_cpu(cpu, 100)).toBe(STOP_HALT);
    expect(cpu.rcx).toBe(0);
    expect(byte_at(DATA_VA + 0x200f)).toBe(0x41);
    expect(byte_at(DATA_VA + 0x2010)).toBe(0);
  });

  it("repeats a pattern when the destination overlaps behind the source", () => {
    place(CODE_VA, "f3 a4 f4"); // rep movsb; hlt
    const cpu = cpu0();
    store<u8>(translate_write(DATA_VA), 0x55);
    store<u8>(translate_write(DATA_VA + 1), 0xaa);
    cpu.rsi = DATA_VA;
    cpu.rdi = DATA_VA + 2;
    cpu.rcx = 0x1400;
    expect(run_cpu(cpu, 1000)).toBe(STOP_HALT);
    expect(byte_at(DATA_VA + 0x1400)).toBe(0x55);
    expect(byte_at(DATA_VA + 0x1401)).toBe(0xaa);
    expect(byte_at(DATA_VA + 0x1402)).toBe(0);
  });

  it("copies backwards with DF", () => {
    place(CODE_VA, "fd f3 a4 fc f4"); // std; rep movsb; cld; hlt
    const cpu = cpu0();
    for (let i: u64 = 0; i < 16; i++) store<u8>(translate_write(DATA_VA + i), <u8>i);
    cpu.rsi = DATA_VA + 15;
    cpu.rdi = DATA_VA + 17;
    cpu.rcx = 16;
    expect(run_cpu(cpu, 1000)).toBe(STOP_HALT);
    for (let i: u64 = 0; i < 16; i++) assert(byte_at(DATA_VA + 2 + i) == <u32>i);
    expect(cpu.rdi).toBe(DATA_VA + 1);
  });

  it("ends a search where the byte is", () => {
    place(CODE_VA, "f2 ae f4"); // repne scasb; hlt
    const cpu = cpu0();
    store<u8>(translate_write(DATA_VA + 3000), 0x2a);
    cpu.rax = 0x2a;
    cpu.rdi = DATA_VA;
    cpu.rcx = u64.MAX_VALUE;
    expect(run_cpu(cpu, 1000)).toBe(STOP_HALT);
    expect(cpu.rdi).toBe(DATA_VA + 3001);
    expect(cpu.rflags & 0x40).toBe(0x40);
  });

  it("of any length ends with its budget, and an interrupt finds it where it is", () => {
    place(CODE_VA, "f2 ae f4"); // repne scasb over zeros; hlt
    const cpu = cpu0();
    cpu.rax = 1;
    cpu.rdi = DATA_VA;
    cpu.rcx = u64.MAX_VALUE;
    expect(run_cpu(cpu, 3)).toBe(STOP_BUDGET);
    expect(cpu.retired).toBe(3);
    expect(cpu.rip).toBe(CODE_VA);
    expect(cpu.rdi).toBe(DATA_VA + 3 * 1024); // a step each
    expect(cpu.rcx).toBe(u64.MAX_VALUE - 3 * 1024);
    expect(run_cpu(cpu, 1000)).toBe(STOP_FAULT); // at the end of the data
    expect(cpu.fault_va).toBe(DATA_VA + 0x2000);
    expect(cpu.retired).toBe(8);
  });
});
