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

/** Bytes that look random and depend on the seed alone (xorshift32), mostly of a choice if one is
 *  given. */
export function bytesOf(seed: number, length: number, choice?: readonly number[]): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const byte = (state >>> 8) & 0xff;
    bytes[i] = choice && byte < 0xc0 ? (choice[byte % choice.length] as number) : byte;
  }
  return bytes;
}
