// The three interdependency modes of the RFC (R197-R199), and the order of reverting (R214).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { inline, trampoline } from "./payload.js";
import { APPLIED, Bench, REVERTED, refused, sample } from "./support.js";

const last = (b: Bench): bigint => b.call("account_last", 0n);

describe("mode 1: one cumulative payload (R197)", () => {
  test("replaces the earlier one in one step, reverts to the unpatched hypervisor", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.load("v1", sample("cumulative-v1"));
    assert.equal(last(b), 1101n);
    await b.load("v2", sample("cumulative-v2"));
    assert.equal(last(b), 1201n);
    assert.equal(await b.status("v1"), REVERTED);
    assert.match(b.printed.join(""), /xsplice: v2 replaces v1/);
    assert.deepEqual([...new Set(b.machine.map().map((place) => place.owner))], ["v2"]);
    await b.xc.revertAndWait("v2");
    assert.deepEqual(b.image(), image);
    await b.xc.unload("v2");
    // the earlier one is a payload like any other that was reverted
    await b.xc.applyAndWait("v1");
    assert.equal(last(b), 1101n);
  });

  test("stands alone, and is not replaced by one that covers less", async () => {
    const b = await Bench.boot();
    await b.load("v2", sample("cumulative-v2"));
    assert.equal(last(b), 1201n);
    await b.upload("v1", sample("cumulative-v1"));
    const error = await refused(b.xc.checkAndWait("v1"), abi.EEXIST, "already-patched");
    assert.match(error.message, /v2/);
    assert.equal(last(b), 1201n);
  });

  test("takes off a whole stack, or none of it", async () => {
    for (const elsewhere of [false, true]) {
      const b = await Bench.boot();
      const image = b.image();
      await b.load("v1", sample("cumulative-v1"));
      const old = [inline("account_last", 12, 0, b.machine.read("account_last", 5).slice())];
      const places = [trampoline("account_last", 12)];
      if (elsewhere) places.push(trampoline("check_even", 24));
      await b.load("top", { places, old });
      assert.equal(last(b), 42n);
      const stacked = b.image();
      await b.upload("v2", sample("cumulative-v2"));
      if (elsewhere) {
        await refused(b.xc.checkAndWait("v2"), abi.EEXIST, "already-patched");
        assert.deepEqual(b.image(), stacked);
        continue;
      }
      await b.xc.checkAndWait("v2");
      await b.xc.applyAndWait("v2");
      assert.equal(last(b), 1201n);
      assert.deepEqual([await b.status("v1"), await b.status("top")], [REVERTED, REVERTED]);
      await b.xc.revertAndWait("v2");
      assert.deepEqual(b.image(), image);
    }
  });
});

describe("mode 2: the stack, by build-id (R198)", () => {
  test("the upper one needs the lower one applied", async () => {
    const b = await Bench.boot();
    await b.upload("upper", sample("stack-2"));
    await refused(b.xc.checkAndWait("upper"), abi.EINVAL, "build-id");
    await b.upload("lower", sample("stack-1"));
    await refused(b.xc.checkAndWait("upper"), abi.EXDEV, "dependency");
    await b.xc.checkAndWait("lower");
    await refused(b.xc.checkAndWait("upper"), abi.EXDEV, "dependency");
    await b.xc.applyAndWait("lower");
    await b.xc.checkAndWait("upper");
    await b.xc.applyAndWait("upper");
    assert.equal(last(b), 1401n);
  });

  test("R214: the lower one cannot go first, and what it left is exact", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.load("lower", sample("stack-1"));
    const between = b.image();
    await b.load("upper", sample("stack-2"));
    const error = await refused(b.xc.revertAndWait("lower"), abi.EBUSY, "not-top");
    assert.match(error.message, /upper/);
    assert.equal(last(b), 1401n);
    await b.xc.revertAndWait("upper");
    assert.deepEqual(b.image(), between);
    await b.xc.revertAndWait("lower"); // a failed REVERT may be tried again (K45)
    assert.deepEqual(b.image(), image);
    // and without the lower one the upper one cannot come back
    await refused(b.xc.applyAndWait("upper"), abi.EXDEV, "dependency");
  });
});

describe("mode 3: old code (R199)", () => {
  test("may overlap when its old code is what the earlier one wrote", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.upload("two", sample("overlap-2"));
    await refused(b.xc.checkAndWait("two"), abi.EILSEQ, "old-code");
    await b.load("one", sample("overlap-1"));
    assert.equal(last(b), 2001n);
    await b.xc.checkAndWait("two");
    await b.xc.applyAndWait("two");
    assert.equal(last(b), 3001n);
    await refused(b.xc.revertAndWait("one"), abi.EBUSY, "not-top");
    await b.xc.revertAndWait("two");
    assert.equal(last(b), 2001n);
    await b.xc.revertAndWait("one");
    assert.deepEqual(b.image(), image);
  });

  test("without old code an overlap is refused with the owner's id (R49)", async () => {
    const b = await Bench.boot();
    await b.load("one", sample("overlap-1"));
    await b.upload("other", sample("stack-1"));
    const error = await refused(b.xc.checkAndWait("other"), abi.EEXIST, "already-patched");
    assert.match(error.message, /one/);
  });

  test("payloads that share nothing are independent, in any order", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.load("a", sample("inline-text"));
    await b.load("b", sample("nop-out"));
    await b.load("c", { places: [trampoline("account_tick", 5)] });
    const owners = (): string[] => {
      const places = [...b.machine.map()].sort((x, y) => Number(x.order - y.order));
      return places.map((place) => place.owner);
    };
    assert.deepEqual(owners(), ["a", "b", "c"]);
    await b.xc.revertAndWait("a");
    assert.equal(b.call("check_even", 9n), 11n);
    await b.xc.applyAndWait("a");
    assert.deepEqual(owners(), ["b", "c", "a"]);
    for (const id of ["b", "a", "c"]) await b.xc.revertAndWait(id);
    assert.deepEqual(b.image(), image);
    assert.equal(await b.status("c"), REVERTED);
    assert.notEqual(await b.status("c"), APPLIED);
  });
});
