// Schedules chosen from outside: which CPU executes next, for how long, what of the machine
// decides how it goes on, and what must not happen meanwhile. For the search (search/) and for
// tests of races.

import * as abi from "./abi.js";
import type { Core } from "./core.js";

const VIOLATIONS: Readonly<Record<number, string>> = {
  [abi.VIOLATION_HALF_WRITTEN]: "half-written",
  [abi.VIOLATION_UNLOADED]: "unloaded-code",
  [abi.VIOLATION_RETURN]: "return-address",
  [abi.VIOLATION_LATE]: "late",
  [abi.VIOLATION_BETWEEN]: "between-old-and-new",
  [abi.VIOLATION_FAULT]: "hypervisor-fault",
  [abi.VIOLATION_STALE]: "stale-code",
  [abi.VIOLATION_GUEST]: "guest-crash",
  [abi.VIOLATION_BARRIER]: "barrier",
  [abi.VIOLATION_ON_STACK]: "on-stack",
};

/** An invariant of patching that was broken. */
export interface Violation {
  /** `half-written`, `unloaded-code`, `return-address`, `late`, `between-old-and-new` … */
  readonly invariant: string;
  readonly cpu: number;
  readonly va: bigint;
}

export class Schedules {
  constructor(private readonly core: Core) {}

  /** Lets a CPU execute; false when it cannot run now. */
  step(cpu: number, instructions: number): boolean {
    return this.core.invoke("hv_step", cpu, instructions) !== 0;
  }

  /** Whether a CPU can run now. */
  canStep(cpu: number): boolean {
    return this.core.invoke("hv_step_visible", cpu, 0) !== 0;
  }

  /** Lets a CPU execute until another could notice; VISIBLE_*, 0 when it cannot run now. */
  stepVisibly(cpu: number, limit: number): number {
    return this.core.invoke("hv_step_visible", cpu, limit);
  }

  hash(): bigint {
    return BigInt.asUintN(64, this.core.invoke("hv_schedule_hash"));
  }

  /** The first invariant that was broken since the guards were set. */
  violation(): Violation | undefined {
    const found = this.core.invoke("hv_violation");
    if (found === 0) return undefined;
    const record = this.core.record();
    const va = record.getBigUint64(0, true);
    const cpu = record.getUint32(8, true);
    return { invariant: VIOLATIONS[found] ?? `violation-${found}`, cpu, va };
  }

  /** Takes guards against races out (GUARD_*), to prove that their absence would be noticed. */
  withoutGuards(mask: number): void {
    this.core.invoke("hv_test_guards", mask);
  }
}
