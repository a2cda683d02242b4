// What the guest of each CPU does (boot --workload): which of the programs of
// images/entries/guests.S it executes, in which domain, and which hypercall of the image it
// cannot do without. Mini-Xen has hypercalls of its own for the purpose; of any other image only
// what Xen's public headers name is asked, and of that what answers in an image that has not
// booted.

import {
  BOOT_WORKLOAD,
  EINVAL,
  ENTRIES_MACHINE,
  EOPNOTSUPP,
  HYPERVISOR_DEEP,
  HYPERVISOR_MULTICALL,
  WORKLOAD_BLOCK,
  WORKLOAD_DEEP,
  WORKLOAD_DOMCTL,
  WORKLOAD_MIXED,
  WORKLOAD_NONE,
  WORKLOAD_SPIN,
  WORKLOAD_STORM,
  WORKLOADS,
} from "../abi";
import { REASON_BOOT_PARAMETER, REASON_WORKLOAD_HYPERCALL } from "../reasons";
import {
  GUEST_BLOCK,
  GUEST_DEEP,
  GUEST_DOMCTL,
  GUEST_SPIN,
  GUEST_STORM,
  GUEST_XEN_DOMCTL,
  GUEST_XEN_STORM,
} from "./guest_code";
import { header } from "./header";
import { hypercall_va } from "./hypercall_table";
import { refusal, refuse } from "./refusal";

/** The hypercall without which a workload is not what it is called, 0: none. */
function needed_hypercall(workload: u32): u32 {
  if (header().entries != ENTRIES_MACHINE) return 0;
  if (workload == WORKLOAD_DEEP) return HYPERVISOR_DEEP;
  return workload == WORKLOAD_DOMCTL ? HYPERVISOR_MULTICALL : 0;
}

function is_possible(workload: u32): bool {
  const nr = needed_hypercall(workload);
  return nr == 0 || hypercall_va(nr) != 0;
}

/** Mixed: one of each kind that there is. */
function mixed(cpu: u32): u32 {
  switch (cpu & 3) {
    case 0:
      return WORKLOAD_STORM;
    case 1:
      return is_possible(WORKLOAD_DOMCTL) ? WORKLOAD_DOMCTL : WORKLOAD_BLOCK;
    case 2:
      return is_possible(WORKLOAD_DEEP) ? WORKLOAD_DEEP : WORKLOAD_BLOCK;
    default:
      return WORKLOAD_SPIN;
  }
}

/** What the guest of a CPU does: WORKLOAD_*. */
export function workload_of(cpu: u32): u32 {
  const workload = header().workload;
  return workload == WORKLOAD_MIXED ? mixed(cpu) : workload;
}

/** Where its program begins in the guests' code. */
export function program_of(workload: u32): u64 {
  const ours = header().entries == ENTRIES_MACHINE;
  if (workload == WORKLOAD_STORM) return ours ? GUEST_XEN_STORM : GUEST_STORM;
  if (workload == WORKLOAD_DOMCTL) return ours ? GUEST_XEN_DOMCTL : GUEST_DOMCTL;
  if (workload == WORKLOAD_DEEP) return GUEST_DEEP;
  return workload == WORKLOAD_SPIN ? GUEST_SPIN : GUEST_BLOCK;
}

/** 0, or a refusal: no such workload, or one that the image cannot serve. */
export function check_workload(): i32 {
  const workload = header().workload;
  if (workload == WORKLOAD_NONE) return 0;
  if (workload >= <u32>WORKLOADS) {
    const rc = refuse(EINVAL, REASON_BOOT_PARAMETER);
    refusal().index = BOOT_WORKLOAD;
    refusal().value = workload;
    refusal().limit = WORKLOADS - 1;
    return rc;
  }
  if (is_possible(workload)) return 0;
  const rc = refuse(EOPNOTSUPP, REASON_WORKLOAD_HYPERCALL);
  refusal().value = needed_hypercall(workload);
  refusal().index = workload;
  return rc;
}
