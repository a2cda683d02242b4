// A CPU that stands at a patch point although nothing is under way: nobody releases it any more.
// Its guest never runs again, which no invariant of single steps notices.

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
