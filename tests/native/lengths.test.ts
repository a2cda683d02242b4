// The decoder against a disassembler: the length of every instruction in the text of Debian's
// xen-syms (package xen-hypervisor-4.17-amd64-dbg), and which of them only have a length.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Interpreter } from "../support/interpreter.js";

const DIRECTORY = "/usr/lib/debug/boot";
const OP_INVALID = 0;
const MAX_LENGTH = 15;
const NOP = 0x90;

function findXenSyms(): string | undefined {
  const given = process.env.XEN_SYMS;
  if (given) return given;
  if (!existsSync(DIRECTORY)) return undefined;
  const name = readdirSync(DIRECTORY).find((file) => /^xen-syms-.*(?<!\.map)$/.test(file));
  return name && join(DIRECTORY, name);
}

/** What raises #UD although Xen's text has it, and why that is right here. */
const ABSENT: readonly (readonly [string, RegExp])[] = [
  ["virtualisation, which CPUID does not announce", /^(vm(?!call)|clgi|stgi|inv(ept|vpid|lpga)$)/],
  ["shadow stacks, which CR4.CET would switch on", /^(incssp|wru?ss|setssbsy|clrssbsy)/],
  ["protection keys, which CR4.PKE would switch on", /^(rd|wr)pkru$/],
  ["transactions, direct stores and queues, not announced", /^(xbegin|xabort|movdir|enqcmds)/],
  ["arithmetic of the x87, 3DNow!", /^(f(?!xsave|xrstor|ninit|nclex|ldcw|nstcw|nstsw|wait)|femms)/],
  ["AVX", /^vp(x?or)$/],
];

interface Agreement {
  instructions: number;
  /** Bytes that objdump itself cannot read: data within the text. */
  unreadable: number;
  wrong: string[];
  /** Mnemonics without a meaning here, and how many of each there are. */
  absent: Map<string, number>;
}

async function compare(path: string): Promise<Agreement | undefined> {
  const { exports, bytes } = new Interpreter();
  const off = exports.io_off();
  const child = spawn("objdump", ["-dw", "--insn-width=16", path], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const missing = new Promise<boolean>((resolve) => {
    child.on("error", () => resolve(true));
    child.on("close", () => resolve(false));
  });
  const result: Agreement = { instructions: 0, unreadable: 0, wrong: [], absent: new Map() };
  for await (const line of createInterface({ input: child.stdout })) {
    const [, va, code, text] = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$/.exec(line) ?? [];
    if (va === undefined || code === undefined || text === undefined) continue;
    // A prefix by itself is what objdump makes of data that ends in one.
    if (/\(bad\)|\.byte|^(rex\S*|[c-g]s|ss|data16|addr32|lock|repn?z)\s*$/.test(text)) {
      result.unreadable++;
      continue;
    }
    const instruction = code.split(" ").map((byte) => Number.parseInt(byte, 16));
    bytes.fill(NOP, off, off + 32);
    bytes.set(instruction, off);
    const length = exports.length(off, MAX_LENGTH, BigInt(`0x${va}`));
    result.instructions++;
    if (exports.is_executed() === 0) {
      const mnemonic = text.replace(/^((rex\S*|[c-g]s|ss|repn?z?|lock|data16|addr32)\s+)*/, "");
      const [name = ""] = mnemonic.split(/\s/);
      result.absent.set(name, (result.absent.get(name) ?? 0) + 1);
    }
    if (length !== instruction.length || exports.operation() === OP_INVALID) {
      result.wrong.push(`${line.trim()}: ${length} bytes, operation ${exports.operation()}`);
    }
  }
  return (await missing) ? undefined : result;
}

test("xen-syms: every instruction has its length, and those of the system a meaning", async (t) => {
  const path = findXenSyms();
  if (!path) return t.skip("xen-syms is not installed");
  const result = await compare(path);
  if (!result) return t.skip("no objdump");
  const { instructions, unreadable, wrong } = result;
  t.diagnostic(`${instructions} instructions, ${unreadable} pieces of data`);
  assert.ok(instructions > 300_000, `only ${instructions} instructions`);
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} disagree`);
  const listed = [...result.absent].map(([name, count]) => `${name} ${count}`);
  t.diagnostic(`without a meaning: ${listed.join(", ")}`);
  const unexpected = [...result.absent.keys()].filter(
    (name) => !ABSENT.some(([, pattern]) => pattern.test(name)),
  );
  assert.deepEqual(unexpected, []);
  for (const [why, pattern] of ABSENT) {
    assert.ok(
      [...result.absent.keys()].some((name) => pattern.test(name)),
      why,
    );
  }
});
