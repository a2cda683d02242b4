// What guests can be told to do, by name (`boot --workload`).

import * as abi from "./abi.js";

/** Numbers of workloads (Header.workload). */
export const WORKLOADS: Readonly<Record<string, number>> = {
  none: abi.WORKLOAD_NONE,
  idle: abi.WORKLOAD_IDLE,
  storm: abi.WORKLOAD_STORM,
  domctl: abi.WORKLOAD_DOMCTL,
  deep: abi.WORKLOAD_DEEP,
  mixed: abi.WORKLOAD_MIXED,
  spin: abi.WORKLOAD_SPIN,
  block: abi.WORKLOAD_BLOCK,
};

export function workloadName(number: number): string {
  const found = Object.entries(WORKLOADS).find(([, value]) => value === number);
  return found?.[0] ?? `workload-${number}`;
}
