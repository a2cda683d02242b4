// `search` on the command line: what a user sees of schedules that hold, of one that does not, and
// of how it comes about; its options, its JSON, its progress.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { inRoot } from "../support/root.js";
import { golden, payload, Session, scratch } from "./support.js";

const FIX = payload("xsa125");
/** How much of it there is depends on how fast the machine is. */
const PROGRESS = /^(?:! )?xen-xsplice: \d+ schedules, \d+ states\n/gm;
const here = scratch();
const session = (): Session => new Session(here);

interface Found {
  schedules: number;
  states: number;
  seconds: number;
  cut: boolean;
  unfinished: number;
  failure?: { invariant: string; cpu: number; va: string; symbol: string; replay: string };
}

async function found(...args: string[]): Promise<{ code: number; value: Found }> {
  const { code, value } = await session().json("search", ...args);
  return { code, value: value as Found };
}

describe("search", () => {
  test("golden: what holds, what does not without a guard, and how", async () => {
    const s = session();
    await s.run("search", FIX, "--bound", "1");
    await s.run("search", FIX, "--bound", "1", "--without", "barrier");
    await s.run("search", FIX, "--without", "barrier", "--replay", "0:1 1:0");
    await s.run("search", FIX, "--replay", "0:1 1:0 9:nmi-1");
    await s.run("search", FIX, "--meanwhile", "unload", "--without", "busy");
    await s.run("search", FIX, payload("callers"), "--bound", "0", "--cpus", "3");
    await s.run("search", FIX, "--schedules", "3");
    golden(
      "search",
      s
        .transcript()
        .replace(PROGRESS, "")
        .replace(/\d+\.\d s/g, "N s"),
    );
  });

  test("leaves the machine's file alone, and needs none", async () => {
    const s = new Session(scratch());
    const { err } = await s.run("search", FIX, "--bound", "0");
    assert.equal(err.replace(PROGRESS, ""), "");
    assert.match((await s.run("info")).err, /booted mini-xen/, "there was none before");
  });

  test("--json: numbers, and a failure with a schedule that --replay takes", async () => {
    const good = await found(FIX, "--bound", "1", "--action", "revert,unload");
    assert.equal(good.code, 0);
    assert.ok(good.value.schedules > 20 && good.value.states > 100 && good.value.seconds > 0);
    assert.deepEqual([good.value.cut, good.value.unfinished], [false, 0]);
    const bad = await found(FIX, "--bound", "1", "--without", "serialise");
    assert.equal(bad.code, 1);
    const { failure } = bad.value;
    assert.equal(failure?.invariant, "stale-code");
    assert.match(failure.symbol, /^do_xen_version/);
    const again = await found(FIX, "--without", "serialise", "--replay", failure.replay);
    assert.equal(again.code, 1);
    assert.deepEqual(
      [again.value.failure?.invariant, again.value.failure?.va, again.value.failure?.cpu],
      [failure.invariant, failure.va, failure.cpu],
    );
    const kept = await found(FIX, "--replay", failure.replay);
    assert.equal(kept.code, 0);
    assert.equal(kept.value.failure, undefined);
  });

  test("today's payloads, events, other patch points and images", async () => {
    const today = inRoot("tests", "livepatch", "payloads", "copy.livepatch");
    const frames = inRoot("images", "mini-xen-frames", "mini-xen-frames");
    const its = inRoot("images", "mini-xen-frames", "xsa125.xsplice");
    for (const args of [
      [today, "--action", "apply,revert,unload", "--bound", "1"],
      [today, FIX, "--bound", "0"],
      [FIX, "--happens", "nmi-0,offline-1", "--bound", "0"],
      [FIX, "--quiesce", "rendezvous", "--bound", "0"],
      [its, "--image", frames, "--stack-walk", "frames", "--bound", "1"],
      [FIX, "--workload", "spin", "--bound", "0", "--time", "5"],
    ]) {
      const { code, value } = await found(...args);
      assert.equal(code, 0, args.join(" "));
      assert.ok(value.schedules >= 2 && value.unfinished === 0, args.join(" "));
    }
  });

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--action", "applied"], /--action: "applied" is none of check, apply/],
    [["--meanwhile", ""], /--meanwhile: "" is none of/],
    [["--happens", "nmi"], /--happens: "nmi" is none of nmi-N/],
    [["--without", "luck"], /--without: "luck" is none of barrier/],
    [["--replay", "1:"], /--replay: "1:" is no schedule/],
    [["--cpus", "9"], /--cpus: 9 is not between 1 and 8/],
    [["--cpus", "1", "--meanwhile", "unload"], /--cpus: 1 is not between 2 and 8/],
    [["--happens", "nmi-2"], /--happens: there is no CPU 2/],
    [["--replay", "0:2"], /--replay: there is no CPU 2/],
    [["--bound", "9"], /--bound: 9 is not between 0 and 8/],
    [["--workload", "none"], /--workload: without guests/],
  ];
  for (const [args, says] of wrong) {
    test(`${args.join(" ")}: wrong usage`, async () => {
      const { code, err } = await session().run("search", FIX, ...args);
      assert.equal(code, 2);
      assert.match(err, says);
    });
  }

  test("what is refused before it begins has its reason", async () => {
    const s = session();
    const { code, value } = await s.json("search", inRoot("README.md"));
    assert.equal(code, 1);
    assert.equal((value as { error: { reason: string } }).error.reason, "elf-magic");
    const file = s.file("other-build");
    writeFileSync(file, "");
    assert.equal((await s.run("search", file)).code, 1);
    const foreign = inRoot("images", "mini-xen-frames", "xsa125.xsplice");
    const refused = (await s.json("search", foreign)).value as { error: { reason: string } };
    assert.equal(refused.error.reason, "build-id");
  });

  test("progress is on stderr and ends when the search does", () => {
    const args = [inRoot("dist", "host", "cli", "main.js"), "search", FIX, "--cpus", "3"];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...args, "--schedules", "12000", "--json"],
      { encoding: "utf8" },
    );
    assert.equal(status, 0);
    assert.match(stderr, /^(xen-xsplice: \d+ schedules, \d+ states\n)+$/);
    assert.equal(JSON.parse(stdout).cut, true);
  });
});
