// run_cpu: why it stops, where, and after how many instructions.

import {
  STOP_BUDGET,
  STOP_FAULT,
  STOP_GATE,
  STOP_HALT,
  STOP_RETURN,
  VECTOR_GP,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { RETURN_VA } from "../../../../assembly/hv/layout";
import { translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { CODE_VA, cpu0, DATA_VA, place, reset_cpus, STACK_TOP_VA } from "../../support/code";

/** 100 times: rbx ^= rax, rbx rotates, rax++; then hlt. 1 + 100 * 5 + 1 instructions. */
function place_loop(): void {
  place(CODE_VA, "31 c0" + "48 31 c3" + "48 c1 c3 07" + "ff c0" + "83 f8 64" + "75 f2" + "f4");
}
const LOOP_INSTRUCTIONS: u64 = 1 + 100 * 5 + 1;

describe("run_cpu", () => {
  beforeEach(reset_cpus);

  it("stops at hlt, behind it", () => {
    place_loop();
    expect(run_cpu(cpu0(), 1000000)).toBe(STOP_HALT);
    expect(cpu0().rip).toBe(CODE_VA + 17);
    expect(cpu0().rax).toBe(100);
    expect(cpu0().retired).toBe(LOOP_INSTRUCTIONS);
  });

  it("retires exactly what it is given, however the run is cut", () => {
    place_loop();
    run_cpu(cpu0(), 1000000);
    const rbx = cpu0().rbx;
    const rflags = cpu0().rflags;
    for (let quantum: u64 = 1; quantum < 40; quantum++) {
      const cpu = cpu0();
      cpu.rip = CODE_VA;
      cpu.rbx = 0;
      cpu.rflags = 2;
      cpu.retired = 0;
      let stop = STOP_BUDGET;
      let runs: u64 = 0;
      while (stop == STOP_BUDGET) {
        stop = run_cpu(cpu, quantum);
        runs++;
        if (stop == STOP_BUDGET) assert(cpu.retired == runs * quantum);
      }
      assert(stop == STOP_HALT && cpu.retired == LOOP_INSTRUCTIONS);
      assert(cpu.rbx == rbx && cpu.rflags == rflags && cpu.rip == CODE_VA + 17);
    }
    expect(rbx).not.toBe(0);
  });

  it("does nothing with a budget of 0", () => {
    place_loop();
    expect(run_cpu(cpu0(), 0)).toBe(STOP_BUDGET);
    expect(cpu0().rip).toBe(CODE_VA);
    expect(cpu0().retired).toBe(0);
  });

  it("stops when the function returns to the machine", () => {
    place(CODE_VA, "b8 2a 00 00 00 c3"); // mov $42,%eax; ret
    cpu0().rsp = STACK_TOP_VA - 8;
    store<u64>(translate_write(STACK_TOP_VA - 8), RETURN_VA);
    expect(run_cpu(cpu0(), 100)).toBe(STOP_RETURN);
    expect(cpu0().rax).toBe(42);
    expect(cpu0().rsp).toBe(STACK_TOP_VA);
    expect(cpu0().retired).toBe(2);
  });

  it("stops at a gate, behind it", () => {
    place(CODE_VA, "0f 01 c1"); // vmcall
    expect(run_cpu(cpu0(), 100)).toBe(STOP_GATE);
    expect(cpu0().rip).toBe(CODE_VA + 3);
  });

  it("latches a page fault and does nothing of the instruction", () => {
    // mov $7,%ecx; add %rcx,(%rax); hlt
    place(CODE_VA, "b9 07 00 00 00 48 01 08 f4");
    cpu0().rax = 0xffff82d090000000;
    cpu0().rflags = 0x8d7;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_PF);
    expect(cpu0().fault_error).toBe(2); // a write to nothing
    expect(cpu0().fault_va).toBe(0xffff82d090000000);
    expect(cpu0().cr2).toBe(0xffff82d090000000);
    expect(cpu0().fault_rip).toBe(CODE_VA + 5);
    expect(cpu0().rip).toBe(CODE_VA + 5);
    expect(cpu0().rflags).toBe(0x8d7);
    expect(cpu0().retired).toBe(1);
  });

  it("settles the flags of the instruction in front of a fault", () => {
    // xor %eax,%eax; mov (%rax),%eax: ZF and PF of the XOR must be there.
    place(CODE_VA, "31 c0 8b 00");
    cpu0().rflags = 2 | 1;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().rflags).toBe(0x46);
  });

  it("faults on code that is not executable, at its address", () => {
    place(CODE_VA, "ff e0"); // jmp *%rax
    cpu0().rax = DATA_VA + 3;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().rip).toBe(DATA_VA + 3);
    expect(cpu0().fault_va).toBe(DATA_VA + 3);
    expect(cpu0().fault_error).toBe(0x11); // present, fetch
  });

  it("faults at the branch when its target is not canonical", () => {
    place(CODE_VA, "ff d0"); // call *%rax
    cpu0().rax = 0x800000000000;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_GP);
    expect(cpu0().rip).toBe(CODE_VA);
    expect(cpu0().rsp).toBe(STACK_TOP_VA);
  });

  it("says #SS of the stack's address, #GP of any other", () => {
    const bad: u64 = 0x800000000000;
    place(CODE_VA, "ff 30 f4"); // push (%rax)
    cpu0().rax = bad;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_GP);
    place(CODE_VA, "ff 10 f4"); // call *(%rax)
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_GP);
    place(CODE_VA, "64 8b 45 00"); // mov %fs:(%rbp),%eax
    cpu0().rbp = bad;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_GP);
    place(CODE_VA, "ff 75 00"); // push (%rbp)
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_SS);
    place(CODE_VA, "ff 30"); // push (%rax): the operand can be read
    cpu0().rax = DATA_VA;
    cpu0().rsp = bad + 8;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_SS);
  });

  it("takes no segment for an address", () => {
    place(CODE_VA, "64 48 8d 44 8b 04 f4"); // lea %fs:4(%rbx,%rcx,4),%rax; hlt
    cpu0().fs_base = 0x1000;
    cpu0().rbx = 0x200;
    cpu0().rcx = 3;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_HALT);
    expect(cpu0().rax).toBe(0x210);
  });

  it("refuses what it does not have, at the instruction", () => {
    place(CODE_VA, "90 c5 f9 ef c0"); // nop; vpxor
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_vector).toBe(VECTOR_UD);
    expect(cpu0().rip).toBe(CODE_VA + 1);
    expect(cpu0().retired).toBe(1);
  });

  it("executes an instruction that crosses into the next page", () => {
    place(CODE_VA + 0xffb, "48 b8 88 77 66 55 44 33 22 11 f4"); // movabs; hlt
    cpu0().rip = CODE_VA + 0xffb;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_HALT);
    expect(cpu0().rax).toBe(0x1122334455667788);
  });

  it("faults in the second page of an instruction, at its first byte", () => {
    place(CODE_VA + 0x1ffd, "48 b8 88"); // movabs, cut off by the end of the mapping
    cpu0().rip = CODE_VA + 0x1ffd;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().rip).toBe(CODE_VA + 0x1ffd);
    expect(cpu0().fault_va).toBe(CODE_VA + 0x2000);
  });

  it("writes an operand across two pages, or not at all", () => {
    place(CODE_VA, "48 89 08 f4"); // mov %rcx,(%rax); hlt
    cpu0().rax = DATA_VA + 0xffd;
    cpu0().rcx = 0x1122334455667788;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_HALT);
    expect(load<u8>(translate_write(DATA_VA + 0xfff))).toBe(0x66);
    expect(load<u8>(translate_write(DATA_VA + 0x1000))).toBe(0x55);
    cpu0().rip = CODE_VA;
    cpu0().rax = DATA_VA + 0x1ffd;
    expect(run_cpu(cpu0(), 100)).toBe(STOP_FAULT);
    expect(cpu0().fault_va).toBe(DATA_VA + 0x2000);
    expect(load<u8>(translate_write(DATA_VA + 0x1ffd))).toBe(0);
  });
});
