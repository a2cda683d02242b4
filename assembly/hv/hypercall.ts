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

/** Xen's name for a hypercall number (public/xen.h), without `do_`; empty when it has none. */
function hypercall_name(nr: u64): string {
  switch (<u32>min<u64>(nr, 63)) {
    case 0:
      return "do_set_trap_table";
    case 1:
      return "do_mmu_update";
    case 2:
      return "do_set_gdt";
    case 3:
      return "do_stack_switch";
    case 4:
      return "do_set_callbacks";
    case 5:
      return "do_fpu_taskswitch";
    case 6:
      return "do_sched_op_compat";
    case 7:
      return "do_platform_op";
    case 8:
      return "do_set_debugreg";
    case 9:
      return "do_get_debugreg";
    case 10:
      return "do_update_descriptor";
    case 12:
      return "do_memory_op";
    case 13:
      return "do_multicall";
    case 14:
      return "do_update_va_mapping";
    case 15:
      return "do_set_timer_op";
    case 16:
      return "do_event_channel_op_compat";
    case 17:
      return "do_xen_version";
    case 18:
      return "do_console_io";
    case 19:
      return "do_physdev_op_compat";
    case 20:
      return "do_grant_table_op";
    case 21:
      return "do_vm_assist";
    case 22:
      return "do_update_va_mapping_otherdomain";
    case 23:
      return "do_iret";
    case 24:
      return "do_vcpu_op";
    case 25:
      return "do_set_segment_base";
    case 26:
      return "do_mmuext_op";
    case 27:
      return "do_xsm_op";
    case 28:
      return "do_nmi_op";
    case 29:
      return "do_sched_op";
    case 30:
      return "do_callback_op";
    case 31:
      return "do_xenoprof_op";
    case 32:
      return "do_event_channel_op";
    case 33:
      return "do_physdev_op";
    case 34:
      return "do_hvm_op";
    case 36:
      return "do_domctl";
    case 37:
      return "do_kexec_op";
    case 38:
      return "do_tmem_op";
    case 39:
      return "do_argo_op";
    case 40:
      return "do_xenpmu_op";
    case 41:
      return "do_dm_op";
    case 48:
      return "do_mca";
    default:
      return "";
  }
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
