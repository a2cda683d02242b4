// Schedules chosen from outside: which CPU executes next, for how long, what of the machine
// decides how it goes on, and a way back to where it was. For the search (search.ts) and for
// tests of races.

import * as abi from "./abi.js";
import type { Core } from "./core.js";

const PAGE = 4096;
/** Runs of empty pages of this length at the checkpoint (a domain's untouched RAM) stay empty. */
const UNTOUCHED = 512;

const VIOLATIONS: Readonly<Record<number, string>> = {
  [abi.VIOLATION_HALF_WRITTEN]: "half-written",
  [abi.VIOLATION_UNLOADED]: "unloaded-code",
  [abi.VIOLATION_RETURN]: "return-address",
  [abi.VIOLATION_LATE]: "late",
  [abi.VIOLATION_BETWEEN]: "between-old-and-new",
  [abi.VIOLATION_FAULT]: "hypervisor-fault",
  [abi.VIOLATION_STALE]: "stale-code",
  [abi.VIOLATION_GUEST]: "guest-crash",
};

/** An invariant of patching that was broken. */
export interface Violation {
  /** `half-written`, `unloaded-code`, `return-address`, `late`, `between-old-and-new` … */
  readonly invariant: string;
  readonly cpu: number;
  readonly va: bigint;
}

/** A machine at one moment, to come back to. */
export interface Checkpoint {
  readonly pages: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Offsets of pages that were empty and may have been used since. */
  readonly empty: readonly number[];
}

const ZERO = new Uint8Array(PAGE);

export class Schedules {
  constructor(private readonly core: Core) {}

  /** Lets a CPU execute; false when it cannot run now. */
  step(cpu: number, instructions: number): boolean {
    return this.core.invoke("hv_step", cpu, instructions) !== 0;
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

  /** Takes guards against races out (GUARD_*): only ever to prove that a test would notice. */
  withoutGuards(mask: number): void {
    this.core.invoke("hv_test_guards", mask);
  }

  checkpoint(): Checkpoint {
    const memory = this.core.memory();
    const end = Math.min(this.core.machineEnd, (this.core.invoke("hv_used_end") >>> 0) + 64 * PAGE);
    const pages: { offset: number; bytes: Uint8Array }[] = [];
    const empty: number[] = [];
    let run: number[] = [];
    const settle = (): void => {
      if (run.length < UNTOUCHED) empty.push(...run);
      run = [];
    };
    for (let offset = 0; offset < end; offset += PAGE) {
      const page = memory.subarray(offset, offset + PAGE);
      if (Buffer.compare(page, ZERO) === 0) {
        run.push(offset);
        continue;
      }
      settle();
      pages.push({ offset, bytes: page.slice() });
    }
    // What lies behind the last page in use is where new frames come from.
    empty.push(...run);
    return { pages, empty };
  }

  /** Back to where the machine was. */
  rollback({ pages, empty }: Checkpoint): void {
    const memory = this.core.memory();
    for (const { offset, bytes } of pages) memory.set(bytes, offset);
    for (const offset of empty) memory.fill(0, offset, offset + PAGE);
    this.core.invoke("hv_restored");
  }
}
