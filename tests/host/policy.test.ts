// XSM policies (R81): what a file may say, what the core is told, and clear refusals of the rest.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { XenError } from "../../host/error.js";
import { checkPolicy, parsePolicy, policyMasks } from "../../host/policy.js";

function complaint(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof XenError);
    assert.equal(error.reason, "policy");
    assert.equal(error.errno, "EINVAL");
    return error.message;
  }
  assert.fail("was accepted");
}

describe("policy", () => {
  test("operations become bits, one mask per domain", () => {
    const text =
      '{"domains": {"3": ["list"], "0": ["upload","get","list","action","info"], "1": []}}';
    assert.deepEqual(policyMasks(parsePolicy(text)), [
      { domain: 0, mask: 0b11111 },
      { domain: 1, mask: 0 },
      { domain: 3, mask: 0b00100 },
    ]);
  });

  test("each mistake is named with its place", () => {
    assert.match(
      complaint(() => parsePolicy("{")),
      /not JSON/,
    );
    assert.match(
      complaint(() => checkPolicy({})),
      /domains/,
    );
    assert.match(
      complaint(() => checkPolicy(null)),
      /policy is not valid/,
    );
    assert.match(
      complaint(() => checkPolicy({ domains: { 0: ["uplaod"] } })),
      /domains\.0\.0: "uplaod" is no operation; there are upload, get, list, action, info/,
    );
    assert.match(
      complaint(() => checkPolicy({ domains: { x: [] } })),
      /"x" is no domain number/,
    );
    assert.match(
      complaint(() => checkPolicy({ domains: { "-1": [] } })),
      /is no domain number/,
    );
    assert.match(
      complaint(() => checkPolicy({ domains: {}, domain: {} })),
      /domain/,
    );
    assert.match(
      complaint(() => checkPolicy({ domains: { 0: "list" } })),
      /domains\.0/,
    );
  });
});
