// Sequences of instructions against a real processor: what single rows cannot show. Flags kept
// over instructions that change some, comparisons fused with branches, ends of blocks, pages and
// quanta, parts of registers, repeated string instructions, faults in the middle of a block. Each
// runs several times, cut into quanta of different lengths, over the code cache that its
// predecessors left behind. The recorded ones run everywhere; where there is gcc on x86-64, fresh
// ones with a seed of their own are made, too: SEQUENCES=1000000 makes so many of them,
// SEQUENCES_SEED=… those of a seed. The smallest part that disagrees is printed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { inRoot } from "../support/root.js";
import { minimise, remake } from "./minimise.js";
import { SequenceBench } from "./sequence_bench.js";
import { readSequences, type Sequence } from "./sequences.js";
import { mix } from "./vectors.js";

const RECORDED = "tests/native/recorded/sequences.bin.gz";
const SOURCES = "sequences sequence items flow encode effects confined state".split(" ");
const HOW_MANY = Number(process.env.SEQUENCES ?? 4000);
const BATCH = 20_000;

/** Quanta of 1 to 32 instructions, out of the seed. */
function random(seed: number): () => bigint {
  let n = 0;
  return () => 1n + BigInt(mix(seed, n++) & 31);
}

/** Seeds of the sequences that disagree; how many there were, and how they ended. */
function judge(bench: SequenceBench, bytes: Uint8Array) {
  const wrong: number[] = [];
  const vectors = new Map<number, number>();
  let count = 0;
  for (const sequence of readSequences(bytes)) {
    count++;
    vectors.set(sequence.vector, (vectors.get(sequence.vector) ?? 0) + 1);
    if (bench.judge(sequence, [random(sequence.seed)]).length > 0) wrong.push(sequence.seed);
  }
  return { wrong, vectors, count };
}

function recorded(): Uint8Array {
  return gunzipSync(readFileSync(inRoot(RECORDED)));
}

test("recorded sequences, whole and cut into quanta", () => {
  const { wrong, vectors, count } = judge(new SequenceBench(), recorded());
  assert.deepEqual(wrong, [], `${wrong.length} of ${count} sequences disagree`);
  assert.ok(count > 2000);
  for (const vector of [0, 1, 3, 6, 13, 14]) {
    assert.ok((vectors.get(vector) ?? 0) > 5, `sequences that end with vector ${vector}`);
  }
});

test("a sequence that says something wrong is found", () => {
  const bench = new SequenceBench();
  const [first] = readSequences(recorded());
  const { after } = first as Sequence;
  assert.deepEqual(bench.judge(first as Sequence), []);
  after.regs[5] = (after.regs[5] ?? 0n) ^ 1n;
  assert.match(bench.judge(first as Sequence).join(), /rbp 0x/);
  after.regs[5] ^= 1n;
  after.memory[0x123] = (after.memory[0x123] ?? 0) ^ 1;
  assert.match(bench.judge(first as Sequence).join(), /byte 0x123 /);
});

/** Why there can be no fresh sequences here; undefined when there can. */
function missing(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "no Linux on x86-64";
  const flags = /^flags.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0].split(" ") ?? [];
  const needed = "bmi1 bmi2 adx abm movbe popcnt sse4_2 cx16".split(" ");
  return needed.every((name) => flags.includes(name)) ? undefined : `no ${needed.join(", ")}`;
}

test("fresh sequences on this processor", (t) => {
  const reason = missing();
  if (reason !== undefined) return t.skip(reason);
  const directory = mkdtempSync(join(tmpdir(), "xsplice-sequences-"));
  try {
    const program = join(directory, "sequences");
    const sources = SOURCES.map((name) => inRoot("tests/native", `${name}.c`));
    const gcc = spawnSync("gcc", ["-O2", "-fno-stack-protector", "-o", program, ...sources]);
    if (gcc.error) return t.skip("no gcc");
    assert.equal(gcc.status, 0, String(gcc.stderr));
    const seed = Number(process.env.SEQUENCES_SEED ?? Math.floor(Math.random() * 0xffffffff));
    t.diagnostic(`SEQUENCES_SEED=${seed} SEQUENCES=${HOW_MANY}`);
    const bench = new SequenceBench();
    let done = 0;
    for (let from = 0; from < HOW_MANY; from += BATCH) {
      const output = join(directory, "sequences.bin");
      const amount = Math.min(BATCH, HOW_MANY - from);
      const args = [String(amount), String((seed + from) >>> 0), output];
      const made = spawnSync(program, args);
      assert.equal(made.status, 0, `${args.join(" ")}: ${made.signal} ${made.stderr}`);
      const { wrong, count } = judge(bench, readFileSync(output));
      // Into the middle of an instruction anything may follow: that is looked at only now.
      const scratch = join(directory, "one.bin");
      const first = wrong.find((one) => remake(program, one, scratch).sequence !== undefined);
      if (first !== undefined) {
        assert.fail(
          `${wrong.length} of ${count} disagree\n${minimise(bench, program, first, scratch)}`,
        );
      }
      done += count;
    }
    assert.ok(done > HOW_MANY * 0.9, `only ${done} of ${HOW_MANY} could be compared`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
