// CPUs whose guests never run again, which no invariant of single steps notices: one that stands at
// a patch point although nothing is under way, so that nobody releases it any more, and one that
// never comes out of the hypervisor's code.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import { readCpu } from "../inspect.js";
import type { Violation } from "../schedules.js";

/** `vmcall` */
const GATE = [0x0f, 0x01, 0xc1];

function isAtGate(core: Core, va: bigint): boolean {
  if (core.invoke("hv_read", -1, va, GATE.length) < 0) return false;
  const bytes = core.window(GATE.length);
  return GATE.every((byte, i) => bytes[i] === byte);
}

/** The first of the CPUs that can take no step, and whose next instruction is a gate. */
export function leftBehind(core: Core, cpus: number): Violation | undefined {
  for (let id = 0; id < cpus; id++) {
    if (core.invoke("hv_step_visible", id, 0) !== 0) continue;
    const cpu = readCpu(core, id);
    if (cpu?.state !== "hypervisor" || cpu.fault || !isAtGate(core, cpu.rip)) continue;
    return { invariant: "left-behind", cpu: id, va: cpu.rip };
  }
  return undefined;
}

/** Instructions of the hypercall that asks. */
const BUDGET = 1_000_000n;

/** The first of the CPUs that does not come by for a hypercall, however long it is waited for. */
export function whoStays(core: Core, cpus: number): Violation | undefined {
  for (let id = 0; id < cpus; id++) {
    const record = core.record();
    record.setBigUint64(0, 0n, true);
    record.setBigUint64(8, 0n, true);
    const nr = BigInt(abi.HYPERVISOR_XEN_VERSION);
    if (core.invoke("hv_hypercall", 0, id, nr, 2, BUDGET) !== -abi.EBUSY) continue;
    return { invariant: "stuck", cpu: id, va: readCpu(core, id)?.rip ?? 0n };
  }
  return undefined;
}
