// Segments, descriptor tables and transfers that load CS (Intel SDM vol. 3, 3.4, 5.6 to 5.8), where
// ring 0 is needed: what ring 3 may do is compared with a real processor (tests/native).

import {
  PERM_R,
  PERM_X,
  STOP_CONTEXT,
  STOP_FAULT,
  STOP_HALT,
  STOP_SYSCALL,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { GDT_VA } from "../../../../assembly/hv/layout";
import { peek_off, translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { system_of } from "../../../../assembly/hv/x86/state";
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

/** Runs the bytes, and a HLT behind them. */
function run(hex: string): u32 {
  place(CODE_VA, hex + "f4");
  cpu0().rip = CODE_VA;
  return run_cpu(cpu0(), 100);
}

/** The bytes fault with the vector and error code, and RIP stays. */
function faults(hex: string, vector: u32, error: u32): bool {
  const stop = run(hex);
  const cpu = cpu0();
  return (
    stop == STOP_FAULT &&
    cpu.rip == CODE_VA &&
    cpu.fault_vector == vector &&
    cpu.fault_error == error
  );
}

/** Puts a descriptor into the GDT. */
function describe_segment(selector: u64, descriptor: u64): void {
  store<u64>(peek_off(GDT_VA + (selector & ~7)), descriptor);
}

/** Words on the stack, the first one lowest. */
function stack_words(words: u64[]): u64 {
  const rsp = STACK_TOP_VA - 8 * <u64>words.length;
  for (let i = 0; i < words.length; i++) store<u64>(translate_write(rsp + 8 * i), words[i]);
  return rsp;
}

describe("segment registers", () => {
  beforeEach(reset_cpus);

  it("take what the table describes, null included", () => {
    const cpu = cpu0();
    cpu.rax = 0xe010;
    // mov %eax,%ds; %es; %fs; %gs; mov %eax,%ss
    expect(run("8e d8 8e c0 8e e0 8e e8 8e d0")).toBe(STOP_HALT);
    expect<u32>(cpu.ds).toBe(0xe010);
    expect<u32>(cpu.es).toBe(0xe010);
    expect<u32>(cpu.gs).toBe(0xe010);
    expect<u32>(cpu.ss).toBe(0xe010);
    cpu.rax = 0;
    expect(run("8e d0 8e d8")).toBe(STOP_HALT); // null in SS too, as ring 0 may
    expect<u32>(cpu.ss).toBe(0);
  });

  it("get their base from the descriptor: FS and GS", () => {
    const cpu = cpu0();
    describe_segment(0xe080, 0x12cf93345678ffff);
    cpu.rax = 0xe080;
    cpu.gs_base = 0xffff82d0_00000000;
    expect(run("8e e8")).toBe(STOP_HALT);
    expect(cpu.gs_base).toBe(0x12345678);
    cpu.rax = 0;
    expect(run("8e e8")).toBe(STOP_HALT);
    expect(cpu.gs_base).toBe(0);
    cpu.rsp = stack_words([0xe080]);
    expect(run("0f a1")).toBe(STOP_HALT); // pop %fs
    expect(cpu.fs_base).toBe(0x12345678);
    expect(cpu.rsp).toBe(STACK_TOP_VA);
    expect(run("0f a0")).toBe(STOP_HALT); // push %fs
    expect(load<u64>(translate_write(cpu.rsp))).toBe(0xe080);
  });

  it("refuse what cannot be there, and stay as they were", () => {
    const cpu = cpu0();
    cpu.ds = 0xe010;
    cpu.rax = 0xf000; // beyond the limit
    assert(faults("8e d8", VECTOR_GP, 0xf000));
    cpu.rax = 0xe00c; // in the LDT, which is not there
    assert(faults("8e d8", VECTOR_GP, 0xe00c));
    cpu.rax = 0x1000; // in the table, but not mapped
    assert(faults("8e d8", VECTOR_PF, 0));
    expect(cpu.fault_va).toBe(GDT_VA + 0x1000);
    cpu.rax = 0xe008; // code, which SS cannot be
    assert(faults("8e d0", VECTOR_GP, 0xe008));
    cpu.rax = 0xe02b; // of ring 3
    assert(faults("8e d0", VECTOR_GP, 0xe028));
    describe_segment(0xe080, 0x00cf13000000ffff); // not present
    cpu.rax = 0xe080;
    assert(faults("8e d8", VECTOR_NP, 0xe080));
    assert(faults("8e d0", VECTOR_SS, 0xe080));
    assert(faults("8e c8", VECTOR_UD, 0)); // mov to CS
    expect<u32>(cpu.ds).toBe(0xe010);
    expect<u32>(cpu.ss).toBe(0);
  });

  it("mark the descriptor as accessed", () => {
    describe_segment(0xe080, 0x00cf92000000ffff);
    cpu0().rax = 0xe080;
    expect(run("8e d8")).toBe(STOP_HALT);
    expect(load<u64>(peek_off(GDT_VA + 0xe080))).toBe(0x00cf93000000ffff);
  });

  it("come with a pointer: LSS, LFS, LGS", () => {
    const cpu = cpu0();
    const off = translate_write(DATA_VA);
    store<u64>(off, STACK_TOP_VA - 64);
    store<u16>(off, 0xe010, 8);
    cpu.rax = DATA_VA;
    expect(run("48 0f b2 20")).toBe(STOP_HALT); // lss (%rax),%rsp
    expect(cpu.rsp).toBe(STACK_TOP_VA - 64);
    expect<u32>(cpu.ss).toBe(0xe010);
    store<u16>(off, 0xe008, 8); // code: readable, but no stack
    expect(run("48 0f b4 18")).toBe(STOP_HALT); // lfs (%rax),%rbx
    expect(cpu.rbx).toBe(STACK_TOP_VA - 64);
    cpu.rbx = 1;
    assert(faults("48 0f b2 18", VECTOR_GP, 0xe008));
    expect(cpu.rbx).toBe(1);
  });

  it("answer LAR, LSL, VERR and VERW", () => {
    const cpu = cpu0();
    cpu.rax = 0xe033;
    // lar %eax,%ebx; lsl %eax,%ecx; verw %ax; setz %dl
    expect(run("0f 02 d8 0f 03 c8 0f 00 e8 0f 94 c2")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0xaffb00);
    expect(cpu.rcx).toBe(0xffffffff);
    expect(cpu.rdx & 0xff).toBe(0); // code is not writable
    describe_segment(0xe080, 0x0000890000000067); // an available TSS
    cpu.rax = 0xe080;
    expect(run("0f 02 d8 0f 03 c8")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0x8900);
    expect(cpu.rcx).toBe(0x67);
    describe_segment(0xe080, 0x00008e0000000067); // an interrupt gate: no segment
    cpu.rflags = 2;
    expect(run("0f 02 d8 74 01 f4 0f 0b")).toBe(STOP_HALT);
    expect(cpu.rbx).toBe(0x8900);
  });
});

describe("descriptor tables", () => {
  beforeEach(reset_cpus);

  it("are where their registers say, and can be asked", () => {
    const cpu = cpu0();
    const off = translate_write(DATA_VA);
    cpu.rax = DATA_VA;
    expect(run("0f 01 00 0f 01 48 10")).toBe(STOP_HALT); // sgdt (%rax); sidt 16(%rax)
    expect<u32>(load<u16>(off)).toBe(0xefff);
    expect(load<u64>(off, 2)).toBe(GDT_VA);
    expect<u32>(load<u16>(off, 16)).toBe(0);
    store<u16>(off, 0x17, 32); // a table of its own: null, code, data
    store<u64>(off, DATA_VA + 0x100, 34);
    store<u64>(off, 0x00af9b000000ffff, 0x108);
    store<u64>(off, 0x00cf93000000ffff, 0x110);
    cpu.rcx = 0x10;
    // lgdt 32(%rax); mov %ecx,%ds; lidt 32(%rax); sidt (%rax)
    expect(run("0f 01 50 20 8e d9 0f 01 58 20 0f 01 08")).toBe(STOP_HALT);
    expect<u32>(cpu.ds).toBe(0x10);
    expect(load<u64>(off, 2)).toBe(DATA_VA + 0x100);
    cpu.rcx = 0x18; // beyond
    assert(faults("8e d9", VECTOR_GP, 0x18));
    store<u64>(off, 0x800000000000, 34);
    assert(faults("0f 01 50 20", VECTOR_GP, 0)); // base not canonical
    expect(system_of(cpu).gdt_base).toBe(DATA_VA + 0x100);
    cpu.rax = DATA_VA + 0x1ffa; // half of it is not there
    assert(faults("0f 01 10", VECTOR_PF, 0));
    assert(faults("0f 01 00", VECTOR_PF, 2));
    expect<u32>(load<u16>(translate_write(DATA_VA + 0x1ffa))).toBe(0);
  });

  it("LLDT opens a second one", () => {
    const cpu = cpu0();
    const base = <u32>DATA_VA;
    const high: u32 = (base & 0xff000000) | ((base >> 16) & 0xff) | 0x8200;
    describe_segment(0xe080, ((<u64>high) << 32) | ((base & 0xffff) << 16) | 15);
    describe_segment(0xe088, DATA_VA >> 32);
    store<u64>(translate_write(DATA_VA + 8), 0x00cf93000000ffff);
    cpu.rax = 0xe080;
    cpu.rcx = 0xc; // entry 1 of the LDT
    expect(run("0f 00 d0 8e d9 0f 00 c3")).toBe(STOP_HALT); // lldt %ax; mov %ecx,%ds; sldt %ebx
    expect(cpu.rbx).toBe(0xe080);
    expect<u32>(cpu.ds).toBe(0xc);
    cpu.rcx = 0x14;
    assert(faults("8e d9", VECTOR_GP, 0x14)); // beyond its limit
    cpu.rax = 0xe010;
    assert(faults("0f 00 d0", VECTOR_GP, 0xe010)); // no LDT
    expect<u32>(system_of(cpu).ldtr).toBe(0xe080);
    cpu.rax = 0;
    expect(run("0f 00 d0")).toBe(STOP_HALT);
    cpu.rcx = 0xc;
    assert(faults("8e d9", VECTOR_GP, 0xc));
  });

  it("LTR takes a TSS once", () => {
    const cpu = cpu0();
    describe_segment(0xe080, 0x0000890000000067);
    cpu.rax = 0xe080;
    expect(run("0f 00 d8 0f 00 cb")).toBe(STOP_HALT); // ltr %ax; str %ebx
    expect(cpu.rbx).toBe(0xe080);
    expect(load<u64>(peek_off(GDT_VA + 0xe080))).toBe(0x00008b0000000067); // busy
    assert(faults("0f 00 d8", VECTOR_GP, 0xe080));
    cpu.rax = 0;
    assert(faults("0f 00 d8", VECTOR_GP, 0));
  });
});

describe("transfers that load CS", () => {
  beforeEach(reset_cpus);

  it("LRET reloads it, as a hypervisor does after LGDT", () => {
    const cpu = cpu0();
    place(CODE_VA + 0x100, "f4");
    cpu.rsp = stack_words([CODE_VA + 0x100, 0xe008]);
    expect(run("48 cb")).toBe(STOP_HALT);
    expect(cpu.rip).toBe(CODE_VA + 0x101);
    expect(cpu.rsp).toBe(STACK_TOP_VA);
    cpu.rsp = stack_words([CODE_VA + 0x100, 0xe018]); // compatibility mode
    assert(faults("48 cb", VECTOR_GP, 0xe018));
    cpu.rsp = stack_words([0x800000000000, 0xe008]);
    assert(faults("48 cb", VECTOR_GP, 0));
    cpu.rsp = stack_words([CODE_VA + 0x100, 0xe010]); // data
    assert(faults("48 cb", VECTOR_GP, 0xe010));
    expect(cpu.rsp).toBe(STACK_TOP_VA - 16);
  });

  it("CALL and JMP through a pointer", () => {
    const cpu = cpu0();
    const off = translate_write(DATA_VA);
    store<u64>(off, CODE_VA + 0x100);
    store<u16>(off, 0xe008, 8);
    place(CODE_VA + 0x100, "48 ca 10 00"); // lret $16
    cpu.rax = DATA_VA;
    cpu.rsp = STACK_TOP_VA - 64;
    expect(run("48 ff 18")).toBe(STOP_HALT); // lcall *(%rax)
    expect(cpu.rsp).toBe(STACK_TOP_VA - 48);
    expect(load<u64>(translate_write(STACK_TOP_VA - 80))).toBe(CODE_VA + 3);
    expect(load<u64>(translate_write(STACK_TOP_VA - 72))).toBe(0xe008);
    place(CODE_VA + 0x100, "f4");
    expect(run("48 ff 28")).toBe(STOP_HALT); // ljmp *(%rax)
    expect(cpu.rip).toBe(CODE_VA + 0x101);
    store<u16>(off, 0xe033, 8); // less privileged code cannot be called
    assert(faults("48 ff 18", VECTOR_GP, 0xe030));
    store<u16>(off, 0xe008, 8);
    cpu.rsp = STACK_TOP_VA - 0x1000 + 8; // room for one word only
    assert(faults("48 ff 18", VECTOR_PF, 2));
    expect(load<u64>(translate_write(STACK_TOP_VA - 0x1000))).toBe(0);
    assert(faults("ff d8", VECTOR_UD, 0)); // there is no register form
  });

  it("LRET to ring 3 changes the stack, and drops segments of ring 0", () => {
    const cpu = cpu0();
    map(USER_VA, 1, PERM_R | PERM_X);
    cpu.ds = 0xe010;
    cpu.es = 0xe02b;
    cpu.rsp = stack_words([USER_VA, 0xe033, 0x7000, 0xe02b]);
    expect(run("48 cb")).toBe(STOP_CONTEXT);
    expect(cpu.user).toBe(1);
    expect(cpu.rip).toBe(USER_VA);
    expect(cpu.rsp).toBe(0x7000);
    expect<u32>(cpu.ss).toBe(0xe02b);
    expect<u32>(cpu.ds).toBe(0);
    expect<u32>(cpu.es).toBe(0xe02b);
  });

  it("IRET is refused whole: NT, a stack segment of another ring, CS of a guest's making", () => {
    const cpu = cpu0();
    cpu.rsp = stack_words([CODE_VA + 0x100, 0xe008, 0x202, DATA_VA, 0xe02b]);
    assert(faults("48 cf", VECTOR_GP, 0xe028));
    cpu.rsp = stack_words([USER_VA, 0xe023, 0x202, DATA_VA, 0xe02b]); // 32-bit code
    assert(faults("48 cf", VECTOR_GP, 0xe020));
    cpu.rsp = stack_words([USER_VA, 0xe033, 0x202, DATA_VA, 0]);
    assert(faults("48 cf", VECTOR_GP, 0));
    cpu.rsp = stack_words([CODE_VA + 0x100, 0xe008, 0x202, DATA_VA, 0xe010]);
    cpu.rflags |= 0x4000;
    assert(faults("48 cf", VECTOR_GP, 0));
    cpu.rflags = 2;
    place(CODE_VA + 0x100, "f4");
    expect(run("48 cf")).toBe(STOP_HALT);
    expect(cpu.rsp).toBe(DATA_VA);
    expect(cpu.rflags).toBe(0x202);
  });

  it("narrow frames: IRETD", () => {
    const cpu = cpu0();
    map(USER_VA, 1, PERM_R | PERM_X);
    const rsp = STACK_TOP_VA - 20;
    const words: u32[] = [<u32>USER_VA, 0xe033, 0x203, 0x7000, 0xe02b];
    for (let i = 0; i < 5; i++) store<u32>(translate_write(rsp + 4 * i), words[i]);
    cpu.rsp = rsp;
    expect(run("cf")).toBe(STOP_CONTEXT);
    expect(cpu.rip).toBe(USER_VA);
    expect(cpu.rsp).toBe(0x7000);
    expect(cpu.rflags).toBe(0x203);
  });

  it("SYSENTER and SYSEXIT go where their MSRs say, without one nowhere", () => {
    const cpu = cpu0();
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    place(USER_VA, "0f 34");
    cpu.rip = USER_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_GP);
    enter_hypervisor();
    cpu.rdx = 0;
    cpu.rcx = 0x174;
    cpu.rax = 0xe008;
    expect(run("0f 30")).toBe(STOP_HALT);
    cpu.rcx = 0x176;
    cpu.rax = CODE_VA & 0xffffffff;
    cpu.rdx = CODE_VA >> 32;
    expect(run("0f 30 ff c1")).toBe(STOP_HALT);
    system_of(cpu).sysenter_esp = STACK_TOP_VA;
    enter_user();
    cpu.rflags = 0x202;
    cpu.rip = USER_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_CONTEXT);
    expect(cpu.user).toBe(0);
    expect(cpu.rip).toBe(CODE_VA);
    expect(cpu.rsp).toBe(STACK_TOP_VA);
    expect<u32>(cpu.ss).toBe(0xe010);
    expect(cpu.rflags).toBe(2);
    enter_hypervisor();
    cpu.rdx = USER_VA + 2;
    cpu.rcx = 0x7000;
    place(CODE_VA, "48 0f 35"); // sysexit
    expect(run_cpu(cpu, 10)).toBe(STOP_CONTEXT);
    expect(cpu.rip).toBe(USER_VA + 2);
    expect(cpu.rsp).toBe(0x7000);
    expect<u32>(cpu.cs).toBe(0xe02b);
  });

  it("without EFER.SCE there is neither SYSCALL nor SYSRET", () => {
    const cpu = cpu0();
    cpu.efer &= ~1;
    assert(faults("48 0f 07", VECTOR_UD, 0));
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    place(USER_VA, "0f 05");
    cpu.rip = USER_VA;
    expect(run_cpu(cpu, 10)).toBe(STOP_FAULT);
    expect(cpu.fault_vector).toBe(VECTOR_UD);
    cpu.efer |= 1;
    expect(run_cpu(cpu, 10)).toBe(STOP_SYSCALL);
  });
});
