// The corpus that a real Xen 4.17.7 has judged, replayed step by step: errno of the hypercall, the
// payload's status and state afterwards, what xen_extra_version then says, and the console. Where
// the real one crashed, this one must have refused, at that step or before. Issue 5, items 1 and 4.
// And all of it once more while guests make the image's hypercalls on every CPU.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { type BootOptions, createMachine, type Machine } from "../../host/index.js";
import { LivepatchClient, STATES } from "./client.js";
import {
  type Case,
  cases,
  type Expected,
  findImage,
  rows,
  type Step,
  unpackPayloads,
} from "./corpus.js";

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";
/** What the measured machine was booted with: its CPU is a profile (`qemu-k8`), its command line
 *  as much as the corpus shows of it (g09). Booting keeps both. */
const COMMAND_LINE = "dom0_mem=768M,m";
const BUILD_ID = "151b373fd64b321593bf987fd923cd10dabadac4";

/** Where we differ, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  // What would crash when it is called is refused when it is uploaded.
  k05_load_hook_null_pointer: "refused at upload",
  k06_apply_hook_points_at_rodata: "refused at upload",
  k09_unload_hook_null_pointer: "refused at upload",
};

const ACTIONS: Readonly<Record<string, readonly [number, number]>> = {
  unload: [abi.LIVEPATCH_ACTION_UNLOAD, 0],
  revert: [abi.LIVEPATCH_ACTION_REVERT, 0],
  apply: [abi.LIVEPATCH_ACTION_APPLY, 0],
  nodeps: [abi.LIVEPATCH_ACTION_APPLY, abi.LIVEPATCH_ACTION_APPLY_NODEPS],
  replace: [abi.LIVEPATCH_ACTION_REPLACE, 0],
};

/** What a step gave here, as the corpus writes it. */
interface Observed {
  readonly rc: number;
  readonly status: number;
  readonly state: string;
  readonly effect: string;
  readonly console: string;
  readonly reason: string;
}

class Replay {
  private readonly client: LivepatchClient;
  private worked = true;

  constructor(
    private readonly machine: Machine,
    private readonly printed: { text: string },
    private readonly read: (file: string) => Uint8Array,
    private readonly subject: Case,
  ) {
    this.client = new LivepatchClient(machine);
  }

  private call(name: string): bigint | undefined {
    const { stop, rax } = this.machine.call(name, [], { budget: 1_000_000 });
    return stop === "return" ? rax : undefined;
  }

  private effect(): string {
    const va = this.call("xen_extra_version");
    if (va === undefined) return "(faults)";
    return this.machine.readString(va, 64).slice(0, 15);
  }

  private listed(): string {
    const entries = this.client.list().map(({ name, state, rc, metadata }) => {
      const text = metadata.replaceAll("\0", ";");
      return `${name}:${STATES[state]}:${rc}[${text}]`;
    });
    return `n=${entries.length} ${entries.join(" ")}`.trim();
  }

  private perform({ op, file }: Step, name: string): { rc: number; said: string } {
    if (op === "list") return { rc: 0, said: this.listed() };
    if (op === "minor") return { rc: 0, said: String(this.call("xen_minor_version")) };
    if (op === "upload") {
      return { rc: this.client.upload(name, this.read(file ?? this.subject.file)), said: "" };
    }
    const [cmd, flags] = ACTIONS[op] ?? assert.fail(`step ${op}`);
    return { rc: this.client.action(name, cmd, flags), said: "" };
  }

  /** Does the step, if its condition holds. */
  do(step: Step): Observed | undefined {
    const name = step.who ?? this.subject.own;
    if (step.when === "?" && !this.worked) return undefined;
    if (step.when === "~" && !this.client.get(name).found) return undefined;
    this.printed.text = "";
    const { rc, said } = this.perform(step, name);
    this.machine.run();
    const lines = this.printed.text.split("\n").filter((line) => line !== "");
    const { state, rc: status } = this.client.get(name);
    if (rc !== 0 || status !== 0) this.worked = false;
    return {
      rc,
      status: step.op === "list" ? 0 : status,
      state: STATES[state] ?? String(state),
      effect: this.effect(),
      console: said === "" ? lines.join(" | ") : said,
      reason: abi.reasonName(this.machine.refusalOf(name)?.reason ?? abi.REASON_NONE),
    };
  }
}

/** Fields in which they differ. */
function differences(op: string, want: Expected, got: Observed): string[] {
  const answers = op === "minor" || op === "list";
  const pairs = [
    ["rc", want.rc, String(-got.rc)],
    ["status", want.status, String(got.status)],
    ["state", want.state, got.state],
    ["effect", want.effect, got.effect],
    ["said", answers ? want.console.trim() : "", answers ? got.console : ""],
  ] as const;
  return pairs.flatMap(([what, expected, found]) =>
    expected === found ? [] : [`${what}: ${expected} there, ${found} here`],
  );
}

/** Register dumps are said to be left out; ours prints none. */
function sameConsole(want: Expected, got: Observed): boolean {
  return want.console.replace(" | (register dump left out)", "").trim() === got.console;
}

let score = { steps: 0, agree: 0, crashes: 0, refused: 0, lines: 0, linesAgree: 0 };

function replay(subject: Case, run: Replay): string[] {
  const problems: string[] = [];
  const expected = [...subject.expected];
  const steps = subject.steps.values();
  for (const step of steps) {
    const got = run.do(step);
    if (!got) continue;
    const want = expected.shift() ?? assert.fail(`${subject.name}: one step too many`);
    if (want.rc === "CRASH") {
      score.crashes++;
      const refused = got.rc < 0 || got.status < 0;
      if (refused) score.refused++;
      else problems.push(`${step.op}: the real one crashed, this one did not refuse`);
      if (refused && !/^xen-(crash|hang)-/.test(got.reason)) {
        problems.push(`${step.op}: refused because of ${got.reason}`);
      }
      return problems;
    }
    score.steps++;
    const found = differences(step.op, want, got);
    if (found.length === 0) score.agree++;
    else problems.push(...found.map((text) => `${step.op}: ${text}`));
    if (step.op in ACTIONS) {
      score.lines++;
      if (sameConsole(want, got)) score.linesAgree++;
    }
    if (/^xen-crash-/.test(got.reason) && got.rc < 0) return problems;
  }
  return problems;
}

/** The corpus on a machine at rest, and on one whose guests work all the time. */
const SITUATIONS: Readonly<Record<string, BootOptions>> = {
  "what Xen 4.17.7 did with each payload": { cpus: 2 },
  "the same under a storm of hypercalls": { cpus: 4, workload: "storm" },
};

for (const [title, options] of Object.entries(SITUATIONS))
  describe(title, { skip }, () => {
    const printed = { text: "" };
    let machine: Machine;
    let booted: Uint8Array;
    let payloads: ReturnType<typeof unpackPayloads>;

    before(async () => {
      payloads = unpackPayloads();
      machine = await createMachine({
        image: readFileSync(IMAGE ?? ""),
        cpuFeatures: "qemu-k8",
        ...options,
        onConsole: (text) => {
          printed.text += text;
        },
      });
      machine.write("saved_cmdline", Buffer.from(`${COMMAND_LINE}\0`));
      if (options.workload) machine.run({ ns: 200_000n });
      booted = machine.snapshot();
      score = { steps: 0, agree: 0, crashes: 0, refused: 0, lines: 0, linesAgree: 0 };
    });
    after(() => payloads?.remove());

    test("the image is the one that was measured", () => {
      assert.equal(Buffer.from(machine.info().buildId).toString("hex"), BUILD_ID);
    });

    test("every page of .text is the running one's", () => {
      const text = rows("text_pages.tsv").filter(([section]) => section === ".text");
      const differing = text.filter(([, va = "", , running]) => {
        const page = machine.read(BigInt(va), 4096);
        return createHash("sha256").update(page).digest("hex") !== running;
      });
      assert.equal(text.length, 353);
      assert.deepEqual(
        differing.map(([, va]) => va),
        [],
      );
    });

    for (const subject of cases()) {
      test(subject.name, () => {
        machine.restore(booted);
        const run = new Replay(machine, printed, payloads.read, subject);
        const problems = replay(subject, run);
        const exception = EXCEPTIONS[subject.name];
        if (exception === undefined) assert.deepEqual(problems, []);
        else assert.notDeepEqual(problems, [], `no exception any more: ${exception}`);
        const stopped = machine.stacks().filter(({ fault, guestCrash }) => fault ?? guestCrash);
        assert.deepEqual(stopped, []);
      });
    }

    test("the score", (t) => {
      t.diagnostic(`${score.agree} of ${score.steps} steps agree`);
      t.diagnostic(`${score.refused} of ${score.crashes} crashes are refused`);
      t.diagnostic(`${score.linesAgree} of ${score.lines} steps print the same`);
      assert.equal(score.steps - score.agree, Object.keys(EXCEPTIONS).length);
      assert.ok(score.steps > 690 && score.refused === score.crashes);
      assert.ok(score.linesAgree >= score.lines - 2);
    });
  });
