// What a first user met on the command line: each was a wrong answer once.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { runCli } from "../../host/cli/cli.js";
import { createMachine } from "../../host/create.js";
import { buildPayload, trampoline } from "../engine/payload.js";
import { inRoot } from "../support/root.js";
import { payload, Session, scratch } from "./support.js";

const directory = scratch();
const FIX = payload("xsa125");
/** Another session's machine each time. */
const fresh = async (): Promise<Session> => {
  const s = new Session(directory);
  await s.run("boot");
  return s;
};

describe("run", () => {
  for (const args of [
    ["--ms", "-1"],
    ["--instructions", "-5"],
    ["--ms", "18446744073709551615"],
    ["--ms", "99999999999999"],
  ]) {
    test(`${args.join(" ")}: wrong usage, and the machine is as it was`, async () => {
      const s = await fresh();
      const { code, err } = await s.run("run", ...args);
      assert.equal(code, 2);
      assert.match(err, /is not between 0 and \d+/);
      assert.equal((await s.run("info")).code, 0);
    });
  }

  test("the library: not backwards, and the clock ends before its numbers do", async () => {
    const machine = await createMachine({ cpus: 1 });
    assert.throws(() => machine.run({ ns: -1n }), RangeError);
    machine.run({ ns: (1n << 64n) - 1n });
    const again = await createMachine({ snapshot: machine.snapshot() });
    assert.ok(again.info().timeNs < 1n << 63n);
    again.run({ ns: 1_000_000n });
    await createMachine({ snapshot: again.snapshot() });
  });
});

describe("what is printed has happened", () => {
  test("a result is shown when the machine's file has it", async () => {
    const s = await fresh();
    let seen: Promise<number> | undefined;
    const look = async (): Promise<number> => {
      const machine = await createMachine({ snapshot: readFileSync(s.machine) });
      return machine.map().length;
    };
    const io = {
      out(text: string) {
        if (text.includes("APPLIED")) seen = look();
      },
      err() {},
      env: { XEN_XSPLICE_MACHINE: s.machine },
      outIsTerminal: false,
      errIsTerminal: false,
    };
    assert.equal(await runCli(["load", FIX], io), 0);
    assert.equal(await seen, 1);
  });

  test("output that cannot be written is a failure", { skip: !existsSync("/dev/full") }, () => {
    const main = inRoot("dist", "host", "cli", "main.js");
    for (const command of ["list", "symbols", "info --json"]) {
      const { status, stderr } = spawnSync(
        "/bin/sh",
        ["-c", `"$0" "$1" ${command} >/dev/full`, process.execPath, main],
        { encoding: "utf8", env: { ...process.env, XEN_XSPLICE_MACHINE: `${directory}/machine` } },
      );
      assert.equal(status, 1, command);
      assert.match(stderr, /the output could not be written: .* \[ENOSPC, output\]/);
    }
  });
});

describe("answers", () => {
  test("explain tells why a load was undone", async () => {
    const s = await fresh();
    assert.equal((await s.run("load", payload("too-small"), "--id", "tiny")).code, 1);
    const { value } = await s.json("explain", "tiny");
    assert.equal((value as { reason: string }).reason, "too-small");
    assert.equal((await s.run("load", FIX, "--id", "tiny")).code, 0);
    const { value: now } = await s.json("explain", "tiny");
    assert.equal((now as { reason: string }).reason, "none", "a success leaves nothing to explain");
  });

  test("a payload of today's format for another build: which is which", async () => {
    const s = await fresh();
    const file = inRoot("tests", "livepatch", "payloads", "copy.livepatch");
    const other = "a49e0f7888cb3eb80d7384809d8238a5c7fb4c23";
    const image = inRoot("images", "mini-xen-frames", "mini-xen-frames");
    const [row] = (await s.json("verify", file, "--image", image)).value as { message: string }[];
    const mine = "92dd05a61556c554155b1508c9cf67d993336d28";
    assert.match(row?.message ?? "", new RegExp(`for the build ${mine}, .*runs, ${other}`));
  });

  test("a size that reaches out of the payload is told as that", async () => {
    const s = await fresh();
    const place = trampoline("do_loop", 40, new Uint8Array(13));
    const file = s.file("size.xsplice");
    writeFileSync(file, buildPayload({ name: "size", places: [{ ...place, contentSize: 5000 }] }));
    const { err } = await s.run("upload", "size", file);
    assert.match(err, /or 5000 bytes from there on do\. \[EFAULT, payload-pointer\]/);
    assert.match(err, /Give the size that the new code or data really has/);
  });

  test("a program is no hypervisor, and why", { skip: !existsSync("/bin/ls") }, async () => {
    const { err } = await (await fresh()).run("boot", "--image", "/bin/ls");
    assert.match(err, /a segment of 0x\w+ bytes at 0x\w+ in program header \d+ does not lie/);
    assert.doesNotMatch(err, /reason-/);
  });

  test("names at boot are looked at first", async () => {
    const s = await fresh();
    const { code, err } = await s.run("boot", "--workload", "foo");
    assert.equal(code, 2);
    assert.match(err, /"foo" is none of none, idle, storm/);
    assert.equal((await s.run("boot", "--cpus", "0")).code, 2);
    const base = await s.run("boot", "--payload-base", "0xffff82d080100000");
    assert.match(base.err, /with payloads at this address, 0xffff82d080100000/);
  });

  test("compare says when the function is not what the payload changes", async () => {
    const s = await fresh();
    const { out } = await s.run("compare", "do_loop", "1", "--payload", FIX);
    assert.match(out, /does not change do_loop itself, but do_xen_version\./);
    const { value } = await s.json("compare", "do_xen_version", "0", "--payload", FIX);
    const { touched, changes } = value as { touched: boolean; changes: string[] };
    assert.deepEqual({ touched, changes }, { touched: true, changes: ["do_xen_version"] });
  });

  test("a CPU that is stuck: where, and what to do; explain needs no CPU", async () => {
    const s = new Session(scratch());
    await s.run("boot", "--workload", "storm", "--cpus", "1");
    const file = s.file("stuck.xsplice");
    const place = trampoline("do_xen_version", 1728, new Uint8Array([0xeb, 0xfe]));
    writeFileSync(file, buildPayload({ name: "stuck", places: [place] }));
    const { err } = await s.run("load", file);
    assert.match(err, /CPU 0 does not come out of the hypervisor: it is in 0x\w+/);
    assert.match(err, /`stacks` shows where all of them are/);
    const { code, value } = await s.json("explain", "stuck");
    assert.deepEqual([code, (value as { code: number }).code], [0, 8]);
  });
});
