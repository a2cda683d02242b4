// Code that changes while it runs: between quanta pieces of it are overwritten, put back, or
// mapped anew, wherever the CPU is. A machine that keeps its decoded code does what one does that
// decodes everything anew before every quantum (R218).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Interpreter, PERM_R, PERM_W, PERM_X, RFLAGS, RIP } from "../support/interpreter.js";
import { inRoot } from "../support/root.js";
import { readSequences, SEQUENCE_SIZE, SEQUENCE_VA, type Sequence } from "./sequences.js";
import { DATA_SIZE, DATA_VA, mix } from "./vectors.js";

const STOP_BUDGET = 2;
const REGISTERS = 18;
const PAGE = 0x1000;
const SEED = Math.floor(Math.random() * 0xffffffff);

class Subject {
  private readonly machine = new Interpreter({ user: true });
  private readonly data: number;

  /** @param forgets decodes everything anew before every quantum */
  constructor(private readonly forgets: boolean) {
    this.data = this.machine.map(DATA_VA, DATA_SIZE / PAGE, PERM_R | PERM_W);
    this.machine.map(SEQUENCE_VA, SEQUENCE_SIZE / PAGE, PERM_R | PERM_X);
  }

  start({ before }: Sequence): void {
    this.machine.bytes.set(before.memory.subarray(0, DATA_SIZE), this.data);
    for (const [i, value] of before.regs.entries()) this.machine.set(i, value);
    this.machine.set(RIP, before.rip);
    this.machine.set(RFLAGS, BigInt(before.flags | 0x202));
  }

  write(at: number, bytes: Uint8Array): void {
    this.machine.write(SEQUENCE_VA + BigInt(at), bytes);
  }

  /** A fresh page of code in place of one of the two. */
  remap(page: number, bytes: Uint8Array): void {
    this.machine.map(SEQUENCE_VA + BigInt(PAGE * page), 1, PERM_R | PERM_X);
    this.write(PAGE * page, bytes.subarray(PAGE * page, PAGE * (page + 1)));
  }

  run(quantum: bigint): number {
    if (this.forgets) this.machine.exports.flush();
    return this.machine.exports.run(quantum);
  }

  state(): string {
    const registers = Array.from({ length: REGISTERS }, (_, i) => this.machine.get(i).toString(16));
    const { vector, va } = this.machine.fault();
    const data = this.machine.bytes.subarray(this.data, this.data + DATA_SIZE);
    const memory = createHash("sha256").update(data).digest("hex");
    return [...registers, this.machine.exports.retired(), vector, va, memory].join(" ");
  }
}

test("decoded code that is kept is never older than memory", (t) => {
  t.diagnostic(`seed ${SEED}`);
  const bytes = gunzipSync(readFileSync(inRoot("tests/native/recorded/sequences.bin.gz")));
  const sequences = [...readSequences(bytes)];
  let draws = 0;
  const draw = (below: number): number => mix(SEED, draws++) % below;
  const [keeps, forgets] = [new Subject(false), new Subject(true)];
  const both = (work: (subject: Subject) => void) => [keeps, forgets].forEach(work);
  const code = new Uint8Array(SEQUENCE_SIZE);
  let changes = 0;
  let remaps = 0;

  /** Somebody else's bytes somewhere into the present code, or its own ones back. */
  const change = ({ code: own, before }: Sequence): void => {
    const base = Number(before.rip - SEQUENCE_VA);
    const other = sequences[draw(sequences.length)]?.code ?? own;
    const from = draw(own.length);
    const source = draw(3) === 0 ? own.subarray(from) : other.subarray(draw(other.length));
    const part = source.subarray(0, Math.min(1 + draw(12), SEQUENCE_SIZE - base - from));
    code.set(part, base + from);
    both((subject) => subject.write(base + from, part));
    changes++;
  };

  for (const sequence of sequences) {
    const at = Number(sequence.before.rip - SEQUENCE_VA);
    code.set(sequence.code, at);
    both((subject) => subject.write(at, sequence.code));
    both((subject) => subject.start(sequence));
    for (let rounds = 0; rounds < 30; rounds++) {
      const quantum = BigInt(1 + draw([2, 12, 60][draw(3)] ?? 2));
      const stop = keeps.run(quantum);
      assert.equal(forgets.run(quantum), stop, `seed ${SEED}: ${sequence.seed}`);
      if (stop !== STOP_BUDGET) break;
      if (draw(3) === 0) change(sequence);
      if (draw(100) === 0 && remaps < 60) {
        const page = draw(2);
        both((subject) => subject.remap(page, code));
        remaps++;
      }
    }
    assert.equal(keeps.state(), forgets.state(), `seed ${SEED}: ${sequence.seed}`);
  }
  assert.ok(changes > 1000 && remaps > 10, `${changes} changes, ${remaps} new pages`);
});
