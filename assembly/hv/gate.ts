// Gates: `vmcall` in hypervisor code calls the machine, number in eax, argument in rdi, answer in
// rax.

import { ENOSYS, GATE_SYSCTL } from "../abi";
import { Cpu } from "./cpu";
import { do_sysctl } from "./sysctl";

/** Answers the gate at which the CPU stopped. */
export function answer_gate(cpu: Cpu): void {
  if (<u32>cpu.rax == GATE_SYSCTL && cpu.domain >= 0) {
    cpu.rax = <u64>(<i64>do_sysctl(cpu.rdi, cpu.domain));
    return;
  }
  cpu.rax = <u64>(<i64>-ENOSYS);
}
