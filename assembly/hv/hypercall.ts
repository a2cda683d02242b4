// A domain's hypercall, made for it by the host: through the image's own entry code and table. An
// image without `hypercall_entry` is called through its `hypercall_table`, or by the public names
// of the hypercalls; there the machine answers the sysctl itself, because nothing in the image
// leads to it.

import { ENOSYS, HYPERVISOR_SYSCTL, REGION_TEXT, STOP_RETURN } from "../abi";
import { REASON_NO_HYPERCALL } from "../reasons";
import { enter_function, run_call, set_arguments } from "./call";
import { Cpu } from "./cpu";
import { enter_domain } from "./domain";
import { header } from "./header";
import { known_symbol } from "./image";
import { CALL_OFF } from "./layout";
import { peek } from "./mem";
import { refusal, refuse } from "./refusal";
import { region_of } from "./regions";
import { RFLAGS_IF } from "./smp";
import { find_symbol, symbol } from "./symbols";
import { do_sysctl } from "./sysctl";
import { ascii } from "./text";

/** Slots that a table without a size is taken to have. */
const DEFAULT_SLOTS: u64 = 64;

/** Finds the ways into the image, once at boot. */
export function boot_hypercalls(): void {
  const h = header();
  h.hypercall_entry_va = known_symbol("hypercall_entry");
  h.hypercall_table_va = known_symbol("hypercall_table");
}

/** Xen's names by hypercall number (public/xen.h); empty where there is none to call. */
const NAMES: StaticArray<string> = [
  "do_set_trap_table",
  "do_mmu_update",
  "do_set_gdt",
  "do_stack_switch",
  "do_set_callbacks",
  "do_fpu_taskswitch",
  "do_sched_op_compat",
  "do_platform_op",
  "do_set_debugreg",
  "do_get_debugreg",
  "do_update_descriptor",
  "",
  "do_memory_op",
  "do_multicall",
  "do_update_va_mapping",
  "do_set_timer_op",
  "do_event_channel_op_compat",
  "do_xen_version",
  "do_console_io",
  "do_physdev_op_compat",
  "do_grant_table_op",
  "do_vm_assist",
  "do_update_va_mapping_otherdomain",
  "do_iret",
  "do_vcpu_op",
  "do_set_segment_base",
  "do_mmuext_op",
  "do_xsm_op",
  "do_nmi_op",
  "do_sched_op",
  "do_callback_op",
  "do_xenoprof_op",
  "do_event_channel_op",
  "do_physdev_op",
  "do_hvm_op",
  "",
  "do_domctl",
  "do_kexec_op",
  "do_tmem_op",
  "do_argo_op",
  "do_xenpmu_op",
  "do_dm_op",
  "",
  "",
  "",
  "",
  "",
  "",
  "do_mca",
];

function hypercall_name(nr: u64): string {
  return nr < <u64>NAMES.length ? unchecked(NAMES[<u32>nr]) : "";
}

/** What the image's table holds for `nr`, 0 when that is no code. */
function table_slot(nr: u64): u64 {
  const table = find_symbol(ascii("hypercall_table"), 15);
  if (table < 0) return 0;
  const s = symbol(table);
  const slots = s.size == 0 ? DEFAULT_SLOTS : s.size >> 3;
  if (nr >= slots || peek(CALL_OFF, s.va + (nr << 3), 8) != 0) return 0;
  const va = load<u64>(CALL_OFF);
  return region_of(va) == REGION_TEXT ? va : 0;
}

/** Where hypercall `nr` begins in an image without an entry of its own, 0 when it has none. */
function hypercall_va(nr: u64): u64 {
  const va = table_slot(nr);
  if (va != 0) return va;
  const name = hypercall_name(nr);
  return name.length == 0 ? 0 : known_symbol(name);
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
