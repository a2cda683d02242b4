// Who may ask for what: the XSM hook of the sysctl (RFC R80, R81). Without a policy a privileged
// domain may do everything and any other nothing. A policy gives a domain a mask of operations and
// then alone decides, for dom0 as well.

import { EACCES, EPERM } from "../abi";
import { REASON_NOT_PRIVILEGED, REASON_XSM_DENIED } from "../reasons";
import { domain_at } from "./domain";
import { refuse, refusal } from "./refusal";

/** Sets the policy of a domain: bit n allows sub-operation n. */
export function set_policy(domain: i32, mask: u32): void {
  const d = domain_at(domain);
  d.has_policy = 1;
  d.policy = mask;
}

/** 0, or -EPERM, -EACCES with a reason. `op`: number of the sub-operation. */
export function xsm_check(domain: i32, op: u32): i32 {
  const d = domain_at(domain);
  if (d.has_policy != 0) {
    if (op < 32 && ((d.policy >> op) & 1) != 0) return 0;
    return denied(EACCES, REASON_XSM_DENIED, domain, op);
  }
  return d.privileged != 0 ? 0 : denied(EPERM, REASON_NOT_PRIVILEGED, domain, op);
}

function denied(errno: i32, reason: u32, domain: i32, op: u32): i32 {
  const rc = refuse(errno, reason);
  refusal().value = <u64>domain;
  refusal().index = op;
  return rc;
}
