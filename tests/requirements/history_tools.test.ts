// Defects that Xen's own tools for live patching once had (see history.test.ts): numbers of one
// kind taken for another, time in the wrong unit, output that comes too early or too late, pages
// that keep what was in them. Both tools on machine files; where only a slow hypervisor shows the
// defect, the RFC's against a scripted one.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { Context } from "../../host/cli/context.js";
import { runWords } from "../../host/cli/livepatch/commands.js";
import { ERRNOS, strerror } from "../../host/errno.js";
import { createMachine, type Machine, XenControl } from "../../host/index.js";
import { LivepatchControl } from "../../host/livepatch.js";
import { error, play } from "../cli/scripted.js";
import { cli, Session, scratch, variant } from "../cli/support.js";
import { checked, replace, stuck } from "../engine/stuck.js";
import { APPLIED, CHECKED, LOADED, REVERTED } from "../engine/support.js";
import { inRoot } from "../support/root.js";
import { action } from "./support.js";

const PROGRESS = abi.XSPLICE_STATUS_PROGRESS;
const MS = 1_000_000n;
const HOME = scratch();

const today = (name: string): string =>
  inRoot("tests", "livepatch", "payloads", `${name}.livepatch`);

/** A machine's file, in a folder of its own. */
function saved(machine: Machine): string {
  const path = join(mkdtempSync(join(HOME, "m-")), "machine");
  writeFileSync(path, machine.snapshot());
  return path;
}

/** One command line of `xen-livepatch`: exit code, stdout, stderr. */
async function livepatch(
  machine: string,
  words: readonly string[],
  domain = "0",
): Promise<[number, string, string]> {
  let [out, err] = ["", ""];
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env: {},
    outIsTerminal: false,
    errIsTerminal: false,
  };
  const ctx = new Context(io, false);
  ctx.configure({ machine, domain });
  const code = await runWords(ctx, words);
  await ctx.close(true);
  return [code, out, err];
}

describe("states, statuses and error numbers (c1058b29cb, 52efa01ed2, 0265fd753b)", () => {
  const EXPECTED = { check: CHECKED, apply: APPLIED, revert: REVERTED, unload: 0 } as const;
  const FROM = { check: LOADED, apply: CHECKED, revert: APPLIED, unload: LOADED } as const;
  const NAMES = Object.keys(EXPECTED) as (keyof typeof EXPECTED)[];

  test("K52: GET that fails with any number is no state, before the action or after", async () => {
    // 2, 4, 8 and 16 are states too
    for (const errno of ERRNOS) {
      for (const name of NAMES) {
        for (const states of [[error(errno)], [FROM[name], error(errno)]]) {
          const gone = name === "unload" && errno === abi.ENOENT && states.length === 2;
          const { code, out } = await play(name, { states });
          assert.equal(code, gone ? 0 : 1, `${name}, ${errno}`);
          if (gone) assert.match(out, /completed!\n$/);
          else assert.ok(out.endsWith(`foo failed with ${errno}(${strerror(errno)})\n`), out);
        }
      }
    }
  });

  test("K48, K54: a status is told as its own number, by its own text", async () => {
    for (const errno of ERRNOS) {
      const { code, out } = await play("apply", { states: [CHECKED, -errno] });
      assert.equal(code, 1);
      assert.ok(out.endsWith(`:foo failed with ${errno}(${strerror(errno)})\n`), out);
      assert.doesNotMatch(out, /Success|Unknown error|\(-/);
    }
  });

  test("xen-livepatch: of the hypercall, of the payload, of the file", async () => {
    const machine = saved(await createMachine());
    const file = today("inlined");
    const rows: [string[], number, string][] = [
      [["apply", "p"], 1, "Failed to get status of p.\nError 2: No such file or directory\n"],
      [["upload", "p", file], 0, ""],
      [["upload", "p", file], 1, "Error 17: File exists\n"],
      [["upload", "q", file], 1, "Error 17: File exists\n"],
      [["upload", "q", `${file}.not`], 1, ""],
      [["upload", "bad", today("lies_apply")], 0, ""],
      [["apply", "bad"], 1, "Error 22: Invalid argument\n"],
    ];
    for (const [words, code, err] of rows) {
      const [seen, , said] = await livepatch(machine, words);
      assert.equal(seen, code, words.join(" "));
      if (err !== "") assert.equal(said, err);
      assert.doesNotMatch(said, /Success|Unknown error|Error -/);
    }
    const [, listed] = await livepatch(machine, ["list"]);
    assert.match(listed, /^bad +\| CHECKED \(22, Invalid argument\) /m);
    assert.match(listed, /^p +\| CHECKED {4}\| /m);
  });
});

describe("pages of a list (7f62212d99)", () => {
  for (const count of [11, 12, 22, 23]) {
    test(`${count} payloads, long ids before short ones: every row is its own`, async () => {
      const machine = await createMachine();
      const xc = new XenControl(machine);
      // The second page has what is shorter than what the first had in the same place.
      const names = Array.from({ length: count }, (_, i) =>
        i < 11 ? `${i}`.padEnd(40, "x") : String.fromCharCode(97 + i),
      );
      for (const [i, name] of names.entries()) {
        await xc.upload(name, variant(i));
        if (i < 11) await xc.checkAndWait(name);
      }
      const expected = names.map(
        (name, i) => `${name.padEnd(40)}| ${i < 11 ? "CHECKED" : "LOADED"}`,
      );
      const { code, out } = await cli(["list"], { XEN_XSPLICE_MACHINE: saved(machine) });
      assert.deepEqual([code, out.split("\n").slice(2, -1)], [0, expected]);
    });
  }

  test("xen-livepatch: names of any length, each with its own state", async () => {
    const machine = await createMachine();
    const control = new LivepatchControl(machine);
    const files = ["inlined", "counter", "pointer", "code", "run_fn"];
    const names = files.map((_, i) => `${i}`.repeat(i % 2 === 0 ? 120 : 1));
    for (const [i, name] of names.entries()) {
      control.upload(name, readFileSync(today(files[i] as string)));
    }
    control.apply(names[0] as string);
    machine.run();
    const [code, out] = await livepatch(saved(machine), ["list"]);
    const rows = out.split("\n").slice(2, -1);
    const states = names.map((_, i) => (i === 0 ? "APPLIED" : "CHECKED"));
    const expected = names.map((name, i) => `${name.padEnd(40)}| ${states[i]}    | `);
    assert.deepEqual([code, rows], [0, expected]);
  });
});

describe("what is printed, and when", () => {
  test("a75f344626, K58: no header before the first answer, of either tool", async () => {
    const s = new Session(mkdtempSync(join(HOME, "s-")));
    await s.run("boot");
    assert.equal((await s.run("list", "--domain", "1")).out, "");
    const refused = await livepatch(s.machine, ["list"], "1");
    const why = "Failed to list payloads.\nError 1: Operation not permitted\n";
    assert.deepEqual(refused, [1, "", why]);
    assert.deepEqual(await livepatch(s.machine, ["list"]), [0, "Nothing to list\n", ""]);
  });

  test("a81163ef0f, K56: each part of a line when it is so, not at the line's end", async () => {
    const { course } = await play("apply", { states: [CHECKED, PROGRESS, PROGRESS, APPLIED] });
    const begin = "foo: State is 0x4, ok are 0x14. Commencing apply:";
    assert.equal(course, `${begin}<apply><1 ms>.<1000 ms>.<1000 ms>completed!\n`);
  });
});

describe("time (4c8eab5a93, 3bc5cf73d7)", () => {
  /** Milliseconds of the machine until it is over. */
  function lasts(machine: Machine, over: () => boolean): number {
    for (let ms = 0; ms < 100; ms++) {
      if (over()) return ms;
      machine.run({ ns: MS });
    }
    return assert.fail("no end within 100 ms");
  }

  test("R116: `time` is in ms, today's `timeout` in ns: no sooner, no later", async () => {
    const { b } = await stuck({ quiesce: "guest-entry" }, 0n);
    const { machine } = b;
    await checked(b, "p", [replace(machine, "check_even")]);
    for (const ms of [5, 30]) {
      assert.equal(action(machine, "p", abi.XSPLICE_ACTION_APPLY, BigInt(ms)), 0);
      const took = lasts(machine, () => machine.payloads()[0]?.status === -abi.EBUSY);
      assert.ok(took >= ms && took <= ms + 1, `${took} for ${ms}`);
    }
    const control = new LivepatchControl(machine);
    control.upload("t", readFileSync(today("inlined")));
    // 0: what Xen takes then
    for (const [timeoutNs, ms] of [
      [5_000_000, 5],
      [30_000_000, 30],
      [0, 30],
    ] as const) {
      control.apply("t", { timeoutNs });
      const took = lasts(machine, () => control.get("t").rc === -abi.EBUSY);
      assert.ok(took >= ms && took <= ms + 1, `${took} for ${timeoutNs}`);
    }
  });

  test("ca01e58212: busy is exit 2 of xen-livepatch, told when its 30 ms are over", async () => {
    const { b, free } = await stuck({ quiesce: "guest-entry" }, 0n);
    new LivepatchControl(b.machine).upload("t", readFileSync(today("inlined")));
    const path = saved(b.machine);
    const before = b.machine.info().timeNs;
    const busy = await livepatch(path, ["apply", "t"]);
    assert.deepEqual(busy, [2, "Applying t... failed\n", "Error 16: Device or resource busy\n"]);
    const later = await createMachine({ snapshot: readFileSync(path) });
    const passed = Number((later.info().timeNs - before) / MS);
    assert.ok(passed >= 30 && passed < 100, `${passed} ms, not 30 s`);
    // under way: again later, too; anything else that goes wrong is exit 1
    new LivepatchControl(later).apply("t");
    const under = await livepatch(saved(later), ["apply", "t"]);
    assert.deepEqual(under, [2, "", "Cannot execute apply.\nOperation already in progress.\n"]);
    assert.equal((await livepatch(path, ["upload", "t", today("code")]))[0], 1);
    assert.equal((await livepatch(path, ["apply", "nobody"]))[0], 1);
    free();
    const done = await livepatch(saved(b.machine), ["apply", "t"]);
    assert.deepEqual(done, [0, "Applying t... completed\n", ""]);
  });

  test("ca01e58212, R158: the RFC's tool has 1 for that, too", async () => {
    for (const states of [[CHECKED, -abi.EBUSY], [CHECKED, PROGRESS], [PROGRESS]]) {
      assert.equal((await play("apply", { states })).code, 1);
    }
  });

  test("the help says in which unit", async () => {
    const { out, err } = await cli(["apply", "--help"]);
    assert.match(out + err, /--time <ms> /);
  });
});
