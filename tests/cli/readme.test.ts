// The session in README.md is one that really took place: it is run again and compared.
// UPDATE_GOLDEN=1 writes what it prints now.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { inRoot, readText } from "../support/root.js";
import { Session, scratch } from "./support.js";

const BLOCK = /(```console\n)([\s\S]*?)(```\n)/;

test("the session of the README", async () => {
  const s = new Session(scratch());
  const file = "images/payloads/xsa125.xsplice";
  await s.run("hypercall", "xen_version", "2", "@144");
  await s.run("hypercall", "xen_version", "9", "@144", "--domain", "1");
  await s.run("upload", "xsa125", inRoot(file));
  await s.run("apply", "xsa125");
  await s.run("check", "xsa125");
  await s.run("apply", "xsa125");
  await s.run("list");
  await s.run("disas", "do_xen_version", "2");
  await s.run("hypercall", "xen_version", "9", "@144", "--domain", "1");
  await s.run("revert", "xsa125");
  await s.run("unload", "xsa125");
  await s.run("map");
  const text = s
    .plain()
    .replaceAll("PROJECT/", "")
    .replaceAll("DIR/", "/tmp/")
    .replaceAll(/^! /gm, "");
  const readme = readText("README.md");
  if (process.env.UPDATE_GOLDEN === "1") {
    writeFileSync(
      inRoot("README.md"),
      readme.replace(BLOCK, (_, head, __, tail) => head + text + tail),
    );
  }
  assert.equal(BLOCK.exec(readText("README.md"))?.[2], text);
});
