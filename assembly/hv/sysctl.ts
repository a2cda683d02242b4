// The sysctl hypercall's envelope (Xen's do_sysctl, RFC R82, R89): copies struct xen_sysctl in,
// checks the interface version, hands the union to the operation, and copies back whatever came of
// it. Operations are installed by the layers above; what they are not allowed or cannot do they say
// themselves.

import {
  EACCES,
  EFAULT,
  ENOSYS,
  EOPNOTSUPP,
  SYSCTL_CMD,
  SYSCTL_SIZE,
  SYSCTL_U,
  SYSCTL_VERSION,
  XEN_SYSCTL_INTERFACE_VERSION,
} from "../abi";
import { XEN_SYSCTL_INTERFACE_VERSION_4_17, XEN_SYSCTL_LIVEPATCH_OP } from "../abi_today";
import { PLACE_SYSCTL, REASON_ABI_VERSION, REASON_ARG_FAULT, REASON_UNKNOWN_OP } from "../reasons";
import { has_operation, install_operation, run_operation_hook } from "./hooks";
import { SYSCTL_OFF } from "./layout";
import { copy_from_va, copy_to_va, is_hypervisor_va, is_mapped } from "./mem";
import { clear_refusal, refusal, refuse_at } from "./refusal";
import { PERM_R, PERM_W } from "../abi";

/** `handler` gets a copy of the union and the domain; it answers 0, a count or -errno. */
export function install_sysctl_op(op: u32, handler: (cmd_off: usize, domain: i32) => i32): void {
  install_operation(op, handler);
}

function fault(va: u64): i32 {
  const rc = refuse_at(EFAULT, REASON_ARG_FAULT, PLACE_SYSCTL, 0);
  refusal().va = va;
  return rc;
}

/** do_sysctl: `va` is the domain's pointer to struct xen_sysctl, in the context that is set. */
export function do_sysctl(va: u64, domain: i32): i32 {
  clear_refusal();
  // A guest's pointer must not make the hypervisor read or write its own half.
  const last_va = va + (SYSCTL_SIZE - 1);
  if (last_va < va || is_hypervisor_va(va) || is_hypervisor_va(last_va)) return fault(va);
  const missing = copy_from_va(SYSCTL_OFF, va, SYSCTL_SIZE);
  if (missing != 0) return fault(va + (SYSCTL_SIZE - missing));
  const version = load<u32>(SYSCTL_OFF + SYSCTL_VERSION);
  const op = load<u32>(SYSCTL_OFF + SYSCTL_CMD);
  // Two interfaces side by side: the RFC's operation, and today's with its own number and version.
  const today = op == XEN_SYSCTL_LIVEPATCH_OP;
  const expected = today ? XEN_SYSCTL_INTERFACE_VERSION_4_17 : XEN_SYSCTL_INTERFACE_VERSION;
  if (version != <u32>expected) {
    const rc = refuse_at(EACCES, REASON_ABI_VERSION, PLACE_SYSCTL, SYSCTL_VERSION);
    refusal().value = version;
    refusal().limit = expected;
    return rc;
  }
  if (!has_operation(op)) {
    const rc = refuse_at(ENOSYS, REASON_UNKNOWN_OP, PLACE_SYSCTL, SYSCTL_CMD);
    refusal().value = op;
    return rc;
  }
  // The answer must be deliverable before anything is done that could not be told of.
  if (!is_mapped(va, SYSCTL_SIZE, PERM_R | PERM_W)) return fault(va);
  const answer = run_operation_hook(op, SYSCTL_OFF + SYSCTL_U, domain);
  // 4.17 copies nothing back for what it does not know.
  if (today && (answer == -ENOSYS || answer == -EOPNOTSUPP)) return answer;
  const lost = copy_to_va(va, SYSCTL_OFF, SYSCTL_SIZE);
  return lost != 0 ? fault(va + (SYSCTL_SIZE - lost)) : answer;
}
