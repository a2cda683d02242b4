// Executes sequences on the interpreter, cut into quanta, and says what differs from the
// processor's result. The code cache stays as earlier sequences left it: code is changed the way
// the machine changes it.

import {
  Interpreter,
  PERM_R,
  PERM_W,
  PERM_X,
  RFLAGS,
  RIP,
  SEGMENTS,
} from "../support/interpreter.js";
import { loadDescriptors, USER_CS, USER_SS } from "./linux.js";
import { FS_BASE, GS_BASE, SEQUENCE_SIZE, SEQUENCE_VA, type Sequence } from "./sequences.js";
import { DATA_SIZE, DATA_VA, FLAG_MASK, READONLY_SIZE, VECTOR_BP } from "./vectors.js";

const STOP_FAULT = 1;
const STOP_BUDGET = 2;
/** More than any sequence needs, repeated string instructions included. */
const MOST = 1_000_000n;
const FS_REGISTER = 18;
const GS_REGISTER = 19;
const NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const [, CS, SS] = SEGMENTS;
const INT3 = new Uint8Array(SEQUENCE_SIZE).fill(0xcc);
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The next length of a quantum. */
export type Quanta = () => bigint;
/** Whole; in steps and short pieces; whole again, with the blocks that these have left behind. */
const CUTS = [MOST, 1n, 2n, 3n, 7n, MOST];

export class SequenceBench {
  private readonly machine = new Interpreter({ user: true });
  private readonly data: number;
  private readonly constants: number;
  private used = 0;
  private at = SEQUENCE_VA;

  constructor() {
    const { machine } = this;
    this.data = machine.map(DATA_VA, DATA_SIZE >> 12, PERM_R | PERM_W);
    this.constants = machine.map(DATA_VA + BigInt(DATA_SIZE), READONLY_SIZE >> 12, PERM_R);
    machine.map(SEQUENCE_VA, SEQUENCE_SIZE >> 12, PERM_R | PERM_X);
    machine.write(SEQUENCE_VA, INT3);
    loadDescriptors(machine);
  }

  /** Puts the code in place of what was there. */
  private load({ code, before }: Sequence): void {
    this.machine.write(this.at, INT3.subarray(0, this.used));
    this.machine.write(before.rip, code);
    this.used = code.length;
    this.at = before.rip;
  }

  private prepare({ before }: Sequence): void {
    const { machine } = this;
    machine.bytes.set(before.memory.subarray(0, DATA_SIZE), this.data);
    machine.bytes.set(before.memory.subarray(DATA_SIZE), this.constants);
    for (const [i, value] of before.regs.entries()) machine.set(i, value);
    for (const [i, value] of before.xmm.entries()) machine.setXmm(i >> 1, i & 1, value);
    machine.set(RIP, before.rip);
    machine.set(RFLAGS, BigInt(before.flags | 0x202));
    machine.setField(CS, USER_CS);
    machine.setField(SS, USER_SS);
    machine.set(FS_REGISTER, FS_BASE);
    machine.set(GS_REGISTER, GS_BASE);
  }

  /** Runs what was loaded to its end. Returns STOP_*, and the instructions it took. */
  private execute(sequence: Sequence, quanta: Quanta): readonly [number, bigint] {
    const { exports } = this.machine;
    this.prepare(sequence);
    const before = exports.retired();
    let stop = STOP_BUDGET;
    while (stop === STOP_BUDGET && exports.retired() - before < MOST) stop = exports.run(quanta());
    return [stop, exports.retired() - before];
  }

  /** What differs from the sequence, however it is cut into quanta; empty when nothing does. */
  judge(sequence: Sequence, more: readonly Quanta[] = []): string[] {
    this.load(sequence);
    const counts: bigint[] = [];
    const cuts = CUTS.map((length): [string, Quanta] => [`quanta of ${length}`, () => length]);
    for (const [name, quanta] of [...cuts, ...more.map((own) => ["quanta", own] as const)]) {
      const { found, retired } = this.run(sequence, quanta);
      if (found.length > 0) return [name, ...found];
      counts.push(retired);
    }
    const same = counts.every((count) => count === counts[0]);
    return same ? [] : [`instructions retired, by quantum: ${counts.join(" ")}`];
  }

  /** What differs in one run; how many instructions it took. */
  private run(sequence: Sequence, quanta: Quanta): { found: string[]; retired: bigint } {
    const { machine } = this;
    const [stop, retired] = this.execute(sequence, quanta);
    const found: string[] = [];
    const compare = (what: string, is: bigint | number, expected: bigint | number): void => {
      if (is !== expected) found.push(`${what} ${hex(is)} instead of ${hex(expected)}`);
    };
    const { after, defined, vector } = sequence;
    const fault = machine.fault();
    compare("stop", stop, STOP_FAULT);
    compare("vector", fault.vector, vector);
    if (vector !== VECTOR_BP) compare("error", fault.error, sequence.error);
    compare("fault va", vector === 14 ? fault.va : 0n, sequence.faultVa);
    // A breakpoint is a trap: RIP is behind it.
    compare("rip", machine.get(RIP) - (vector === VECTOR_BP ? 1n : 0n), after.rip);
    const flags = Number(machine.get(RFLAGS)) & FLAG_MASK & defined;
    compare("flags", flags, after.flags & defined);
    for (let i = 0; i < 16; i++) compare(NAMES[i] ?? "", machine.get(i), after.regs[i] ?? 0n);
    for (let i = 0; i < 32; i++) {
      compare(`xmm${i >> 1}[${i & 1}]`, machine.getXmm(i >> 1, i & 1), after.xmm[i] ?? 0n);
    }
    this.compareMemory(after.memory, compare);
    return { found, retired };
  }

  private compareMemory(
    expected: Uint8Array,
    compare: (what: string, is: number, expected: number) => void,
  ): void {
    const parts = [
      [this.data, 0, DATA_SIZE],
      [this.constants, DATA_SIZE, DATA_SIZE + READONLY_SIZE],
    ] as const;
    for (const [off, from, to] of parts) {
      const is = this.machine.bytes.subarray(off, off + to - from);
      const part = expected.subarray(from, to);
      if (Buffer.compare(is, part) === 0) continue;
      for (let i = 0; i < part.length; i++) {
        compare(`byte ${hex(from + i)}`, is[i] ?? 0, part[i] ?? 0);
      }
    }
  }
}
