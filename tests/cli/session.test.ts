// Whole sessions on real machines, compared with golden transcripts: what a user types and sees.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { golden, payload, Session, scratch, variant } from "./support.js";

const session = (): Session => new Session(scratch());

describe("golden transcripts", () => {
  test("usage (R152-R156)", async () => {
    const s = session();
    await s.run();
    await s.run("help");
    await s.run("h", "me");
    await s.run("frobnicate");
    await s.run("");
    await s.run("un");
    await s.run("u", "--exact");
    await s.run("upload", "one");
    await s.run("list", "all");
    await s.run("apply");
    await s.run("call");
    await s.run("list", "--frob");
    golden("usage", s.transcript());
  });

  test("the RFC's workflow (R124)", async () => {
    const s = session();
    await s.run("list");
    await s.run("upload", "xsa125", payload("xsa125"));
    await s.run("upload", "xsa125", payload("xsa125"));
    await s.run("list");
    await s.run("apply", "xsa125");
    await s.run("check", "xsa125");
    await s.run("check", "xsa125");
    await s.run("apply", "xsa125");
    await s.run("list");
    await s.run("key", "x");
    await s.run("map");
    await s.run("disas", "do_xen_version", "3");
    await s.run("unload", "xsa125");
    await s.run("revert", "xsa125");
    await s.run("disas", "do_xen_version", "3");
    await s.run("apply", "xsa125");
    await s.run("revert", "xsa125");
    await s.run("unload", "xsa125");
    await s.run("unload", "xsa125");
    await s.run("map");
    golden("workflow", s.transcript());
  });

  test("the RFC's worked example (R63)", async () => {
    const s = session();
    await s.run("load", payload("rfc-example"));
    await s.run("list");
    await s.run("peek", "0xffff82d080112f9e", "16");
    await s.run("map");
    await s.run("revert", "xsa125");
    await s.run("peek", "do_xen_version", "16");
    golden("rfc-example", s.transcript());
  });

  test("looking around", async () => {
    const s = session();
    await s.run("info");
    await s.run("call", "xen_extra_version", "--string");
    await s.run("call", "xen_major_version");
    await s.run("symbols", "do_xen*");
    await s.run("symbols", "--smaller-than", "5");
    await s.run("peek", "hypercall_table+0x88", "8");
    await s.run("callers", "arch_do_domctl");
    await s.run("call", "no_such_function");
    await s.run("peek", "0x1000");
    await s.run("stacks");
    golden("looking", s.transcript());
  });

  test("refusals, and what explain says", async () => {
    const s = session();
    writeFileSync(s.file("empty"), "");
    writeFileSync(s.file("text"), "no ELF file\n");
    writeFileSync(s.file("short"), readFileSync(payload("xsa125")).subarray(0, 1000));
    await s.run("upload", "a", s.file("missing"));
    await s.run("upload", "a", s.file("empty"));
    await s.run("upload", "a", s.file("text"));
    await s.run("upload", "a", s.file("short"));
    await s.run("explain", "a");
    await s.run("explain", "b");
    await s.run("upload", "", payload("xsa125"));
    await s.run("upload", "x".repeat(41), payload("xsa125"));
    await s.run("upload", "small", payload("too-small"));
    await s.run("check", "small");
    await s.run("list");
    await s.run("explain", "small");
    await s.run("check", "small");
    await s.run("list", "--domain", "1");
    await s.run("apply", "small", "--domain", "1");
    golden("refusals", s.transcript());
  });
});

describe("R155, K49: ids at the edges", () => {
  test("40 characters are legal and shown whole, nothing behind them", async () => {
    const s = session();
    const id = "i".repeat(40);
    assert.equal((await s.run("upload", id, payload("xsa125"))).code, 0);
    const { out } = await s.run("list");
    assert.ok(out.endsWith(`${id}| LOADED\n`), out);
  });

  test("an id that looks like a number stays what it is", async () => {
    const s = session();
    for (const id of ["007", "0x10", "1e3", "-1"]) {
      assert.equal((await s.run("upload", id, payload("old-exact"))).code, 0);
      const { value } = await s.json("list");
      assert.deepEqual((value as { id: string }[]).at(-1)?.id, id);
      assert.equal((await s.run("unload", id)).code, 0);
    }
  });
});

describe("K32, K59: long lists", () => {
  test("5, 6, 12 and 65 payloads, each once and in the order of upload", async () => {
    const s = session();
    const ids: string[] = [];
    for (const count of [5, 6, 12, 65]) {
      while (ids.length < count) {
        const id = `p${ids.length}`;
        writeFileSync(s.file(id), variant(ids.length));
        const { code, err } = await s.run("upload", id, s.file(id));
        assert.equal(code, 0, err);
        ids.push(id);
      }
      const { value } = await s.json("list");
      assert.deepEqual(
        (value as { id: string }[]).map(({ id }) => id),
        ids,
      );
      const { out } = await s.run("list");
      assert.deepEqual(
        out
          .trim()
          .split("\n")
          .slice(2)
          .map((row) => row.split("|")[0]?.trim()),
        ids,
      );
    }
  });
});
