// Guests that do nothing but call one function of the hypervisor and write down what it answers,
// a toolstack on CPU 0 that patches that function meanwhile, and a scheduler that gives any CPU
// any quantum, out of a seed.

import { readFileSync } from "node:fs";
import * as abi from "../../host/abi.js";
import { createMachine } from "../../host/create.js";
import type { Machine } from "../../host/machine.js";
import type { Hypervisor } from "../../host/xc.js";
import { ROOT } from "../support/root.js";

/** A payload, a hypercall that shows it, and what that answers. */
export interface Subject {
  readonly payload: string;
  readonly call: readonly [nr: number, ...args: number[]];
  readonly old: bigint;
  readonly new: bigint;
  /** Calls of the function in one hypercall, all of the same weight; 1: it is called once. */
  readonly calls: number;
}

const hv = (value: number): bigint => BigInt.asUintN(64, BigInt(value));

export const SUBJECTS: readonly Subject[] = [
  { payload: "old-exact", call: [53, 7], old: 1077n, new: 1167n, calls: 9 },
  { payload: "callers", call: [53, 7], old: 1077n, new: 1977n, calls: 9 },
  { payload: "pointer-table", call: [17, 0], old: 0x40006n, new: 0x40007n, calls: 1 },
  { payload: "ex-table", call: [55, 0xdead000], old: hv(-14), new: hv(-61), calls: 1 },
];

export function payloadOf({ payload }: Subject): Uint8Array {
  return new Uint8Array(readFileSync(`${ROOT}/images/payloads/${payload}.xsplice`));
}

/** Where mini-Xen's guests have their code, and a page of data for each CPU (in RBX). */
const TEXT_VA = 0x400000n;
const DATA_VA = 0x600000n;
const PAGE = 4096;
const RING = 256;
/** The count is behind the ring, and in R12. */
const COUNT = 8 * RING;
/** How the workload's program begins: movl $2000,(%rbx). */
const DOMCTL = [0xc7, 0x03, 0xd0, 0x07, 0x00, 0x00];
const DOMAINS = [0, 1];
const ENDLESS = 100_000;

function word(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255];
}

/** Calls for ever: answer n goes to place n % RING. */
function program([nr, a = 0, b = 0, c = 0]: Subject["call"]): Uint8Array {
  const loop = [
    ...[0xb8, ...word(nr), 0xbf, ...word(a), 0xbe, ...word(b), 0xba, ...word(c)],
    ...[0x0f, 0x05], // syscall
    ...[0x41, 0x0f, 0xb6, 0xcc], // movzbl %r12b,%ecx
    ...[0x48, 0x89, 0x04, 0xcb], // mov %rax,(%rbx,%rcx,8)
    ...[0x49, 0xff, 0xc4], // inc %r12
    ...[0x4c, 0x89, 0xa3, ...word(COUNT)], // mov %r12,COUNT(%rbx)
  ];
  const back = [0xe9, ...word(-(loop.length + 5))];
  return new Uint8Array([...loop, ...back]);
}

/** Puts it in the place of the guests' program, before it has begun. */
function replaceProgram(machine: Machine, bytes: Uint8Array): void {
  for (const domain of DOMAINS) {
    const text = Buffer.from(machine.read(TEXT_VA, PAGE, { domain }));
    const at = text.indexOf(Uint8Array.of(...DOMCTL));
    if (at < 0) throw new Error("the guests have another program");
    machine.write(TEXT_VA + BigInt(at), bytes, { domain });
  }
}

/** xorshift32 */
function generator(seed: number): (below: number) => number {
  let x = seed === 0 ? 0x9e3779b9 : seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** A machine that loops. Its sysctls are made on CPU 0, in turns with the loops. */
export class Loop implements Hypervisor {
  readonly draw: (below: number) => number;
  private readonly seen: number[];

  private constructor(
    readonly machine: Machine,
    readonly subject: Subject,
    seed: number,
    readonly cpus: number,
  ) {
    this.draw = generator(seed);
    this.seen = new Array(cpus).fill(0);
    replaceProgram(machine, program(subject.call));
  }

  static async boot(
    subject: Subject,
    seed: number,
    quiesce: "guest-entry" | "rendezvous",
  ): Promise<Loop> {
    const draw = generator(seed);
    const cpus = 2 + draw(3);
    // Its guests belong to domain 0, which alone gets an answer from do_probe.
    const machine = await createMachine({ cpus, workload: "domctl", quiesce, seed });
    return new Loop(machine, subject, seed, cpus);
  }

  /** One CPU, for some instructions. */
  turn(): void {
    const cpu = this.draw(this.cpus);
    const most = [1, 8, 64, 300][this.draw(4)] ?? 1;
    if (!this.machine.schedules().step(cpu, 1 + this.draw(most))) {
      this.machine.run({ instructions: 20n });
    }
  }

  turns(count: number): void {
    for (let i = 0; i < count; i++) this.turn();
  }

  /** What each CPU's calls have answered since this was asked last, in order. */
  answers(): bigint[][] {
    return this.seen.map((from, cpu) => {
      const page = this.machine.read(DATA_VA + BigInt(cpu * PAGE), COUNT + 8, { domain: 0 });
      const view = new DataView(page.buffer, page.byteOffset);
      const count = Number(view.getBigUint64(COUNT, true));
      if (count - from > RING) throw new Error(`CPU ${cpu}: answers were lost`);
      this.seen[cpu] = count;
      return Array.from({ length: count - from }, (_, i) =>
        view.getBigUint64(8 * ((from + i) % RING), true),
      );
    });
  }

  sysctl(bytes: Uint8Array): number {
    const begin = () => this.machine.begin(abi.HYPERVISOR_SYSCTL, [bytes], { cpu: 0 });
    let begun = begin();
    for (; begun === undefined; begun = begin()) this.turn();
    for (let turns = 0; turns < ENDLESS; turns++) {
      const result = begun.collect();
      if (result) return Number(BigInt.asIntN(64, result.rax));
      this.turn();
    }
    throw new Error("the sysctl does not come to an end");
  }

  run(): { instructions: bigint; timeNs: bigint } {
    this.turns(1 + this.draw(12));
    return { instructions: 0n, timeNs: 0n };
  }

  withBuffers: Machine["withBuffers"] = (work, domain) => this.machine.withBuffers(work, domain);
  lastRefusal: Machine["lastRefusal"] = () => this.machine.lastRefusal();
  refusalOf: Machine["refusalOf"] = (id) => this.machine.refusalOf(id);
  errorOf: Machine["errorOf"] = (refusal) => this.machine.errorOf(refusal);
  settled: Machine["settled"] = () => this.machine.settled();
}
