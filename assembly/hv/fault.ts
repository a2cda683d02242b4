// Faults of hypervisor code: expected ones go on where an exception table says (hv/extable.ts), as
// Xen's handlers do it, with the stack as it was; a ud2 does what its bug frame says
// (hv/bugframes.ts). What is left stops the CPU's run and is reported.

import { VECTOR_DB } from "../abi";
import { return_from_bug } from "./bug_call";
import { answer_bug } from "./bugframes";
import { Cpu } from "./cpu";
import { find_fixup } from "./extable";
import { BUG_RETURN_VA } from "./layout";

/** True: the CPU can go on. The fault latch stays as it is for whoever asks. A single step is
 *  nobody's fault: RIP is at the next instruction already. */
export function fix_up(cpu: Cpu): bool {
  if (cpu.user != 0 || cpu.fault_vector == <u32>VECTOR_DB) return false;
  if (cpu.rip == BUG_RETURN_VA) return return_from_bug(cpu);
  if (answer_bug(cpu)) return true;
  const continuation = find_fixup(cpu.rip);
  if (continuation == 0) return false;
  cpu.rip = continuation;
  return true;
}
