// Who may make which xSplice sysctl (RFC R81): a JSON file
//
//   {"domains": {"0": ["upload", "get", "list", "action", "info"], "3": ["list"]}}
//
// validated here and given to the core as one mask per domain: bit n allows sub-operation n.

import * as v from "valibot";
import * as abi from "./abi.js";
import { XenError } from "./error.js";

const OPERATIONS = {
  upload: abi.XEN_SYSCTL_XSPLICE_UPLOAD,
  get: abi.XEN_SYSCTL_XSPLICE_GET,
  list: abi.XEN_SYSCTL_XSPLICE_LIST,
  action: abi.XEN_SYSCTL_XSPLICE_ACTION,
  info: abi.XEN_SYSCTL_XSPLICE_INFO,
} as const;

export type Operation = keyof typeof OPERATIONS;

const operation = v.picklist(
  Object.keys(OPERATIONS) as Operation[],
  (issue) => `${issue.received} is no operation; there are ${Object.keys(OPERATIONS).join(", ")}`,
);

const schema = v.strictObject({
  domains: v.record(
    v.pipe(
      v.string(),
      v.regex(/^(0|[1-9]\d{0,4})$/, (issue) => `${issue.received} is no domain number`),
    ),
    v.array(operation),
  ),
});

/** A policy as it stands in its file. A domain that is not named may do nothing. */
export type Policy = v.InferOutput<typeof schema>;

/** What the core is told: `mask` has bit n set for every sub-operation n that is allowed. */
export interface PolicyMask {
  readonly domain: number;
  readonly mask: number;
}

function reject(name: string): never {
  throw XenError.of(abi.EINVAL, abi.REASON_POLICY, { name });
}

/**
 * Checks a policy.
 * @param value the parsed JSON
 * @throws XenError `policy`, saying where and what
 */
export function checkPolicy(value: unknown): Policy {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  return reject(path === null ? issue.message : `${path}: ${issue.message}`);
}

/** The same from the text of a policy file. */
export function parsePolicy(text: string): Policy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return reject(`not JSON: ${(error as Error).message}`);
  }
  return checkPolicy(value);
}

/** The masks of a policy, by ascending domain. */
export function policyMasks(policy: Policy): PolicyMask[] {
  return Object.entries(policy.domains)
    .map(([domain, operations]) => ({
      domain: Number(domain),
      mask: operations.reduce((mask, name) => mask | (1 << OPERATIONS[name]), 0),
    }))
    .sort((a, b) => a.domain - b.domain);
}
