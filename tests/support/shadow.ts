// The truth about stacks: what CPUs have really called and where they were interrupted, written
// down while they execute instruction by instruction. Branches as in the Intel SDM, vol. 2: CALL
// (e8, ff /2), RET (c3, c2), IRETQ (48 cf), behind the prefixes that compilers give them.

import assert from "node:assert/strict";
import * as abi from "../../host/abi.js";
import type { FrameKind, Machine } from "../../host/index.js";
import { type CpuInfo, readCpu } from "../../host/inspect.js";

/** A word of a stack to which execution will come back. */
export interface Truth {
  readonly at: bigint;
  readonly va: bigint;
  readonly kind: FrameKind;
}

type Branch = "call" | "return" | "iret" | "other";

const PREFIXES = new Set([0x2e, 0x3e, 0x66, 0x67, 0xf2, 0xf3]);
const LONGEST = 15;

function branchOf(bytes: Uint8Array): Branch {
  let at = 0;
  while (at < LONGEST && (PREFIXES.has(bytes[at] ?? 0) || (bytes[at] ?? 0) >> 4 === 4)) at++;
  const opcode = bytes[at] ?? 0;
  const digit = ((bytes[at + 1] ?? 0) >> 3) & 7;
  if (opcode === 0xe8 || (opcode === 0xff && digit === 2)) return "call";
  if (opcode === 0xc3 || opcode === 0xc2) return "return";
  return opcode === 0xcf ? "iret" : "other";
}

const rspOf = (cpu: CpuInfo): bigint => cpu.registers[4] as bigint;

export class Shadow {
  private stacks: Truth[][];
  private readonly rips: bigint[];

  /** What was on the stacks at the beginning and has been returned to, while that is found out. */
  private found: Truth[][] | undefined;

  /** Begins at any moment: what is on the stacks already is found out by letting the machine go on
   *  until every CPU has been in its guest, and bringing it back. Meanwhile no stack check holds
   *  anybody up. */
  constructor(private readonly machine: Machine) {
    const cpus = machine.stacks();
    this.stacks = cpus.map(() => []);
    this.rips = cpus.map(({ rip }) => rip);
    const inside = new Set(cpus.filter(({ retired }) => retired > 0n).map(({ cpu }) => cpu));
    const moves = machine.schedules();
    const start = machine.snapshot();
    moves.withoutGuards(abi.GUARD_STACK); // until it is brought back
    this.found = cpus.map(() => []);
    for (let i = 0; inside.size > 0; i++) {
      assert.ok(i < 1_000_000, `CPUs ${[...inside]} do not come to their guests`);
      const cpu = i % cpus.length;
      if (this.look(cpu).state === "guest") inside.delete(cpu);
      this.step(cpu);
    }
    machine.restore(start);
    this.stacks = this.found.map((words) => words.reverse());
    for (const { cpu, rip } of cpus) this.rips[cpu] = rip;
    this.found = undefined;
  }

  /** What is on a CPU's stack, innermost first. */
  truth(cpu: number): readonly Truth[] {
    return [...this.of(cpu)].reverse();
  }

  /** Whether any CPU is in [start, end), or will come back to it. */
  inUse(start: bigint, end: bigint): boolean {
    const inside = (va: bigint): boolean => va >= start && va < end;
    return (
      this.rips.some(inside) || this.stacks.some((words) => words.some(({ va }) => inside(va)))
    );
  }

  /** Lets a CPU execute one instruction, and take an interrupt before it; false when it cannot. */
  step(cpu: number): boolean {
    const moves = this.machine.schedules();
    const before = this.look(cpu);
    if (!moves.step(cpu, 0)) return false;
    const ready = this.look(cpu);
    if (rspOf(ready) !== rspOf(before)) this.interrupted(cpu, before, ready);
    if (ready.state === "guest") {
      moves.step(cpu, 1);
      this.stacks[cpu] = []; // SYSCALL begins with an empty stack
      return true;
    }
    const branch = branchOf(this.machine.read(ready.rip, LONGEST));
    if (!moves.step(cpu, 1)) return false;
    this.executed(cpu, branch, ready, this.look(cpu));
    return true;
  }

  private of(cpu: number): Truth[] {
    return this.stacks[cpu] as Truth[];
  }

  private word(va: bigint): bigint {
    return Buffer.from(this.machine.read(va, 8)).readBigUInt64LE(0);
  }

  private look(cpu: number): CpuInfo {
    const seen = this.machine.inside((core) => readCpu(core, cpu)) as CpuInfo;
    this.rips[cpu] = seen.rip;
    return seen;
  }

  private interrupted(cpu: number, before: CpuInfo, ready: CpuInfo): void {
    if (before.state === "guest") this.stacks[cpu] = [];
    else this.of(cpu).push({ at: rspOf(ready), va: before.rip, kind: "interrupted" });
  }

  private executed(cpu: number, branch: Branch, before: CpuInfo, after: CpuInfo): void {
    if (branch === "call") {
      const at = rspOf(after);
      assert.equal(at, rspOf(before) - 8n);
      this.of(cpu).push({ at, va: this.word(at), kind: "return" });
    }
    if (branch === "iret" && after.state === "guest") {
      assert.deepEqual(this.of(cpu), [], "the way into the guest leaves nothing behind");
    } else if (branch === "return" || branch === "iret") {
      const kind = branch === "return" ? "return" : "interrupted";
      const back: Truth = { at: rspOf(before), va: after.rip, kind };
      if (this.found && this.of(cpu).length === 0) this.found[cpu]?.push(back);
      else assert.deepEqual(this.of(cpu).pop(), back);
    }
  }
}
