// A loop of calls on every CPU, and a toolstack that applies and reverts at any moment: what a
// call answers is the old or the new answer, as long as nobody patches it is the one of the state
// that the toolstack was told, and while somebody does it changes once (R192, R193, R218). With the
// rendezvous as patch point a hypercall may be in its middle, between two calls of the patched
// function: each of these is old or new. LOOPS=1000 tries so many seeds, LOOPS_SEED=… begins there.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { XenError } from "../../host/error.js";
import type { Machine } from "../../host/machine.js";
import { XenControl } from "../../host/xc.js";
import { Loop, payloadOf, SUBJECTS, type Subject } from "./loop.js";

const LOOPS = Number(process.env.LOOPS ?? 10);
const ID = "loop";
const QUIESCE = ["guest-entry", "rendezvous"] as const;

/** The answers of the functions that are called in one hypercall, some old and some new. */
function isMixed({ old, calls, ...subject }: Subject, answer: bigint): boolean {
  const step = (subject.new - old) / BigInt(calls);
  const mixed = (answer - old) / step;
  return (answer - old) % step === 0n && mixed > 0n && mixed < BigInt(calls);
}

/** What has been answered, against what the toolstack knows. */
class Watch {
  changes = 0;
  /** Answers of hypercalls that a change has met between two calls of the function. */
  mixed = 0;
  readonly wrong: string[] = [];
  private now: bigint;
  /** CPUs whose call was under way when a change ended: its answer may be of before. */
  private readonly open = new Set<number>();

  constructor(
    private readonly loop: Loop,
    private readonly mixes: boolean,
  ) {
    this.now = loop.subject.old;
  }

  private isMix(answer: bigint | undefined): boolean {
    if (!this.mixes || answer === undefined || !isMixed(this.loop.subject, answer)) return false;
    this.mixed++;
    return true;
  }

  /** The new answers of every CPU, without the one that was under way. */
  private take(what: string, judge: (answers: readonly bigint[]) => boolean): void {
    const { subject } = this.loop;
    this.loop.answers().forEach((all, cpu) => {
      const answers = [...all];
      const first = this.open.has(cpu) ? answers.shift() : undefined;
      if (answers.length < all.length) this.open.delete(cpu);
      const known = first === undefined || first === subject.old || first === subject.new;
      if ((known || this.isMix(first)) && judge(answers)) return;
      const list = all.map((answer) => BigInt.asIntN(64, answer)).join(" ");
      this.wrong.push(`CPU ${cpu}, ${what}: ${list}`);
    });
  }

  /** Nobody patches. */
  rest(): void {
    this.take("at rest", (answers) => answers.every((answer) => answer === this.now));
  }

  /** The toolstack has been told how an action ended. */
  ended(done: boolean): void {
    const { subject } = this.loop;
    const before = this.now;
    const after = before === subject.old ? subject.new : subject.old;
    this.take("changing", (answers) => {
      let from = 0;
      while (answers[from] === before) from++;
      if (done && this.isMix(answers[from])) from++;
      return answers.slice(from).every((answer) => done && answer === after);
    });
    if (!done) return;
    for (let cpu = 0; cpu < this.loop.cpus; cpu++) this.open.add(cpu);
    this.now = after;
    this.changes++;
  }
}

function codeOf(machine: Machine): Uint8Array[] {
  return machine
    .textRanges()
    .map(({ start, end }) => machine.read(start, Number(end - start)).slice());
}

/** Applies and reverts a few times. Returns what is wrong, and how often something changed. */
async function life(seed: number, quiesce: (typeof QUIESCE)[number], guards = 0) {
  const subject = SUBJECTS[seed % SUBJECTS.length] as Subject;
  const loop = await Loop.boot(subject, seed, quiesce);
  const { machine } = loop;
  const control = new XenControl(loop);
  const watch = new Watch(loop, quiesce === "rendezvous");
  await control.upload(ID, payloadOf(subject));
  await control.checkAndWait(ID);
  const text = codeOf(machine);
  machine.schedules().withoutGuards(guards);
  for (let applied = false, left = 6; left > 0 || applied; left--) {
    loop.turns(loop.draw(250));
    watch.rest();
    let done = true;
    try {
      if (applied) await control.revertAndWait(ID);
      else await control.applyAndWait(ID);
    } catch (error) {
      assert.ok(error instanceof XenError && error.errno === "EBUSY", String(error));
      done = false;
    }
    watch.ended(done);
    if (done) applied = !applied;
  }
  loop.turns(100);
  watch.rest();
  const violation = machine.schedules().violation();
  if (violation) watch.wrong.push(JSON.stringify(violation, (_, v) => String(v)));
  assert.deepEqual(codeOf(machine), text, "the code as it was");
  return watch;
}

describe("a loop of calls while its function is patched", () => {
  for (const subject of SUBJECTS) {
    test(`${subject.payload}: what the loop asks shows it`, async () => {
      const { machine } = await Loop.boot(subject, 1, "guest-entry");
      const control = new XenControl(machine);
      const [nr, ...args] = subject.call;
      assert.equal(machine.hypercall(nr, args).rax, subject.old);
      await control.upload(ID, payloadOf(subject));
      await control.checkAndWait(ID);
      await control.applyAndWait(ID);
      assert.equal(machine.hypercall(nr, args).rax, subject.new);
    });
  }

  for (const quiesce of QUIESCE) {
    test(`old or new, and what the toolstack was told: ${quiesce}`, async (t) => {
      const first = Number(process.env.LOOPS_SEED ?? Math.floor(Math.random() * 0x7fffffff));
      t.diagnostic(`LOOPS_SEED=${first} LOOPS=${LOOPS}`);
      let [total, between] = [0, 0];
      for (let seed = first; seed < first + LOOPS; seed++) {
        const { wrong, changes, mixed } = await life(seed, quiesce);
        assert.deepEqual(wrong, [], `LOOPS_SEED=${seed}`);
        assert.ok(changes > 0, `LOOPS_SEED=${seed}: nothing was ever patched`);
        total += changes;
        between += mixed;
      }
      t.diagnostic(`${total} changes, ${between} of them in the middle of a hypercall`);
    });
  }

  test("without serialisation some seed shows it", async () => {
    let found = 0;
    for (let seed = 1; seed <= 16 && found === 0; seed++) {
      const { wrong } = await life(seed, "guest-entry", abi.GUARD_SERIALISE);
      found += wrong.length;
    }
    assert.ok(found > 0);
  });
});
