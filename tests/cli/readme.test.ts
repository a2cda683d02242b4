// The sessions in README.md are ones that really took place: they are run again and compared.
// UPDATE_GOLDEN=1 writes what they print now.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { inRoot, readText } from "../support/root.js";
import { Session, scratch } from "./support.js";

const BLOCK = /(```console\n)([\s\S]*?)(```\n)/g;
const FILE = "images/payloads/xsa125.xsplice";

/** Compares the session with block `number` of the README. */
function compare(number: number, s: Session): void {
  const text = s
    .plain()
    .replaceAll("PROJECT/", "")
    .replaceAll("DIR/", "/tmp/")
    .replaceAll(/^! /gm, "")
    .replaceAll(/^xen-xsplice: \d+ schedules, \d+ states\n/gm, "")
    .replaceAll(/\d+\.\d s$/gm, "0.2 s");
  if (process.env.UPDATE_GOLDEN === "1") {
    let at = 0;
    const update = (block: string, head: string, _: string, tail: string): string =>
      at++ === number ? head + text + tail : block;
    writeFileSync(inRoot("README.md"), readText("README.md").replace(BLOCK, update));
  }
  assert.equal([...readText("README.md").matchAll(BLOCK)][number]?.[2], text);
}

test("the session of the README", async () => {
  const s = new Session(scratch());
  await s.run("hypercall", "xen_version", "2", "@144");
  await s.run("hypercall", "xen_version", "9", "@144", "--domain", "1");
  await s.run("upload", "xsa125", inRoot(FILE));
  await s.run("apply", "xsa125");
  await s.run("check", "xsa125");
  await s.run("apply", "xsa125");
  await s.run("list");
  await s.run("disas", "do_xen_version", "2");
  await s.run("hypercall", "xen_version", "9", "@144", "--domain", "1");
  await s.run("revert", "xsa125");
  await s.run("unload", "xsa125");
  await s.run("map");
  compare(0, s);
});

test("the search of the README", async () => {
  const s = new Session(scratch());
  await s.run("search", inRoot(FILE), "--without", "barrier");
  await s.run("search", inRoot(FILE), "--without", "barrier", "--replay", "0:1 1:0");
  compare(1, s);
});
