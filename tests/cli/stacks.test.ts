// `stacks` and `boot --stack-walk`: every CPU's frames, what is certain about them, and what an
// on-stack refusal tells (R50, R181).

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { buildPayload, trampoline } from "../engine/payload.js";
import { inRoot } from "../support/root.js";
import { Session, scratch } from "./support.js";

const FRAMES = inRoot("images/mini-xen-frames/mini-xen-frames");
const BUILD_ID = "a49e0f7888cb3eb80d7384809d8238a5c7fb4c23";

interface Stack {
  cpu: number;
  symbol: string;
  frames: { va: string; symbol: string; at: string; kind: string }[];
}

async function deep(...options: string[]): Promise<Session> {
  const s = new Session(scratch());
  const load = ["--workload", "deep", "--quiesce", "rendezvous", "--seed", "3"];
  assert.equal((await s.run("boot", "--image", FRAMES, ...load, ...options)).code, 0);
  assert.equal((await s.run("run", "--ms", "1")).code, 0);
  return s;
}

async function stacks(s: Session, ...options: string[]): Promise<Stack[]> {
  return (await s.json("stacks", ...options)).value as Stack[];
}

describe("stacks", () => {
  test("as the machine's check sees them: frames, or every word, and the other way", async () => {
    const s = await deep("--stack-walk", "frames");
    const walked = (await stacks(s)).flatMap(({ frames }) => frames);
    assert.ok(walked.length > 100);
    assert.ok(walked.every(({ kind }) => kind === "return"));
    const scanned = (await stacks(s, "--stack-walk", "scan")).flatMap(({ frames }) => frames);
    assert.ok(scanned.every(({ kind }) => kind === "maybe"));
    const seen = new Set(scanned.map(({ at, va }) => at + va));
    assert.ok(walked.every(({ at, va }) => seen.has(at + va)));
    for (const { va, at } of walked) assert.match(`${va} ${at}`, /^0x[0-9a-f]{16} 0x[0-9a-f]{16}$/);
    const plain = await deep();
    assert.deepEqual(await stacks(plain), await stacks(plain, "--stack-walk", "scan"));
  });

  test("in words: numbered, marked, and a function that calls itself in one line", async () => {
    const s = await deep("--stack-walk", "frames");
    const [cpu] = (await stacks(s)).filter(({ frames }) => frames.length > 10);
    assert.ok(cpu);
    const calls = cpu.frames.filter(({ symbol }) => symbol.startsWith("arch_deep_call")).length;
    const { out } = await s.run("stacks");
    const text = out.slice(out.indexOf(`CPU ${cpu.cpu}:`));
    assert.match(text, new RegExp(`  #1-${calls} 0x\\w+ \\(arch_deep_call\\+0x\\w+\\)\n`));
    assert.match(text, new RegExp(`  #${calls + 1} 0x\\w+ \\(do_deep\\+0x\\w+\\)\n`));
    assert.match(text, new RegExp(`  #${calls + 2} 0x\\w+ \\(lstar_enter\\+0x\\w+\\)\n`));
    assert.doesNotMatch(out, /maybe/);
    assert.match((await s.run("stacks", "--stack-walk", "scan")).out, / \(do_deep\S+\), maybe\n/);
  });

  test("a value that is none is named, and nothing is booted", async () => {
    const s = await deep();
    for (const [args, message] of [
      [["stacks", "--stack-walk", "up"], /--stack-walk: up is neither scan nor frames/],
      [["boot", "--stack-walk", "frame"], /--stack-walk: frame is neither scan nor frames/],
      [["boot", "--stack-walk", "scan", "--stack-walk", "frames"], /given 2 times/],
    ] as const) {
      const { code, err } = await s.run(...args);
      assert.equal(code, 2);
      assert.match(err, message);
    }
    assert.match((await s.run("info")).out, /mini-xen-frames/);
  });

  test("R50: a refusal: CPU, frame, symbol, what would have to happen; others apply", async () => {
    for (const walk of ["scan", "frames"]) {
      const s = await deep("--stack-walk", walk, "--cpus", "2");
      const places = [trampoline("do_softirq", 0x5e)];
      writeFileSync(s.file("p"), buildPayload({ name: "p", places, id: BUILD_ID }));
      assert.equal((await s.run("upload", "p", s.file("p"))).code, 0);
      assert.equal((await s.run("check", "p")).code, 0);
      const { code } = await s.run("apply", "p", "--time", "2");
      assert.equal(code, 1);
      const { value } = await s.json("explain", "p");
      const { reason, message, hint, place } = value as Record<string, string>;
      assert.deepEqual([reason, place], ["on-stack", "patch 0 of 'new'"]);
      const inside = walk === "scan" ? /^CPU 0 may have been inside/ : /^CPU 0 was inside/;
      assert.match(message ?? "", inside);
      assert.match(message ?? "", /'do_softirq' .*frame \d+ of its stack, .*\(do_softirq\+0x/);
      assert.match(hint ?? "", /^CPU 0 has to return from frame \d+\..*--quiesce guest-entry/);
      const fix = inRoot("images/mini-xen-frames/xsa125.xsplice");
      assert.equal((await s.run("load", fix)).code, 0);
    }
  });
});
