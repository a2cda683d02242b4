// `load` with several payloads (R14, R15, R198, R200): in the order of their dependencies, all or
// none.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { payload, Session, scratch } from "./support.js";

type Row = { id: string; status: string };

async function listed(s: Session): Promise<string[]> {
  const { value } = await s.json("list");
  return (value as Row[]).map(({ id, status }) => `${id} ${status}`);
}

describe("load", () => {
  for (const order of [
    ["stack-1", "stack-2"],
    ["stack-2", "stack-1"],
  ]) {
    test(`${order.join(", ")}: the one below goes first`, async () => {
      const s = new Session(scratch());
      const { code, value } = await s.json("load", ...order.map(payload));
      assert.equal(code, 0, JSON.stringify(value));
      assert.deepEqual(
        (value as Row[]).map(({ id }) => id),
        ["stack-1", "stack-2"],
      );
      assert.deepEqual(await listed(s), ["stack-1 APPLIED", "stack-2 APPLIED"]);
      // R214: what lies below cannot be taken away first.
      const below = await s.json("revert", "stack-1");
      assert.equal(below.code, 1);
      assert.match((below.value as { reason: string }).reason, /^(not-top|dependency)$/);
      assert.equal((await s.json("revert", "stack-2")).code, 0);
      assert.equal((await s.json("revert", "stack-1")).code, 0);
    });
  }

  test("if one cannot, none stays", async () => {
    const s = new Session(scratch());
    const code = async (): Promise<unknown> =>
      ((await s.json("peek", "do_xen_version", "64")).value as { bytes: string }).bytes;
    const before = await code();
    const failed = await s.json("load", payload("xsa125"), payload("too-small"));
    assert.equal(failed.code, 1);
    assert.equal((failed.value as { reason: string }).reason, "too-small");
    assert.deepEqual(await listed(s), []);
    assert.deepEqual((await s.json("map")).value, []);
    assert.equal(await code(), before);
  });

  test("the upper of two alone is refused", async () => {
    const s = new Session(scratch());
    assert.equal((await s.json("load", payload("stack-2"))).code, 1);
    assert.deepEqual(await listed(s), []);
  });

  test("R200: of a directory, what is for this build", async () => {
    const directory = scratch();
    const s = new Session(directory);
    const [ours, other] = ["92dd05a61556c554155b1508c9cf67d993336d28", "00".repeat(20)].map((id) =>
      join(directory, "store", id),
    ) as [string, string];
    for (const path of [ours, other]) mkdirSync(path, { recursive: true });
    copyFileSync(payload("nop-out"), join(ours, "nop-out.xsplice"));
    copyFileSync(payload("inline-text"), join(ours, "inline-text.xsplice"));
    copyFileSync(payload("xsa125"), join(other, "xsa125.xsplice"));
    const { code } = await s.json("load", join(directory, "store"));
    assert.equal(code, 0);
    assert.deepEqual((await listed(s)).sort(), ["inline-text APPLIED", "nop-out APPLIED"]);
  });

  test("--id is for one payload; a missing file is an error", async () => {
    const s = new Session(scratch());
    const two = await s.json("load", payload("xsa125"), payload("nop-out"), "--id", "x");
    assert.equal(two.code, 2);
    assert.equal((await s.json("load", s.file("missing"))).code, 1);
  });
});
