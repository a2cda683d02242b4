// The stack check from the options of boot to the refusal (R50, R54, R181, R219): a scan takes any
// word for a return address, a walk in an image with frames does not, and both find what is there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine, MINI_XEN_FRAMES, type XenError } from "../../host/index.js";
import { action } from "../requirements/support.js";
import { inRoot } from "../support/root.js";
import { buildIdOf, checked, replace, type Stuck, stuck } from "./stuck.js";
import { APPLIED, Bench, refused } from "./support.js";

const MS = 1_000_000n;
const LOOP = 0x28n; // in the middle of arch_long_loop
const FIX = ["check_even", "do_tmem_op"]; // neither is in use
/** Unused bytes of the struct xen_domctl of the guest on CPU 1, which do_domctl copies. */
const GUEST_WORD = 0x600000n + 0x1000n + 0x80n;

/** A machine with frames whose CPU 1 is in a long domctl; `id` replaces these functions. */
async function working(
  stackWalk: "scan" | "frames",
  id: string,
  functions: readonly string[],
  prepare?: (machine: Machine) => void,
): Promise<Stuck> {
  const options = { image: MINI_XEN_FRAMES, quiesce: "rendezvous", stackWalk } as const;
  const made = await stuck(options, LOOP, prepare);
  const places = functions.map((name) => replace(made.b.machine, name));
  await checked(made.b, id, places);
  return made;
}

/** Applies with a bound of 3 ms; the refusal, when it is one. */
function apply({ b }: Stuck, id: string): XenError | undefined {
  assert.equal(action(b.machine, id, abi.XSPLICE_ACTION_APPLY, 3n), 0);
  b.machine.run({ ns: 8n * MS });
  const record = b.machine.payloads().find((payload) => payload.id === id);
  if (record?.status === APPLIED) return undefined;
  assert.equal(record?.status, -abi.EBUSY);
  const refusal = b.machine.refusalOf(id);
  assert.ok(refusal);
  return b.machine.errorOf(refusal);
}

/** The image's code; its data changes while guests run. */
const code = ({ machine }: Bench): Uint8Array[] =>
  machine.textRanges().map(({ start, end }) => machine.read(start, Number(end - start)).slice());

/** A guest leaves an address of the hypervisor where do_domctl keeps its copy of the structure. */
const leaveAddress = (machine: Machine): void => {
  const word = Buffer.alloc(8);
  word.writeBigUInt64LE(machine.symbols.resolve("do_tmem_op") + 0x20n);
  machine.write(GUEST_WORD, word, { domain: 0 });
};

describe("stack check", () => {
  test("R181: a word among a caller's locals: the scan refuses, the walk applies", async () => {
    const scanned = await working("scan", "fix", FIX, leaveAddress);
    const error = apply(scanned, "fix");
    assert.ok(error);
    assert.equal(error.reason, "on-stack");
    const { message } = error;
    assert.match(message, /^CPU 1 may have been inside 'do_tmem_op' until the deadline: what /);
    assert.match(message, /what may be frame \d+ of its stack, at 0xffff8300\w+, holds 0xffff82d0/);
    assert.match(message, / \(do_tmem_op\+0x20\)\.$/);
    assert.match(
      error.hint,
      /^CPU 1 has to return from frame \d+\. Try again .*--stack-walk frames/,
    );
    assert.equal(error.place, "patch 1 of 'new'");
    assert.deepEqual(scanned.b.machine.map(), []);

    const walked = await working("frames", "fix", FIX, leaveAddress);
    assert.equal(apply(walked, "fix"), undefined);
    assert.equal(walked.b.machine.map().length, 2);
    walked.free();
    walked.b.machine.run({ ns: MS });
    assert.equal(walked.b.machine.schedules().violation(), undefined);
    await walked.b.xc.revertAndWait("fix", { timeMs: 30 });
  });

  for (const walk of ["scan", "frames"] as const) {
    test(`R50, ${walk}: a caller that is really on a stack: CPU, frame, symbol`, async () => {
      const machine = await working(walk, "busy", ["check_even", "do_domctl"]);
      const before = code(machine.b);
      const error = apply(machine, "busy");
      assert.ok(error);
      assert.equal(error.reason, "on-stack");
      const { cpu, value, limit, va, va2 } = error.operands;
      assert.deepEqual([cpu, limit], [1, walk === "frames" ? 1n : 0n]);
      assert.match(machine.b.machine.symbols.nameOf(va) ?? "", /^do_domctl\+0x/);
      const top = machine.b.machine.stacks()[1]?.stackTop ?? 0n;
      assert.ok(va2 < top && va2 > top - 0x8000n);
      assert.ok(error.message.includes(`frame ${value} of its stack`), error.message);
      assert.ok(error.message.includes("(do_domctl+0x"), error.message);
      assert.match(error.hint, new RegExp(`^CPU 1 has to return from frame ${value}\\.`));
      assert.equal(error.place, "patch 1 of 'new'");
      assert.deepEqual(code(machine.b), before);
    });

    test(`R219, ${walk}: it is tried again until its time is over`, async () => {
      const { b, free } = await working(walk, "loop", ["arch_long_loop"]);
      assert.equal(action(b.machine, "loop", abi.XSPLICE_ACTION_APPLY, 50n), 0);
      b.machine.run({ ns: 3n * MS });
      assert.equal(b.machine.payloads()[0]?.status, abi.XSPLICE_STATUS_PROGRESS);
      free();
      await b.xc.wait("loop");
      assert.equal(b.machine.map()[0]?.kind, "trampoline");
      await b.xc.revertAndWait("loop", { timeMs: 30 });
    });
  }

  test("R181: frame by frame: the walk's number is the frame's place in `stacks`", async () => {
    const { b } = await working("frames", "fix", FIX);
    const stack = b.machine.stacks()[1];
    assert.ok(stack);
    assert.equal(stack.symbol, "arch_long_loop+0x28");
    assert.deepEqual(
      stack.frames.map(({ symbol, kind }) => [symbol?.replace(/\+.*/, ""), kind]),
      ["arch_do_domctl", "do_domctl", "do_domctl", "lstar_enter"].map((name) => [name, "return"]),
    );
    const scan = b.machine.stacks("scan")[1];
    assert.ok(scan?.frames.every(({ kind }) => kind === "maybe"));
    const certain = new Set(scan?.frames.map(({ at }) => at));
    assert.ok(
      stack.frames.every(({ at }) => certain.has(at)),
      "the scan sees all of them",
    );
  });

  test("an interrupted CPU: what it was doing is a frame of its own", async () => {
    const { b } = await working("frames", "fix", FIX);
    b.machine.interrupt(1, 0xfc);
    const handler = () => b.machine.stacks()[1]?.symbol?.startsWith("smp_event_check");
    for (let i = 0; i < 100 && !handler(); i++) b.machine.schedules().step(1, 1);
    const names =
      b.machine.stacks()[1]?.frames.map(({ symbol, kind }) => `${symbol} ${kind}`) ?? [];
    assert.match(names[0] ?? "", /^event_check_interrupt\+0x\w+ return$/);
    assert.equal(names[1], "arch_long_loop+0x28 interrupted");
    assert.match(names[2] ?? "", /^arch_do_domctl\+0x\w+ return$/);
    assert.match(names.at(-1) ?? "", /^lstar_enter\+0x\w+ return$/);
  });

  test("R54: NO_STACKCHECK is honoured: applied while it runs", async () => {
    const machine = await working("scan", "fix", FIX);
    const flags = abi.XSPLICE_SECTION_TEXT | abi.XSPLICE_SECTION_NO_STACKCHECK;
    await checked(machine.b, "now", [{ ...replace(machine.b.machine, "do_domctl"), flags }]);
    assert.equal(apply(machine, "now"), undefined);
  });

  test("R44: the payload's own label names the place", async () => {
    const machine = await working("frames", "fix", FIX);
    const label = "domctl of all builds+<0x0>";
    await checked(machine.b, "named", [{ ...replace(machine.b.machine, "do_domctl"), label }]);
    const error = apply(machine, "named");
    assert.match(error?.message ?? "", /^CPU 1 was inside 'domctl of all builds\+<0x0>' until/);
  });

  test("R219: new code is not taken off while it runs", async () => {
    const spins = Uint8Array.from([0xeb, 0xfe]);
    for (const stackWalk of ["scan", "frames"] as const) {
      const workload = { cpus: 2, workload: "mixed", quiesce: "rendezvous" } as const;
      const b = await Bench.boot({ image: MINI_XEN_FRAMES, ...workload, stackWalk });
      const place = { ...replace(b.machine, "arch_long_loop"), content: spins };
      await checked(b, "p", [place]);
      await b.xc.applyAndWait("p", { timeMs: 30 });
      b.machine.run({ ns: MS });
      const error = await refused(b.xc.revertAndWait("p", { timeMs: 3 }), abi.EBUSY, "on-stack");
      assert.match(error.message, /^CPU \d .*the code that goes out of use/);
      assert.equal(error.place, "");
      assert.equal(b.machine.map().length, 1);
    }
  });

  test("a way that does not exist is refused by name", async () => {
    const stackWalk = "sideways" as "scan";
    await assert.rejects(createMachine({ stackWalk }), (error: XenError) => {
      assert.equal(error.reason, "boot-parameter");
      assert.match(error.message, /sideways/);
      return true;
    });
  });
});

describe("mini-Xen with frames", () => {
  const file = (name: string) => readFileSync(inRoot(`images/mini-xen-frames/${name}`));

  test("it is a build of its own: its payload fits, the other build's does not", async () => {
    const b = await Bench.boot({ image: MINI_XEN_FRAMES, stackWalk: "frames" });
    assert.equal(b.machine.label, "mini-xen-frames");
    assert.notEqual(buildIdOf(b.machine), "92dd05a61556c554155b1508c9cf67d993336d28");
    await b.upload("other", readFileSync(inRoot("images/payloads/xsa125.xsplice")));
    await refused(b.xc.checkAndWait("other"), abi.EINVAL, "build-id");
    const before = b.image();
    await b.load("fix", file("xsa125.xsplice"));
    const answer = b.machine.hypercall("xen_version", [9n, new Uint8Array(144)], { domain: 1 });
    assert.equal(answer.rax, 0n);
    await b.xc.revertAndWait("fix");
    await b.xc.unload("fix");
    await b.xc.unload("other");
    assert.deepEqual(b.image(), before);
  });

  test("the walk goes through a payload's functions", async () => {
    const options = { image: MINI_XEN_FRAMES, workload: "storm", cpus: 2, seed: 9 } as const;
    const b = await Bench.boot({ ...options, stackWalk: "frames" });
    await b.upload("fix", file("xsa125.xsplice"));
    await b.xc.checkAndWait("fix");
    await b.xc.applyAndWait("fix", { timeMs: 20 });
    const through = (): string[] =>
      b.machine
        .stacks()
        .map(({ frames }) => frames.map(({ symbol, kind }) => `${symbol} ${kind}`).join("; "))
        .filter((text) => /^new_do_xen_version\S*.* return; lstar_enter\S* return$/.test(text));
    for (let i = 0; i < 500 && through().length === 0; i++) b.machine.run({ instructions: 30n });
    assert.equal(through().length > 0, true, "a CPU was below the new function");
  });

  test("every way into it marks its frame", async () => {
    const machine = await createMachine({ image: MINI_XEN_FRAMES });
    const entries = ["lstar_enter", "event_check_interrupt", "call_function_interrupt"];
    for (const name of [...entries, "apic_timer_interrupt", "nmi"]) {
      const texts = (await machine.decode(machine.symbols.resolve(name), 40)).map((i) => i.text);
      const mark = texts.indexOf("lea 0x20(%rsp),%rbp");
      assert.equal(texts[mark + 1], "not %rbp", name);
      const call = texts.findIndex((text) => text.startsWith("call"));
      assert.ok(mark > 0 && mark < call, name);
    }
  });
});
