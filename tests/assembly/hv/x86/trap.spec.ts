// Traps and interrupts by instruction (Intel SDM vol. 3, 6.5, 17.3.1.4; vol. 2, INT n): what is
// done when they are reported, and where RIP is.

import {
  PERM_R,
  PERM_X,
  STOP_BUDGET,
  STOP_FAULT,
  STOP_HALT,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_OF,
  VECTOR_PF,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { translate_write } from "../../../../assembly/hv/mem";
import { install_icr } from "../../../../assembly/hv/x86/msr";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { system_of } from "../../../../assembly/hv/x86/state";
import { install_vectors } from "../../../../assembly/hv/x86/system";
import {
  CODE_VA,
  cpu0,
  DATA_VA,
  enter_user,
  map,
  place,
  reset_cpus,
  STACK_TOP_VA,
} from "../../support/code";

const TF: u64 = 0x100;
const USER_VA: u64 = 0x400000;

/** Goes on; the trap behind the instruction at `at`, with RIP at `rip`. */
function traps(vector: u32, at: u64, rip: u64): bool {
  const cpu = cpu0();
  const stop = run_cpu(cpu, 100);
  return stop == STOP_FAULT && cpu.fault_vector == vector && cpu.fault_rip == at && cpu.rip == rip;
}

describe("single steps", () => {
  beforeEach(reset_cpus);

  it("trap behind each instruction", () => {
    const cpu = cpu0();
    place(CODE_VA, "ff c0 01 c0 74 02 ff c0 eb f6"); // inc; add; jz; inc; jmp back
    cpu.rflags |= TF;
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA + 2));
    expect(cpu.rax).toBe(1);
    expect(cpu.retired).toBe(1);
    expect(system_of(cpu).dr6).toBe(0xffff4ff0); // BS
    assert(traps(VECTOR_DB, CODE_VA + 2, CODE_VA + 4));
    assert(traps(VECTOR_DB, CODE_VA + 4, CODE_VA + 6));
    assert(traps(VECTOR_DB, CODE_VA + 6, CODE_VA + 8));
    assert(traps(VECTOR_DB, CODE_VA + 8, CODE_VA));
    expect(cpu.rax).toBe(3);
    expect(cpu.retired).toBe(5);
  });

  it("begin behind the instruction after the POPF that asks for them, and end behind POPF", () => {
    const cpu = cpu0();
    place(CODE_VA, "9d 90 90 f4"); // popf; nop; nop; hlt
    cpu.rsp = STACK_TOP_VA - 16;
    store<u64>(translate_write(cpu.rsp), 0x102);
    assert(traps(VECTOR_DB, CODE_VA + 1, CODE_VA + 2));
    expect(cpu.retired).toBe(2);
    cpu.rip = CODE_VA;
    store<u64>(translate_write(cpu.rsp), 2);
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA + 1));
    expect(run_cpu(cpu, 100)).toBe(STOP_HALT);
  });

  it("take a repeated instruction one element at a time", () => {
    const cpu = cpu0();
    place(CODE_VA, "f3 aa f4"); // rep stosb; hlt
    cpu.rdi = DATA_VA;
    cpu.rcx = 3;
    cpu.rflags |= TF;
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA));
    expect(cpu.rcx).toBe(2);
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA));
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA + 2));
    expect(cpu.rdi).toBe(DATA_VA + 3);
  });

  it("report a fault of the instruction instead, and one of the next only when it comes", () => {
    const cpu = cpu0();
    place(CODE_VA, "8b 00"); // mov (%rax),%eax
    cpu.rflags |= TF;
    assert(traps(VECTOR_PF, CODE_VA, CODE_VA));
    expect(cpu.retired).toBe(0);
    place(CODE_VA, "ff e0"); // jmp *%rax
    cpu.rax = DATA_VA;
    assert(traps(VECTOR_DB, CODE_VA, DATA_VA));
    assert(traps(VECTOR_PF, DATA_VA, DATA_VA));
  });

  it("do not come between SS and the stack pointer", () => {
    const cpu = cpu0();
    place(CODE_VA, "8e d0 48 89 dc f4"); // mov %eax,%ss; mov %rbx,%rsp; hlt
    cpu.rax = 0xe010;
    cpu.rflags |= TF;
    assert(traps(VECTOR_DB, CODE_VA + 2, CODE_VA + 5));
  });

  it("wake a CPU that would sleep, and are not lost where a run stops", () => {
    const cpu = cpu0();
    install_icr((target, low) => true);
    place(CODE_VA, "f4 0f 30"); // hlt; wrmsr
    cpu.rcx = 0x830; // the APIC's ICR
    cpu.rflags |= TF;
    assert(traps(VECTOR_DB, CODE_VA, CODE_VA + 1));
    assert(traps(VECTOR_DB, CODE_VA + 1, CODE_VA + 3));
  });
});

describe("interrupts by instruction", () => {
  beforeEach(() => {
    reset_cpus();
    install_vectors(() => false);
  });

  it("INT3, INT 3, INT 4 and INT1 are traps", () => {
    place(CODE_VA, "cc cd 03 cd 04 f1 f4");
    assert(traps(VECTOR_BP, CODE_VA, CODE_VA + 1));
    assert(traps(VECTOR_BP, CODE_VA + 1, CODE_VA + 3));
    assert(traps(VECTOR_OF, CODE_VA + 3, CODE_VA + 5));
    assert(traps(VECTOR_DB, CODE_VA + 5, CODE_VA + 6));
    expect(cpu0().retired).toBe(4);
    place(CODE_VA, "ce"); // INTO is no instruction in 64-bit mode
    cpu0().rip = CODE_VA;
    assert(traps(VECTOR_UD, CODE_VA, CODE_VA));
  });

  it("through a gate that ring 3 may not use: #GP with the vector", () => {
    map(USER_VA, 1, PERM_R | PERM_X);
    enter_user();
    place(USER_VA, "cd 80 cd fc cd 02");
    for (let i: u64 = 0; i < 3; i++) {
      cpu0().rip = USER_VA + 2 * i;
      assert(traps(VECTOR_GP, USER_VA + 2 * i, USER_VA + 2 * i));
    }
    expect(cpu0().fault_error).toBe(0x12);
  });

  it("of the hypervisor go through the image's entries", () => {
    const cpu = cpu0();
    install_vectors((on, vector) => {
      if (vector != 0xfc) return false;
      on.rbx = on.rip;
      on.rip = CODE_VA + 0x100;
      return true;
    });
    place(CODE_VA, "cd fc f4");
    place(CODE_VA + 0x100, "90 f4");
    expect(run_cpu(cpu, 100)).toBe(STOP_HALT);
    expect(cpu.rip).toBe(CODE_VA + 0x102);
    expect(cpu.rbx).toBe(CODE_VA + 2);
    expect(cpu.retired).toBe(3);
    place(CODE_VA, "cd 21");
    cpu.rip = CODE_VA;
    assert(traps(VECTOR_GP, CODE_VA, CODE_VA));
    expect(cpu.fault_error).toBe(0x10a);
  });

  it("a run that is at its end leaves the next fetch to the next run", () => {
    const cpu = cpu0();
    place(CODE_VA, "ff e0"); // jmp *%rax
    cpu.rax = DATA_VA;
    expect(run_cpu(cpu, 1)).toBe(STOP_BUDGET);
    expect(cpu.rip).toBe(DATA_VA);
    expect(run_cpu(cpu, 1)).toBe(STOP_FAULT);
    expect(cpu.retired).toBe(1);
  });
});
