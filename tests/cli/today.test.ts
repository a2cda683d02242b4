// Payloads of today's format in the commands that show what is patched, and the two doors that send
// each other's payloads on. Needs xen-syms, which the corpus was made for.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { findImage, unpackPayloads } from "../livepatch/corpus.js";
import { inRoot } from "../support/root.js";
import { Session, scratch } from "./support.js";

const image = findImage();
const skip = !image && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";
const TOOL = inRoot("dist/host/cli/xen_livepatch.js");
const RFC = inRoot("images/payloads/xsa125.xsplice");

type Json = Record<string, unknown>;

describe("payloads of today's format", { skip }, () => {
  const s = new Session(scratch());

  function livepatch(...args: string[]): { code: number | null; out: string; err: string } {
    const words = [TOOL, "-m", s.machine, ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
    return { code: status, out: stdout, err: stderr };
  }

  async function value<T>(...args: string[]): Promise<T> {
    const answer = await s.json(...args);
    assert.equal(answer.code, 0, answer.err);
    return answer.value as T;
  }

  test("map, info, disas and explain show them; reverted, nothing is left", async () => {
    const corpus = unpackPayloads();
    for (const name of ["hello", "bye"])
      writeFileSync(s.file(`${name}.livepatch`), corpus.read(`base/${name}.livepatch`));
    corpus.remove();
    assert.equal((await s.run("boot", "--image", image as string)).code, 0);
    for (const name of ["hello", "bye"]) {
      const loaded = livepatch("load", s.file(`${name}.livepatch`));
      assert.equal(loaded.code, 0, loaded.err);
    }
    const [first, second] = await value<Json[]>("map");
    assert.deepEqual([first?.owner, second?.owner], ["hello", "bye"]);
    assert.deepEqual([first?.kind, first?.old], ["trampoline", "488d0518ba"]);
    assert.equal(second?.old, first?.new, "each shows what it wrote");
    assert.notEqual(second?.new, first?.new);
    assert.match(String(second?.target), /^0x[0-9a-f]{16}$/);
    assert.equal((await value<Json>("info")).livepatches, 2);
    assert.equal((await value<Json>("explain", "hello")).reason, "none");
    const [jump, stale] = await value<Json[]>("disas", "xen_extra_version", "2");
    assert.deepEqual([jump?.owner, stale?.stale], ["bye", true]);
    for (const name of ["bye", "hello"]) assert.equal(livepatch("revert", name).code, 0);
    assert.deepEqual(await value("map"), []);
  });

  test("each door sends the other's payloads on: foreign-format", async () => {
    const { code, value: answer } = await s.json("upload", "x", s.file("hello.livepatch"));
    const { error } = answer as { error: Json };
    assert.deepEqual([code, error.reason], [1, "foreign-format"]);
    assert.match(String(error.hint), /xen-livepatch/);
    const there = livepatch("--json", "upload", "x", RFC);
    const refused = (JSON.parse(there.out) as { error: Json }).error;
    assert.deepEqual([there.code, refused.reason], [1, "foreign-format"]);
    assert.match(there.err, /xen-xsplice/);
  });
});
