// What is accepted although it differs, and how APPLY, REVERT and UNLOAD refuse (table D2): memory
// is compared before and after.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { hex, inline, type PayloadSpec, trampoline } from "./payload.js";
import { Bench, refused, sample } from "./support.js";

describe("what may differ and still be accepted", () => {
  const accepted: [string, PayloadSpec][] = [
    ["K6: the version string as id", { id: "Xen 4.6-unstable-g9348394", places: [] }],
    [
      "K6: the build-id in capitals",
      { id: "92DD05A61556C554155B1508C9CF67D993336D28", places: [] },
    ],
    [
      "R202: an address decides between two functions of one name",
      {
        places: [{ ...trampoline("backlog", 13), address: 0xffff82d080104b60n }],
      },
    ],
    ["R202, R204: so does the file", { places: [trampoline("a/domain.c#domain_limit", 20)] }],
    [
      "R12: by address alone",
      {
        places: [
          {
            ...trampoline("x", 24),
            symbol: undefined,
            address: 0xffff82d080113f00n,
            relocAddr: 0xffff82d080113f00n,
          },
        ],
      },
    ],
    [
      "R53: other padding behind the last instruction",
      {
        places: [trampoline("account_tick", 5)],
        old: [{ ...inline("account_tick", 5, 0, hex("488d4701 c3 6690")), contentSize: 7 }],
      },
    ],
    [
      "K4: a trampoline's howto of size 0 and a mask of all ones",
      {
        places: [
          {
            ...trampoline("check_even", 24),
            howto: { howto: 2, flag: 1, size: 0, mask: 0xffffffffffffffffn },
          },
        ],
      },
    ],
    ["R28: nothing to patch", { places: [] }],
  ];
  for (const [name, payload] of accepted) {
    test(name, async () => {
      const b = await Bench.boot();
      const image = b.image();
      await b.load("p", payload);
      assert.equal(b.machine.map().length, payload.places.length);
      await b.xc.revertAndWait("p");
      assert.deepEqual(b.image(), image);
    });
  }
});

describe("APPLY, REVERT, UNLOAD", () => {
  test("R212 old-code: what has changed since CHECK is found before the first write", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("old-exact"));
    await b.xc.checkAndWait("p");
    const va = b.machine.symbols.resolve("account_tick");
    b.machine.write(va + 3n, hex("07"));
    const image = b.image();
    await refused(b.xc.applyAndWait("p"), abi.EILSEQ, "old-code");
    assert.deepEqual(b.image(), image);
    assert.equal(await b.status("p"), -abi.EILSEQ);
    b.machine.write(va + 3n, hex("01"));
    await b.xc.applyAndWait("p"); // K45: tried again
    assert.equal(b.call("account_tick", 1n), 12n);
  });

  test("R213 foreign-bytes: REVERT does not overwrite what is not ours", async () => {
    const b = await Bench.boot();
    await b.load("p", sample("old-exact"));
    const va = b.machine.symbols.resolve("account_tick");
    const ours = b.machine.read(va, 5).slice();
    b.machine.write(va + 4n, hex("77"));
    const image = b.image();
    const error = await refused(b.xc.revertAndWait("p"), abi.EILSEQ, "foreign-bytes");
    assert.equal(error.operands.va, va + 4n);
    assert.deepEqual(b.image(), image);
    await refused(b.xc.unload("p"), abi.EINVAL, "still-applied");
    await refused(b.xc.checkAndWait("p"), abi.EINVAL, "wrong-state");
    b.machine.write(va, ours);
    await b.xc.revertAndWait("p");
    await b.xc.unload("p");
  });

  test("still-applied, busy: UNLOAD of live or scheduled payloads (f9bf994d81, K61)", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("xsa125"));
    await b.xc.check("p");
    await refused(b.xc.unload("p"), abi.EBUSY, "busy");
    await refused(b.xc.apply("p"), abi.EBUSY, "busy");
    await b.xc.wait("p");
    await b.xc.apply("p");
    await refused(b.xc.unload("p"), abi.EBUSY, "busy");
    await b.xc.wait("p");
    await refused(b.xc.unload("p"), abi.EINVAL, "still-applied");
    await b.xc.revertAndWait("p");
    await b.xc.unload("p");
    await refused(b.xc.unload("p"), abi.ENOENT, "no-such-id");
  });

  test("still-referenced: a pointer into the payload is left in the image's data", async () => {
    const b = await Bench.boot();
    await b.load("p", sample("xsa125"));
    const base = b.machine.payloads()[0]?.baseVa ?? 0n;
    const at = b.machine.symbols.resolve("pause_count");
    const pointer = new Uint8Array(8);
    new DataView(pointer.buffer).setBigUint64(0, base + 16n, true);
    b.machine.write(at + 8n, pointer);
    await b.xc.revertAndWait("p");
    const hash = b.machine.stateHash();
    const error = await refused(b.xc.unload("p"), abi.EBUSY, "still-referenced");
    assert.equal(error.operands.va, at + 8n);
    assert.equal(error.operands.va2, base + 16n);
    assert.equal(b.machine.stateHash(), hash);
    b.machine.write(at + 8n, new Uint8Array(8));
    await b.xc.unload("p");
  });

  test("K14: many places of a payload are all written, or none", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.upload("p", {
      places: [
        trampoline("check_even", 24),
        trampoline("clamp_request", 13),
        trampoline("tiny_4", 4),
      ],
    });
    await refused(b.xc.checkAndWait("p"), abi.ENOSPC, "too-small");
    assert.deepEqual(b.image(), image);
  });
});
