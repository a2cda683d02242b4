// Findings that neither Xen nor the build tools report, each on a payload made for it: corpus
// payloads with a few bytes changed. Issue 5, item 5.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type VerifyRow, verify } from "../../host/index.js";
import { HAZARD_KINDS } from "../../host/verify/hazards.js";
import { findImage, unpackPayloads } from "../livepatch/corpus.js";
import { contents } from "../livepatch/sections.js";
import { ids } from "./support.js";

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";

test("every kind of finding has an id of its own and says what to do", () => {
  const all = HAZARD_KINDS.map(({ id }) => id);
  assert.equal(new Set(all).size, all.length);
  for (const { id, message, hint } of HAZARD_KINDS) {
    assert.match(id, /^[a-z-]+$/);
    assert.match(message, /\.$/, id);
    assert.match(hint, /\.$/, id);
  }
});

const NEW_SIZE = 24;
const OLD_SIZE = 28;

describe("on Debian's Xen", { skip }, () => {
  let payloads: ReturnType<typeof unpackPayloads>;
  before(() => {
    payloads = unpackPayloads();
  });
  after(() => payloads?.remove());

  /** Judges a payload of the corpus after `change`, which gets its first entry of functions. */
  async function judge(file: string, change?: (funcs: Buffer) => void): Promise<VerifyRow> {
    const bytes = Buffer.from(payloads.read(file));
    change?.(contents(bytes, ".livepatch.funcs"));
    const [row] = await verify(IMAGE, [{ file, bytes }]);
    return row ?? assert.fail("no row");
  }

  test("NOPs over whole instructions are fine", async () => {
    const row = await judge("base/nop5.livepatch");
    assert.equal(row.verdict, "ok", row.message);
    assert.equal(row.patches[0]?.kind, "nop");
  });

  test("NOPs that cut the jump at a function's end: size - 1, as upstream's sample", async () => {
    const row = await judge("base/nop5.livepatch", (funcs) => {
      funcs.writeUInt32LE(funcs.readUInt32LE(OLD_SIZE) - 1, NEW_SIZE);
    });
    assert.deepEqual([row.verdict, row.code, row.step], ["danger", -22, "apply"], row.message);
    assert.equal(row.reason, "xen-crash-nop-tail");
    assert.ok(ids(row).includes("nop-cuts-instruction"), `${ids(row)}`);
    const finding = row.findings.find(({ id }) => id === "nop-cuts-instruction");
    assert.match(finding?.place ?? "", /^xen_minor_version /);
  });

  test("a function's size that is not this build's", async () => {
    const row = await judge("base/nop5.livepatch", (funcs) => funcs.writeUInt32LE(64, OLD_SIZE));
    assert.equal(row.verdict, "ok");
    assert.ok(ids(row).includes("old-size-differs"));
  });

  test("writable data: cannot be applied a second time", async () => {
    const row = await judge("base/data.livepatch");
    assert.equal(row.verdict, "ok");
    assert.ok(ids(row).includes("not-reappliable"));
  });

  test("hooks and symbols that are bound are in the row", async () => {
    const row = await judge("base/call_printk.livepatch");
    assert.ok(row.payload.hooks.includes("load"), `${row.payload.hooks}`);
    const printk = row.payload.symbols.find(({ name }) => name === "printk");
    assert.match(printk?.va ?? "", /^0xffff82d0/);
    assert.match(row.payload.build_id, /^[0-9a-f]{40}$/);
  });
});
