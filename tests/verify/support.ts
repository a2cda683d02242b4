// What the tests of verify share: the schema, and payloads of the project.

import assert from "node:assert/strict";
import type { VerifyRow } from "../../host/index.js";
import { inRoot, readText } from "../support/root.js";
import { validate } from "./schema.js";

export const payload = (name: string): string => inRoot("images", "payloads", `${name}.xsplice`);

/** Fails unless the value is what the published schema describes. */
export function assertSchema(value: unknown): void {
  const schema = JSON.parse(readText("schema/verify.schema.json"));
  assert.deepEqual(validate(schema, schema, value), []);
}

export const ids = (row: VerifyRow | undefined): string[] =>
  (row?.findings ?? []).map(({ id }) => id);
