// verify on the embedded mini-Xen: the RFC's payloads, files that are none, several at once, the
// forms of output. Issue 5, item 5; cli.md "verify".

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { toSarif, type VerifyRow, verify } from "../../host/index.js";
import { cli, scratch } from "../cli/support.js";
import { assertSchema, ids, payload } from "./support.js";

const directory = scratch();
const file = (name: string, bytes: Uint8Array | string): string => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};

describe("verdicts", () => {
  test("a good payload: what it changes, byte for byte", async () => {
    const [row] = await verify(undefined, [payload("xsa125")]);
    assert.equal(row?.verdict, "ok");
    assert.equal(row.code, 0);
    assert.equal(row.payload.format, "xsplice");
    const [patch] = row.patches;
    assert.equal(patch?.symbol, "do_xen_version");
    assert.equal(patch?.kind, "trampoline");
    assert.match(patch?.new ?? "", /^e9/);
    assert.equal(patch?.old?.length, 2 * (patch?.size ?? 0));
    assertSchema([row]);
  });

  test("one that is refused: step, errno and reason of the hypervisor", async () => {
    const [small] = await verify(undefined, [payload("too-small")]);
    assert.equal(small?.verdict, "refused");
    assert.deepEqual(
      [small?.step, small?.code, small?.errno, small?.reason],
      ["check", -28, "ENOSPC", "too-small"],
    );
    assert.match(small?.message ?? "", /room for/);
  });

  test("a payload that needs another one below it is judged on top of --stack", async () => {
    const [alone] = await verify(undefined, [payload("stack-2")]);
    assert.equal(alone?.verdict, "refused");
    assert.equal(alone?.reason, "build-id");
    const [stacked] = await verify(undefined, [payload("stack-2")], {
      stack: [payload("stack-1")],
    });
    assert.equal(stacked?.verdict, "ok");
  });

  test("what is no payload gets a row, never an abort", async () => {
    const files = [
      file("empty", ""),
      file("foreign", "this is no payload. ".repeat(8)),
      join(directory, "absent"),
      directory,
      payload("xsa125"),
    ];
    const rows = await verify(undefined, files);
    assert.deepEqual(
      rows.map(({ verdict, reason }) => [verdict, reason]),
      [
        ["refused", "size-zero"],
        ["refused", "elf-magic"],
        ["refused", "file-missing"],
        ["refused", "file-is-directory"],
        ["ok", undefined],
      ],
    );
    assert.deepEqual(
      rows.map(({ file: name }) => name),
      files,
    );
    assertSchema(rows);
  });

  test("a payload leaves nothing behind for the next one", async () => {
    const all = ["xsa125", "callers", "too-small", "overlap-2", "new-data"].map(payload);
    const together = await verify(undefined, all);
    const alone = await Promise.all(all.map((one) => verify(undefined, [one])));
    const decided = ({ verdict, code, reason, patches }: VerifyRow) => ({
      verdict,
      code,
      reason,
      patches,
    });
    assert.deepEqual(together.map(decided), alone.flat().map(decided));
  });
});

describe("several at once", () => {
  test("two that patch the same code fight: a finding, not a verdict", async () => {
    const rows = await verify(undefined, [payload("xsa125"), payload("rfc-example")]);
    assert.deepEqual(
      rows.map(({ verdict }) => verdict),
      ["ok", "ok"],
    );
    for (const row of rows) assert.ok(ids(row).includes("patches-same-code"), row.file);
    const [alone] = await verify(undefined, [payload("xsa125")]);
    assert.ok(!ids(alone).includes("patches-same-code"));
  });

  test("threads give the same rows in the same order", async () => {
    const all = ["xsa125", "callers", "too-small", "new-data", "ex-table"].map(payload);
    const one = await verify(undefined, all, { jobs: 1 });
    const two = await verify(undefined, all, { jobs: 2 });
    assert.deepEqual(two, one);
  });

  test("the shards together are the whole, each row in one of them", async () => {
    const all = ["xsa125", "callers", "too-small", "new-data", "ex-table"].map(payload);
    const parts = await Promise.all(
      [1, 2, 3].map((index) => verify(undefined, all, { shard: { index, count: 3 } })),
    );
    assert.deepEqual(
      parts.map(({ length }) => length),
      [2, 2, 1],
    );
    const seen = parts.flat().map(({ file: name }) => name);
    assert.deepEqual(seen.sort(), [...all].sort());
  });
});

describe("the command", () => {
  test("exit 0 when all are ok, 1 when one is refused, and JSON as published", async () => {
    const good = await cli(["verify", payload("xsa125"), "--json"]);
    assert.equal(good.code, 0);
    assertSchema(JSON.parse(good.out));
    const bad = await cli(["verify", payload("xsa125"), payload("too-small"), "--json"]);
    assert.equal(bad.code, 1);
    const rows = JSON.parse(bad.out);
    assertSchema(rows);
    assert.equal(rows[1].verdict, "refused");
  });

  test("for people: a line per payload, and a matrix at the end", async () => {
    const { out, code } = await cli(["verify", payload("xsa125"), payload("too-small")]);
    assert.equal(code, 1);
    assert.match(out, /xsa125\.xsplice: ok$/m);
    assert.match(out, /too-small\.xsplice: refused at check \(-28 ENOSPC, too-small\)$/m);
    assert.match(out, /^1 ok, 1 refused, 0 danger$/m);
  });

  test("wrong usage is exit 2", async () => {
    assert.equal((await cli(["verify"])).code, 2);
    for (const shard of ["0/2", "3/2", "x", "1"]) {
      const { code } = await cli(["verify", payload("xsa125"), "--shard", shard]);
      assert.equal(code, 2, shard);
    }
  });

  test("an image that is none is an error of the call", async () => {
    const image = file("image", "no image");
    const { code, out } = await cli(["verify", payload("xsa125"), "--image", image, "--json"]);
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).error.reason, "elf-truncated");
  });
});

interface Sarif {
  version: string;
  runs: {
    tool: { driver: { name: string; rules: { id: string; shortDescription: object }[] } };
    results: {
      ruleId: string;
      ruleIndex: number;
      level: string;
      message: { text: string };
      locations: { physicalLocation: { artifactLocation: { uri: string } } }[];
    }[];
  }[];
}

describe("SARIF 2.1.0", () => {
  test("every result names a rule of the driver, a level and a file", async () => {
    const names = ["too-small", "xsa125", "rfc-example"].map(payload);
    const { out, code } = await cli(["verify", ...names, "--sarif"]);
    assert.equal(code, 1);
    const sarif = JSON.parse(out) as Sarif;
    assert.equal(sarif.version, "2.1.0");
    const [run] = sarif.runs;
    assert.ok(run && run.results.length >= 3);
    const { rules } = run.tool.driver;
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
    for (const result of run.results) {
      assert.equal(rules[result.ruleIndex]?.id, result.ruleId);
      assert.match(result.level, /^(error|warning|note|none)$/);
      assert.notEqual(result.message.text, "");
      const { uri } = result.locations[0]?.physicalLocation.artifactLocation ?? { uri: "" };
      assert.ok(names.includes(decodeURIComponent(uri)));
    }
    assert.ok(run.results.some(({ ruleId, level }) => ruleId === "too-small" && level === "error"));
  });

  test("nothing to say is an empty list of results", () => {
    const { runs } = toSarif([], "0") as Sarif;
    assert.deepEqual(runs[0]?.results, []);
  });
});
