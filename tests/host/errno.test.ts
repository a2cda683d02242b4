// Error numbers: names, texts, and that none of the public list is missing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { getSystemErrorMap } from "node:util";
import * as abi from "../../host/abi.js";
import { ERRNOS, errnoName, errnoNumber, strerror } from "../../host/errno.js";

describe("errno", () => {
  test("every number of the public list has its name and a text", () => {
    const listed = Object.keys(abi).filter((name) => /^E[A-Z0-9]+$/.test(name));
    assert.equal(ERRNOS.length, listed.length);
    for (const name of listed) {
      const value = errnoNumber(name);
      assert.ok(value, name);
      assert.equal(errnoName(value), name);
      assert.equal(errnoName(-value), name);
      assert.doesNotMatch(strerror(value), /^Unknown error/);
    }
  });

  test("names agree with those of the system, where the system is Linux", (t) => {
    if (process.platform !== "linux") return t.skip("other systems number otherwise");
    for (const [code, [name]] of getSystemErrorMap()) {
      if (errnoNumber(name) !== undefined) assert.equal(errnoNumber(name), -code, name);
    }
  });

  test("texts are those of the C library (K48: also of a negative status)", () => {
    assert.equal(strerror(22), "Invalid argument");
    assert.equal(strerror(-16), "Device or resource busy");
    assert.equal(strerror(0), "Success");
    assert.equal(strerror(999), "Unknown error 999");
    assert.equal(errnoName(999), "E999");
  });

  test("names follow from the constants", () => {
    assert.equal(abi.reasonName(abi.REASON_OLD_CODE), "old-code");
    assert.equal(abi.reasonName(12345), "reason-12345");
    assert.equal(abi.statusName(abi.XSPLICE_STATUS_APPLIED), "APPLIED");
    assert.equal(abi.statusName(3), "unknown");
    assert.equal(abi.stopName(abi.STOP_BUDGET), "budget");
    assert.equal(abi.vectorName(abi.VECTOR_PF), "#PF");
    assert.equal(abi.stepName(abi.STEP_CHECK), "check");
    assert.equal(abi.placeName(abi.PLACE_ELF_RELA), "elf-rela");
  });
});
