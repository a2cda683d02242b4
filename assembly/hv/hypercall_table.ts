// Where the image's hypercalls begin: in its `hypercall_table` by number, or by their public names
// (Xen's public/xen.h). And Xen's own dispatcher, which since 4.8 has its table inside.

import { REGION_TEXT } from "../abi";
import { known_symbol } from "./image";
import { CALL_OFF } from "./layout";
import { peek } from "./mem";
import { region_of } from "./regions";
import { find_symbol, symbol } from "./symbols";
import { ascii } from "./text";

/** Slots that a table without a size is taken to have. */
const DEFAULT_SLOTS: u64 = 64;

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

/** Address of the image's table, 0 when it has none. */
export function table_va(): u64 {
  const table = find_symbol(ascii("hypercall_table"), 15);
  return table < 0 ? 0 : symbol(table).va;
}

export function table_slots(): u64 {
  const table = find_symbol(ascii("hypercall_table"), 15);
  if (table < 0) return 0;
  const size = symbol(table).size;
  return size == 0 ? DEFAULT_SLOTS : size >> 3;
}

/** Xen's `void pv_hypercall(struct cpu_user_regs *)`, 0 when the image has none. */
export function dispatcher_va(): u64 {
  const va = known_symbol("pv_hypercall");
  return region_of(va) == REGION_TEXT ? va : 0;
}

/** What the image's table holds for `nr`, 0 when that is no code. */
function table_slot(nr: u64): u64 {
  if (nr >= table_slots() || peek(CALL_OFF, table_va() + (nr << 3), 8) != 0) return 0;
  const va = load<u64>(CALL_OFF);
  return region_of(va) == REGION_TEXT ? va : 0;
}

/** Where hypercall `nr` begins, 0 when the image has none. */
export function hypercall_va(nr: u64): u64 {
  const va = table_slot(nr);
  if (va != 0) return va;
  const name = hypercall_name(nr);
  return name.length == 0 ? 0 : known_symbol(name);
}
