// The action runner against a scripted hypervisor: every defect of the RFC's loop that K48-K56
// and K63 name, with the states that only a slow or broken hypervisor shows.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { error, play } from "./scripted.js";

const LOADED = abi.XSPLICE_STATUS_LOADED;
const PROGRESS = abi.XSPLICE_STATUS_PROGRESS;
const CHECKED = abi.XSPLICE_STATUS_CHECKED;
const APPLIED = abi.XSPLICE_STATUS_APPLIED;
const REVERTED = abi.XSPLICE_STATUS_REVERTED;

describe("messages (R165-R174)", () => {
  test("F: apply from CHECKED, immediate success", async () => {
    const { code, out } = await play("apply", { states: [CHECKED, APPLIED] });
    assert.equal(out, "foo: State is 0x4, ok are 0x14. Commencing apply:completed!\n");
    assert.equal(code, 0);
  });

  test("F: unload from LOADED", async () => {
    const { code, out } = await play("unload", { states: [LOADED, error(abi.ENOENT)] });
    assert.equal(out, "foo: State is 0x1, ok are 0x15. Commencing unload:completed!\n");
    assert.equal(code, 0);
  });

  test("R165: already there: no hypercall", async () => {
    const { code, out, issued } = await play("apply", { states: [APPLIED] });
    assert.deepEqual([code, out, issued], [0, "completed!\n", []]);
  });

  test("R170, K63: a wrong state says what is wanted, and from where it goes", async () => {
    const { code, out, issued } = await play("apply", { states: [LOADED] });
    assert.equal(
      out,
      "foo: in wrong state (0x1), expected 0x8, ok are 0x14\n" +
        "foo failed with 22(Invalid argument)\n",
    );
    assert.equal(code, 1);
    assert.deepEqual(issued, []);
  });

  test("R171: the state did not change", async () => {
    const { code, out } = await play("apply", { states: [CHECKED, REVERTED] });
    assert.match(out, / \(0x8 vs 0x10\) state not reached!\?\n/);
    assert.equal(code, 1);
  });

  test("R169: progress that is not ours", async () => {
    const { code, out, issued, reason } = await play("revert", { states: [PROGRESS] });
    assert.equal(reason, "busy");
    assert.equal(
      out,
      "foo is in progress and we didn't initiate it!\n" +
        "foo failed with 16(Device or resource busy)\n",
    );
    assert.equal(code, 1);
    assert.deepEqual(issued, []);
  });

  test("R172: the hypercall itself is refused", async () => {
    const { code, out } = await play("apply", { states: [CHECKED], refused: error(abi.EBUSY) });
    assert.match(out, /Commencing apply:foo failed with 16\(Device or resource busy\)\n$/);
    assert.equal(code, 1);
  });
});

// c1058b29cb, 52efa01ed2, 0265fd753b: states and error numbers taken for each other.
describe("defects of the RFC's loop", () => {
  test("K51, R168: a dot for each second of PROGRESS, then the real result", async () => {
    const states = [CHECKED, PROGRESS, PROGRESS, PROGRESS, APPLIED];
    const { code, out, seconds } = await play("apply", { states });
    assert.match(out, /Commencing apply:\.\.\.completed!\n$/);
    assert.equal(code, 0);
    assert.equal(seconds, 3);
  });

  test("R168: 30 dots, then it gives up", async () => {
    const { code, out, seconds, reason } = await play("apply", { states: [CHECKED, PROGRESS] });
    assert.equal(reason, "waited");
    assert.match(out, /apply:\.{30}foo: Waited more than 30 seconds! Bailing out\.\n/);
    assert.match(out, /foo failed with 16\(Device or resource busy\)\n$/);
    assert.equal(code, 1);
    assert.equal(seconds, 30);
  });

  for (const [name, errno] of [
    ["check", 4],
    ["revert", abi.EBUSY],
    ["apply", abi.ENOEXEC],
  ] as const) {
    test(`K52: GET failing with ${errno} is no success of ${name}`, async () => {
      const { code, out } = await play(name, { states: [error(errno)] });
      assert.doesNotMatch(out, /completed/);
      assert.equal(code, 1);
    });
  }

  test("K53: unload of an id that never existed fails", async () => {
    const { code, out } = await play("unload", { states: [error(abi.ENOENT)] });
    assert.equal(out, "foo failed with 2(No such file or directory)\n");
    assert.equal(code, 1);
  });

  test("K52: -ENOENT while waiting for another action fails too", async () => {
    const { code } = await play("apply", { states: [CHECKED, error(abi.ENOENT)] });
    assert.equal(code, 1);
  });

  test("K54: a negative status is what is reported", async () => {
    const { code, out } = await play("apply", { states: [CHECKED, -abi.EILSEQ] });
    assert.match(out, /foo failed with 84\(Invalid or incomplete multibyte or wide character\)\n$/);
    assert.equal(code, 1);
  });

  test("K55: a payload in an error state can be tried again", async () => {
    const { code, out, issued } = await play("apply", { states: [-abi.EBUSY, APPLIED] });
    assert.equal(out, "foo: State is -EBUSY, ok are 0x14. Commencing apply:completed!\n");
    assert.deepEqual(issued, ["apply"]);
    assert.equal(code, 0);
  });
});
