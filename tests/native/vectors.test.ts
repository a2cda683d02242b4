// The interpreter against a real processor, instruction by instruction: registers, defined flags,
// memory, rip, and faults with error code and address. The recorded rows run everywhere; where
// there is gcc on x86-64, fresh ones with a seed of their own are made and run too.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import {
  FCW,
  FSW,
  Interpreter,
  MXCSR,
  PERM_R,
  PERM_W,
  PERM_X,
  RFLAGS,
  RIP,
  SEGMENTS,
} from "../support/interpreter.js";
import { filesBelow, inRoot } from "../support/root.js";
import { loadDescriptors, USER_CS, USER_SS } from "./linux.js";
import {
  CODE_VA,
  DATA_SIZE,
  DATA_VA,
  FLAG_MASK,
  FLAG_TF,
  OTHERS,
  READONLY_SIZE,
  type Row,
  readRows,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_PF,
} from "./vectors.js";

const STOP_FAULT = 1;
const PF_PRESENT = 1;
/** A repeated string instruction takes several steps. */
const STEPS = 2000n;
const NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Where the six of OTHERS are kept. */
const [ES, CS, SS, DS, , GS] = SEGMENTS;
const PLACES = [DS, ES, GS, MXCSR, FCW, FSW];

class Bench {
  private readonly machine = new Interpreter({ user: true });
  private readonly data = this.machine.map(DATA_VA, DATA_SIZE >> 12, PERM_R | PERM_W);
  private readonly constants = this.machine.map(DATA_VA + BigInt(DATA_SIZE), 1, PERM_R);
  private readonly code = this.machine.map(CODE_VA, 1, PERM_R | PERM_X);

  constructor() {
    loadDescriptors(this.machine);
  }

  private prepare({ before, code, stepped }: Row): void {
    const { machine } = this;
    machine.bytes.set(before.memory.subarray(0, DATA_SIZE), this.data);
    machine.bytes.set(before.memory.subarray(DATA_SIZE), this.constants);
    machine.bytes.fill(0xcc, this.code, this.code + 4096);
    machine.bytes.set(code, this.code + Number(before.rip - CODE_VA));
    machine.exports.flush();
    for (const [i, value] of before.regs.entries()) machine.set(i, value);
    for (const [i, value] of before.xmm.entries()) machine.setXmm(i >> 1, i & 1, value);
    machine.set(RIP, before.rip);
    machine.set(RFLAGS, BigInt(before.flags | 0x202 | (stepped ? FLAG_TF : 0)));
    for (const place of SEGMENTS) machine.setField(place, 0);
    machine.setField(CS, USER_CS);
    machine.setField(SS, USER_SS);
    machine.clearLegacy();
    for (const [i, place] of PLACES.entries()) machine.setField(place, before.others[i] ?? 0);
  }

  /** What differs from the row, one sentence each. */
  run(row: Row): string[] {
    const { machine } = this;
    this.prepare(row);
    const found: string[] = [];
    const compare = (what: string, is: bigint | number, expected: bigint | number): void => {
      if (is !== expected) found.push(`${what} ${hex(is)} instead of ${hex(expected)}`);
    };
    compare("stop", machine.exports.run(STEPS), STOP_FAULT);
    const fault = machine.fault();
    compare("vector", fault.vector, row.vector);
    // Which of many accesses faults decides whether its page is present, too.
    const known = row.many && row.vector === VECTOR_PF ? ~PF_PRESENT : -1;
    if (row.vector !== VECTOR_BP) compare("error", fault.error & known, row.error & known);
    if (!row.many) compare("fault va", row.vector === VECTOR_PF ? fault.va : 0n, row.faultVa);
    // What went through has reached an int3, and is behind it.
    const behind = row.vector === VECTOR_BP ? 1n : 0n;
    compare("rip", machine.get(RIP) - behind, row.after.rip);
    const flags = Number(machine.get(RFLAGS)) & FLAG_MASK & row.defined;
    compare("flags", flags, row.after.flags & row.defined);
    for (const [i, value] of row.after.regs.entries())
      compare(NAMES[i] ?? "", machine.get(i), value);
    for (const [i, value] of row.after.xmm.entries()) {
      compare(`xmm${i >> 1}[${i & 1}]`, machine.getXmm(i >> 1, i & 1), value);
    }
    for (const [i, place] of PLACES.entries()) {
      // A null selector has lost its RPL on the way to the recorder (SDM vol. 3, 5.8.6).
      const is = machine.getField(place);
      compare(OTHERS[i] ?? "", i < 3 && is < 4 ? 0 : is, row.after.others[i] ?? 0);
    }
    const { memory } = row.after;
    const data = machine.bytes.subarray(this.data, this.data + DATA_SIZE);
    const constants = machine.bytes.subarray(this.constants, this.constants + READONLY_SIZE);
    for (let i = 0; i < memory.length; i++) {
      const is = i < DATA_SIZE ? data[i] : constants[i - DATA_SIZE];
      if (is !== memory[i]) compare(`byte ${hex(i)}`, is ?? 0, memory[i] ?? 0);
    }
    return found;
  }
}

/** Runs the rows of a file; returns how many there were. */
function replay(bytes: Uint8Array): { rows: number; vectors: Map<number, number> } {
  const bench = new Bench();
  const wrong: string[] = [];
  const vectors = new Map<number, number>();
  let rows = 0;
  for (const row of readRows(bytes)) {
    rows++;
    vectors.set(row.vector, (vectors.get(row.vector) ?? 0) + 1);
    const found = bench.run(row);
    const code = Buffer.from(row.code).toString("hex");
    if (found.length > 0) wrong.push(`${code} (seed ${row.seed}): ${found.slice(0, 4).join("; ")}`);
  }
  const list = wrong.slice(0, 20).join("\n");
  assert.equal(wrong.length, 0, `${wrong.length} of ${rows} rows disagree\n${list}`);
  return { rows, vectors };
}

test("recorded vectors: every opcode, width and addressing form", () => {
  const files = filesBelow("tests/native/recorded", ["epyc.bin.gz"]);
  assert.ok(files.length > 0);
  for (const path of files) {
    const { rows, vectors } = replay(gunzipSync(readFileSync(inRoot(path))));
    assert.ok(rows > 5000, `${path}: only ${rows} rows`);
    for (const vector of [0, VECTOR_DB, 3, 4, 6, 13, 14, 16]) {
      assert.ok(vectors.has(vector), `no row with ${vector}`);
    }
  }
});

test("a row that says something wrong is found", () => {
  const [path] = filesBelow("tests/native/recorded", ["epyc.bin.gz"]);
  const rows = readRows(gunzipSync(readFileSync(inRoot(path ?? ""))));
  const first = rows.next().value as Row;
  const bench = new Bench();
  assert.deepEqual(bench.run(first), []);
  first.after.regs[3] = (first.after.regs[3] ?? 0n) ^ 1n;
  assert.equal(bench.run(first).length, 1);
});

test("fresh rows on this processor", (t) => {
  const needed = "bmi1 bmi2 adx abm movbe popcnt sse4_2 cx16 clwb clflushopt xsaveopt xsavec umip";
  const supported = (): boolean => {
    if (process.platform !== "linux" || process.arch !== "x64") return false;
    const flags = /^flags.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0].split(" ") ?? [];
    return needed.split(" ").every((name) => flags.includes(name));
  };
  if (!supported()) return t.skip(`no x86-64 processor with ${needed}`);
  const directory = mkdtempSync(join(tmpdir(), "xsplice-native-"));
  try {
    const sources = ["record.c", "rows.c", "state.c", "native.c"].map((name) =>
      inRoot("tests/native", name),
    );
    const program = join(directory, "record");
    const gcc = spawnSync("gcc", ["-O2", "-o", program, ...sources]);
    if (gcc.error) return t.skip("no gcc");
    assert.equal(gcc.status, 0, String(gcc.stderr));
    const seed = Math.floor(Math.random() * 0xffffffff);
    const output = join(directory, "rows.bin");
    const record = spawnSync(program, ["10", String(seed), output]);
    assert.equal(record.status, 0, `record 10 ${seed}: ${record.signal} ${record.stderr}`);
    t.diagnostic(`seed ${seed}`);
    const { rows } = replay(readFileSync(output));
    assert.ok(rows > 2000, `seed ${seed}: only ${rows} rows`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
