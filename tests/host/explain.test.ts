// Every reason code has a sentence and a hint, and the operands appear in them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as abi from "../../host/abi.js";
import { MachineBug, XenError } from "../../host/error.js";
import { explain } from "../../host/explain.js";
import { decodeRefusal, hostRefusal } from "../../host/refusal.js";

const codes = abi.REASON_CODES.filter((code) => code !== abi.REASON_NONE);
const symbolize = (va: bigint): string => `sym_${va.toString(16)}`;

describe("explanations", () => {
  test("every reason has one (table D2)", () => {
    assert.ok(codes.length > 80);
    const without = codes.filter((code) => !explain(hostRefusal(abi.EINVAL, code)));
    assert.deepEqual(without.map(abi.reasonName), []);
  });

  test("it is whole sentences, with and without operands", () => {
    const full = {
      step: abi.STEP_CHECK,
      place: abi.PLACE_XSPLICE_PATCH,
      index: 2,
      va: 0xffff82d080112f9en,
      va2: 0xffff82d080300000n,
      value: 3n,
      limit: 5n,
      id: "mine",
      other: "theirs",
      name: "do_xen_version",
      found: new Uint8Array([0x48]),
      expected: new Uint8Array([0xe9]),
    };
    for (const code of codes) {
      for (const operands of [{}, full]) {
        const text = explain(hostRefusal(abi.EINVAL, code, operands), { symbolize });
        assert.ok(text, abi.reasonName(code));
        assert.match(text.message, /^\S.*[.]$/, abi.reasonName(code));
        assert.match(text.hint, /^\S.*[.]$/, abi.reasonName(code));
        assert.doesNotMatch(text.message, / {2}|undefined|\[object|''| [.,:]/, text.message);
      }
    }
  });

  test("any record is explained without an exception", () => {
    const record = fc.uint8Array({ minLength: 1024, maxLength: 1024 });
    const property = fc.property(record, fc.constantFrom(...codes), (bytes, code) => {
      new DataView(bytes.buffer).setUint32(abi.REFUSAL_REASON, code, true);
      const error = new XenError(decodeRefusal(bytes));
      assert.ok(error.message.length > 0);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test("old-code names address, symbol, bytes and owner", () => {
    const refusal = hostRefusal(abi.EILSEQ, abi.REASON_OLD_CODE, {
      va: 0x1000n,
      found: new Uint8Array([0xe9, 1]),
      expected: new Uint8Array([0x48, 0xc7]),
      other: "first",
    });
    const { message } = new XenError(refusal, { symbolize });
    assert.match(message, /0x1000 \(sym_1000\)/);
    assert.match(message, /found e9 01, expected 48 c7/);
    assert.match(message, /payload 'first'/);
  });

  test("sym-ambiguous lists the candidates", () => {
    const refusal = hostRefusal(abi.EINVAL, abi.REASON_SYM_AMBIGUOUS, {
      name: "static_fn",
      candidates: [0x10n, 0x20n],
      candidateCount: 2,
    });
    assert.match(new XenError(refusal).message, /'static_fn' means 2 things: 0x10, 0x20/);
  });

  test("build-id shows both, whether the payload has it as text or as bytes", () => {
    const running = new Uint8Array([0x92, 0xdd]);
    const text = { name: "Xen 4.5", found: new Uint8Array(2), expected: running };
    const first = new XenError(hostRefusal(abi.EINVAL, abi.REASON_BUILD_ID, text));
    assert.match(first.message, /for the build Xen 4\.5, not for the one that runs, 92dd\./);
    const raw = { name: "\u0001\ufffd", found: new Uint8Array([1, 0xff]), expected: running };
    const second = new XenError(hostRefusal(abi.EINVAL, abi.REASON_BUILD_ID, raw));
    assert.match(second.message, /for the build 01ff, /);
  });

  test("sym-missing leads with the other build (A14)", () => {
    const operands = { name: "gone", other: "abcd", value: 1n };
    const { message } = new XenError(hostRefusal(abi.ENOENT, abi.REASON_SYM_MISSING, operands));
    assert.match(message, /^The payload is for another build, abcd\. The symbol 'gone' exists/);
  });

  test("a place in `old` is told from one in `new`", () => {
    const at = { step: abi.STEP_UPLOAD, place: abi.PLACE_XSPLICE_PATCH, index: 2 };
    const place = (index2: number): string =>
      new XenError(hostRefusal(abi.EINVAL, abi.REASON_ENUM, { ...at, index2 })).place;
    assert.deepEqual([place(0), place(1)], ["patch 2 of 'new'", "patch 2 of 'old'"]);
  });

  test("wrong-state says the state and the allowed ones (K63)", () => {
    const refusal = hostRefusal(abi.EINVAL, abi.REASON_WRONG_STATE, {
      step: abi.STEP_APPLY,
      id: "foo",
      value: 1n,
      limit: 0x14n,
    });
    const { message } = new XenError(refusal);
    assert.equal(
      message,
      "APPLY of 'foo' is not possible in state LOADED, only in CHECKED or REVERTED.",
    );
  });

  test("xsm-denied carries the operation", () => {
    const refusal = hostRefusal(abi.EACCES, abi.REASON_XSM_DENIED, { index: 3, value: 1n });
    const error = new XenError(refusal);
    assert.equal(error.reason, "xsm-denied:action");
    assert.match(error.message, /denies action to domain 1/);
  });
});

describe("errors", () => {
  test("a XenError has name, number, reason, step, place, hint", () => {
    const error = XenError.of(abi.EINVAL, abi.REASON_ELF_SYMBOL, {
      place: abi.PLACE_ELF_SYMBOL,
      index: 7,
      step: abi.STEP_UPLOAD,
    });
    assert.ok(error instanceof Error);
    const { name, errno, code, reason, step, place } = error;
    assert.deepEqual(
      { name, errno, code, reason, step, place },
      {
        name: "XenError",
        errno: "EINVAL",
        code: -22,
        reason: "elf-symbol",
        step: "upload",
        place: "ELF symbol 7",
      },
    );
  });

  test("without a reason the error number speaks", () => {
    const error = XenError.of(abi.ENOENT, abi.REASON_NONE);
    assert.equal(error.message, "No such file or directory");
    assert.equal(error.reason, "none");
  });

  test("a bug of the machine is another class", () => {
    const bug = new MachineBug("it failed", "hv_run", ["last line"]);
    assert.ok(!((bug as Error) instanceof XenError));
    assert.equal(bug.name, "MachineBug");
    assert.deepEqual(bug.consoleTail, ["last line"]);
  });

  test("a record is read at its offsets", () => {
    const bytes = new Uint8Array(1024);
    const view = new DataView(bytes.buffer);
    view.setInt32(abi.REFUSAL_ERRNO, 84, true);
    view.setUint32(abi.REFUSAL_REASON, abi.REASON_OLD_CODE, true);
    view.setBigUint64(abi.REFUSAL_VA, 0xffff82d080112f9en, true);
    bytes.set(new TextEncoder().encode("do_xen_version"), abi.REFUSAL_NAME);
    bytes.set([1, 2, 3], abi.REFUSAL_FOUND);
    view.setUint32(abi.REFUSAL_BYTES, 3, true);
    view.setUint32(abi.REFUSAL_CANDIDATE_COUNT, 400, true);
    const refusal = decodeRefusal(bytes);
    assert.equal(refusal.errno, 84);
    assert.equal(refusal.va, 0xffff82d080112f9en);
    assert.equal(refusal.name, "do_xen_version");
    assert.deepEqual([...refusal.found], [1, 2, 3]);
    assert.equal(refusal.expected.length, 3);
    assert.equal(refusal.candidates.length, 16);
    assert.equal(refusal.candidateCount, 400);
  });
});
