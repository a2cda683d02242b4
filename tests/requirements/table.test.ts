// The table requirement -> test of DESIGN.md is what the tests' citations give today, and no
// requirement is without a test or a reason.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { inRoot, readText } from "../support/root.js";

interface Row {
  readonly n: number;
  readonly id: string;
  readonly kind: string;
  readonly files: readonly string[];
  readonly reason: string | null;
}
interface Script {
  requirements(): Row[];
  designWithTable(): string;
}

const script = (): Promise<Script> =>
  import(pathToFileURL(inRoot("scripts/requirements.mjs")).href) as Promise<Script>;

describe("DESIGN.md", () => {
  test("every requirement from 1 to 226 has a test, or a reason why it has none", async () => {
    const rows = (await script()).requirements();
    assert.deepEqual(
      rows.map(({ n }) => n),
      Array.from({ length: 226 }, (_, i) => i + 1),
    );
    const open = rows.filter(({ files, reason }) => files.length === 0 && reason === null);
    assert.deepEqual(
      open.map(({ id }) => id),
      [],
      "open: cite the requirement in a test, or say why not in scripts/requirements.mjs",
    );
    for (const { files } of rows) for (const file of files) assert.ok(existsSync(inRoot(file)));
    assert.ok(rows.filter(({ files }) => files.length === 0).length <= 5, "few are left out");
  });

  test("the table is current: node scripts/requirements.mjs", async () => {
    assert.ok((await script()).designWithTable() === readText("DESIGN.md"), "it is not");
  });
});
