// What early boot decides before the alternatives are all applied: which tables of functions the
// hypervisor will use. The tables are in the image's init data; which of them is chosen depends on
// the machine. Here the choices of one machine are replayed, that of QEMU's PC with an AMD CPU of
// family 15: SVM, flat APIC, K8 machine checks, ACPI timer ticks, HPET. Found with a running Xen
// 4.17.7, whose .text they reproduce byte for byte (tests/oracle/text_pages.tsv).

import { known_symbol } from "./image";
import { peek, poke } from "./mem";
import { find_symbol, symbol } from "./symbols";
import { ascii } from "./text";

const WORD = memory.data(8);
const TABLE_MAX: u64 = 1024;

/** Address of a symbol, also `file.c#name`. */
@inline
function where(name: string): u64 {
  return known_symbol(name);
}

/** A table of functions in place of the one that the image starts with; its null slots stay
 *  null. */
function choose_table(to: string, from: string): void {
  const index = find_symbol(ascii(from), <usize>from.length);
  const to_va = where(to);
  if (index < 0 || to_va == 0) return;
  const from_va = symbol(index).va;
  const size = min<u64>(symbol(index).size, TABLE_MAX);
  for (let at: u64 = 0; at + 8 <= size; at += 8) {
    if (peek(WORD, from_va + at, 8) != 0) return;
    if (load<u64>(WORD) != 0) poke(to_va + at, WORD, 8);
  }
}

/** One pointer. */
function choose(to: string, at: u64, target: string): void {
  const to_va = where(to);
  const va = where(target);
  if (to_va == 0 || va == 0) return;
  store<u64>(WORD, va);
  poke(to_va + at, WORD, 8);
}

export function settle_platform(): void {
  choose_table("hvm_funcs", "arch/x86/hvm/svm/svm.c#svm_function_table");
  choose_table("genapic", "apic_default");
  choose_table("mce_callbacks", "arch/x86/cpu/mcheck/mce_amd.c#k8_callbacks");
  choose_table("arch/x86/cpu/common.c#actual_cpu", "amd_cpu_dev");
  choose("ctxt_switch_masking", 0, "arch/x86/cpu/amd.c#amd_ctxt_switch_masking");
  choose(
    "arch/x86/acpi/cpu_idle.c#ticks_elapsed",
    0,
    "arch/x86/acpi/cpu_idle.c#acpi_pm_ticks_elapsed",
  );
  choose("arch/x86/acpi/cpu_idle.c#tick_to_ns", 0, "acpi_pm_tick_to_ns");
  choose("cpuidle_get_tick", 0, "arch/x86/acpi/cpu_idle.c#get_acpi_pm_tick");
  choose("arch/x86/time.c#plt_src", 0x18, "arch/x86/time.c#read_hpet_count");
  choose("arch/x86/time.c#plt_src", 0x28, "arch/x86/time.c#resume_hpet");
  choose(
    "common/core_parking.c#core_parking_policy",
    0x20,
    "common/core_parking.c#core_parking_power",
  );
}
