// A domain's hypercall, made for it by the host: through the image's own entry code and table. An
// image without `hypercall_entry` is called through its `hypercall_table`, or by the public names
// of the hypercalls; there the machine answers the sysctl itself, because nothing in the image
// leads to it.

import { ENOSYS, HYPERVISOR_SYSCTL, STOP_RETURN } from "../abi";
import { REASON_NO_HYPERCALL } from "../reasons";
import { enter_function, run_call, set_arguments } from "./call";
import { Cpu } from "./cpu";
import { enter_domain } from "./domain";
import { header } from "./header";
import { hypercall_va } from "./hypercall_table";
import { known_symbol } from "./image";
import { refusal, refuse } from "./refusal";
import { RFLAGS_IF } from "./smp";
import { do_sysctl } from "./sysctl";

/** Finds the ways into the image, once at boot. */
export function boot_hypercalls(): void {
  const h = header();
  h.hypercall_entry_va = known_symbol("hypercall_entry");
  h.hypercall_table_va = known_symbol("hypercall_table");
}

function refuse_number(nr: u64): i32 {
  const rc = refuse(ENOSYS, REASON_NO_HYPERCALL);
  refusal().value = nr;
  return rc;
}

/** Makes hypercall `nr` of `domain` on an idle CPU. 0: cpu.stop and cpu.rax tell how it went; else
 *  -errno and nothing was run. `args_off`: `nargs` u64. */
export function make_hypercall(
  cpu: Cpu,
  domain: i32,
  nr: u64,
  args_off: usize,
  nargs: u32,
  budget: u64,
): i32 {
  const entry = header().hypercall_entry_va;
  if (entry == 0 && nr == HYPERVISOR_SYSCTL) {
    enter_domain(domain, false);
    cpu.rax = <u64>(<i64>do_sysctl(nargs == 0 ? 0 : load<u64>(args_off), domain));
    cpu.result_rax = cpu.rax;
    cpu.result_rip = cpu.rip;
    cpu.stop = STOP_RETURN;
    cpu.budget = 0;
    return 0;
  }
  const va = entry != 0 ? entry : hypercall_va(nr);
  if (va == 0) return refuse_number(nr);
  enter_function(cpu, va, RFLAGS_IF);
  set_arguments(cpu, args_off, nargs);
  cpu.rax = nr;
  cpu.r10 = cpu.rcx;
  run_call(cpu, domain, budget);
  return 0;
}
