// The RFC's tool, message by message (requirements A10): exit codes, streams, the table, what
// upload and the actions print. On real machine files.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine } from "../../host/index.js";
import { cli, type Output, payload, Session, scratch, variant } from "../cli/support.js";

const XSA125 = payload("xsa125");
const HOME = scratch();

/** A session whose machine is there, so that no line says it was made. */
async function session(): Promise<Session> {
  const s = new Session(mkdtempSync(join(HOME, "s-")));
  assert.equal((await s.run("boot")).code, 0);
  return s;
}

const shown = ({ code, out, err }: Output): [number, string, string] => [code, out, err];
const first = (text: string): string => text.split("\n")[0] as string;

describe("exit codes and arguments", () => {
  test("R158: 0, or 1 for whatever went wrong", async () => {
    const s = await session();
    const rows: [number, string[]][] = [
      [0, ["list"]],
      [0, ["upload", "p", XSA125]],
      [1, ["upload", "p", XSA125]],
      [1, ["upload", "q", s.file("missing")]],
      [1, ["apply", "p"]],
      [0, ["check", "p"]],
      [0, ["apply", "p"]],
      [1, ["unload", "p"]],
      [0, ["revert", "p"]],
      [0, ["unload", "p"]],
      [1, ["unload", "p"]],
      [1, ["frobnicate"]],
    ];
    for (const [code, args] of rows)
      assert.equal((await s.run(...args)).code, code, args.join(" "));
  });

  test("R159: a wrong number of arguments shows the usage on stderr, exit 1", async () => {
    const s = await session();
    const before = readFileSync(s.machine);
    const rows = [
      ["upload"],
      ["upload", "p"],
      ["upload", "p", XSA125, "more"],
      ["list", "all"],
      ...["check", "apply", "revert", "unload"].flatMap((name) => [[name], [name, "p", "q"]]),
    ];
    for (const args of rows) {
      const { code, out, err } = await s.run(...args);
      assert.deepEqual([code, out], [1, ""], args.join(" "));
      assert.equal(first(err), "xen-xsplice: Xsplice test tool", args.join(" "));
    }
    assert.deepEqual(readFileSync(s.machine), before, "and nothing is done");
  });

  test("R160: 40 characters, not 41; every command that takes an id", async () => {
    const s = await session();
    const long = "x".repeat(41);
    for (const args of [
      ["upload", long, XSA125],
      ...["check", "apply", "revert", "unload"].map((c) => [c, long]),
    ]) {
      assert.deepEqual(shown(await s.run(...args)), [1, "", "ID MUST be 40 characters!\n"]);
    }
    const { code, value } = await s.json("upload", long, XSA125);
    assert.deepEqual([code, (value as { error: { code: number } }).error.code], [1, -abi.EINVAL]);
    assert.equal((await s.run("upload", "x".repeat(40), XSA125)).code, 0);
    assert.equal((await s.run("unload", "x".repeat(40))).code, 0);
    // bytes, not characters
    assert.equal((await s.run("upload", "é".repeat(21), XSA125)).code, 1);
    assert.equal((await s.run("upload", "é".repeat(20), XSA125)).code, 0);
  });
});

describe("list", () => {
  test("R161: the table, 40 columns for the id and a rule below the header", async () => {
    const s = await session();
    await s.run("upload", "a", XSA125);
    await s.run("upload", "x".repeat(40), payload("nop-out"));
    const rows = (await s.run("list")).out.split("\n");
    assert.deepEqual(rows, [
      " ID                                     | status",
      `${"-".repeat(40)}+${"-".repeat(12)}`,
      `a${" ".repeat(39)}| LOADED`,
      `${"x".repeat(40)}| LOADED`,
      "",
    ]);
  });

  test("R162: states by name, errors by their text; more than a page of 11", async () => {
    const s = await session();
    await s.run("upload", "bad", payload("too-small"));
    await s.run("check", "bad");
    for (let i = 0; i < 12; i++) {
      const file = s.file(`v${i}`);
      writeFileSync(file, variant(i));
      assert.equal((await s.run("upload", `p${i}`, file)).code, 0);
    }
    await s.run("check", "p0");
    await s.run("check", "p11");
    await s.run("apply", "p11");
    const rows = (await s.run("list")).out.split("\n").slice(2, -1);
    const seen = rows.map((row) => row.split("|").map((cell) => cell.trim()));
    assert.deepEqual(seen.slice(0, 3), [
      ["bad", "No space left on device"],
      ["p0", "CHECKED"],
      ["p1", "LOADED"],
    ]);
    assert.deepEqual(seen.at(-1), ["p11", "APPLIED"]);
    assert.equal(seen.length, 13);
  });

  test("R163: a failure says how far it came, on stderr, and prints no table", async () => {
    const s = await session();
    const { code, out, err } = await s.run("list", "--domain", "1");
    assert.deepEqual([code, out], [1, ""]);
    assert.equal(first(err), "Failed to list 0/0: 1(Operation not permitted)!");
  });
});

describe("upload", () => {
  test("R164: what cannot be opened or mapped, what is refused, what goes through", async () => {
    const s = await session();
    const missing = s.file("missing");
    const empty = s.file("empty");
    const folder = s.file("folder");
    writeFileSync(empty, "");
    mkdirSync(folder);
    const opened = await s.run("upload", "p", missing);
    assert.equal(
      first(opened.err),
      `Could not open ${missing}, error: 2(No such file or directory)`,
    );
    const mapped = await s.run("upload", "p", empty);
    assert.match(mapped.err, /^Could not map: .*empty, error: 22\(Invalid argument\)/);
    const listed = await s.run("upload", "p", folder);
    assert.match(listed.err, /^Could not map: .*folder, error: 21\(Is a directory\)/);
    for (const { code, out } of [opened, mapped, listed]) assert.deepEqual([code, out], [1, ""]);
    const size = readFileSync(XSA125).length;
    const line = `Uploading ${XSA125} (${size} bytes)\n`;
    assert.deepEqual(shown(await s.run("upload", "p", XSA125)), [0, line, ""]);
    const again = await s.run("upload", "p", XSA125);
    assert.deepEqual([again.code, again.out], [1, line]);
    assert.equal(first(again.err), `Upload failed: ${XSA125}, error: 17(File exists)!`);
  });
});

describe("actions", () => {
  const ALLOWED = { check: 0x5, apply: 0x14, revert: 0x8, unload: 0x15 };

  test("R166, R167: from which state each goes, and what it says", async () => {
    const s = await session();
    await s.run("upload", "p", XSA125);
    // state by state: every command, whether it goes, and if so what it prints
    const walk: [keyof typeof ALLOWED, number][] = [
      ["check", 0x1],
      ["apply", 0x4],
      ["revert", 0x8],
      ["apply", 0x10],
      ["revert", 0x8],
      ["unload", 0x10],
    ];
    const done = { check: 0x4, apply: 0x8, revert: 0x10, unload: 0 };
    for (const [next, state] of walk) {
      for (const name of Object.keys(ALLOWED) as (keyof typeof ALLOWED)[]) {
        if ((ALLOWED[name] & state) !== 0 || done[name] === state) continue;
        const { code, out } = await s.run(name, "p");
        const wanted = name === "unload" ? "none" : `0x${done[name].toString(16)}`;
        const wrong = `p: in wrong state (0x${state.toString(16)}), expected ${wanted}`;
        assert.equal(code, 1, `${name} in ${state}`);
        assert.equal(first(out), `${wrong}, ok are 0x${ALLOWED[name].toString(16)}`);
      }
      const { code, out } = await s.run(next, "p");
      const ok = ALLOWED[next].toString(16);
      const begin = `p: State is 0x${state.toString(16)}, ok are 0x${ok}. Commencing ${next}:`;
      assert.deepEqual([code, out], [0, `${begin}completed!\n`]);
    }
  });

  test("R173: an unload is done when nobody knows the id any more", async () => {
    const s = await session();
    await s.run("upload", "p", XSA125);
    assert.match((await s.run("unload", "p")).out, /Commencing unload:completed!\n$/);
    assert.doesNotMatch((await s.run("list")).out, /^p /m);
    const { code, out } = await s.run("unload", "p");
    assert.deepEqual([code, out], [1, "p failed with 2(No such file or directory)\n"]);
  });

  test("R174: a negative status is reported and ends it", async () => {
    const s = await session();
    await s.run("upload", "p", payload("too-small"));
    const { code, out } = await s.run("check", "p");
    assert.equal(code, 1);
    assert.match(out, /Commencing check:p failed with 28\(No space left on device\)\n$/);
  });

  test("R135, R168: no second passes for work that is done at once", async () => {
    const s = await session();
    await s.run("upload", "p", XSA125);
    const { out } = await s.run("check", "p");
    assert.doesNotMatch(out, /:\.+completed/);
    const machine = await createMachine({ snapshot: readFileSync(s.machine) });
    assert.ok(machine.info().timeNs < 1_000_000_000n, "the skeleton's mdelay(1000) is gone");
  });
});

describe("console", () => {
  test("R137: key 'x' is among those that 'h' lists, with the RFC's words", async () => {
    const { out } = await cli(["key", "h"], { XEN_XSPLICE_MACHINE: (await session()).machine });
    assert.match(out, / key 'x' \(ascii '78'\) => print splicing information$/m);
  });

  test("R138, R139: one line per payload: id, state, number, the one before", async () => {
    const s = await session();
    await s.run("upload", "a", XSA125);
    await s.run("upload", "bad", payload("too-small"));
    await s.run("upload", "y".repeat(40), payload("nop-out"));
    await s.run("check", "bad");
    await s.run("check", "a");
    const dump = async (): Promise<string[]> => (await s.run("key", "x")).out.split("\n");
    const rest = [
      ` id=bad status=-EXX(-28,old=1): `,
      ` id=${"y".repeat(40)} status=LOADED(1,old=0): `,
    ];
    assert.deepEqual(await dump(), [" id=a status=CHECKED(4,old=1): ", ...rest, ""]);
    await s.run("apply", "a");
    assert.equal((await dump())[0], " id=a status=APPLIED(8,old=4): ");
    await s.run("revert", "a");
    assert.equal((await dump())[0], " id=a status=REVERTED(16,old=8): ");
  });

  test("R139: PROGRESS too; nothing in it is longer than what it prints", async () => {
    const printed: string[] = [];
    const machine = await createMachine({ onConsole: (text) => printed.push(text) });
    const { XenControl } = await import("../../host/index.js");
    const xc = new XenControl(machine);
    await xc.upload("a", readFileSync(XSA125));
    await xc.check("a");
    printed.length = 0;
    assert.ok(machine.key("x"));
    assert.equal(printed.join(""), " id=a status=PROGRESS(2,old=1): \n");
  });

  test("R140: the operation and the key are in every machine, however it was booted", async () => {
    for (const options of [
      {},
      { cpus: 1 },
      { requireSignature: true },
      { policy: { domains: {} } },
    ]) {
      const machine = await createMachine(options);
      assert.ok(machine.key("x"));
      const wire = new Uint8Array(136);
      const view = new DataView(wire.buffer);
      view.setUint32(0, 24, true);
      view.setUint32(4, 0xc, true);
      view.setUint32(8, 2, true);
      assert.notEqual(machine.sysctl(wire), -abi.ENOSYS);
    }
  });
});
