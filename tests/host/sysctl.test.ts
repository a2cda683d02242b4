// The wire format of the sysctl: sizes and offsets of requirements A6, and that every operation
// comes back as it went (random ones; a failure prints its seed).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as abi from "../../host/abi.js";
import { at, bytes, decode, encode, struct, u8, u16, u32, u64 } from "../../host/struct.js";
import { decodeId, encodeId, marshal, unmarshal } from "../../host/sysctl.js";

const id = fc.uint8Array({ minLength: 40, maxLength: 40 });
const u32s = fc.integer({ min: 0, max: 0xffffffff });
const u64s = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const s32s = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const operation = fc.oneof(
  fc.record({ op: fc.constant("upload" as const), id, size: u64s, payload: u64s }),
  fc.record({ op: fc.constant("get" as const), id, status: s32s }),
  fc.record({
    op: fc.constant("list" as const),
    version: u32s,
    idx: u32s,
    nr: u32s,
    summary: u64s,
  }),
  fc.record({ op: fc.constant("action" as const), id, cmd: u32s, time: u64s }),
  fc.record({ op: fc.constant("info" as const), len: u64s, buffer: u64s }),
);

const ID = new Uint8Array(40).fill(0x61);
const view = (wire: Uint8Array): DataView => new DataView(wire.buffer);

describe("struct xen_sysctl", () => {
  test("every operation comes back as it went", () => {
    const property = fc.property(operation, (op) => {
      const wire = marshal(op);
      assert.equal(wire.length, abi.SYSCTL_SIZE);
      assert.deepEqual({ ...unmarshal(wire) }, { ...op });
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("the envelope: command 24 and the interface version (R84, R89)", () => {
    const wire = view(marshal({ op: "get", id: ID, status: 0 }));
    assert.equal(wire.getUint32(0, true), 24);
    assert.equal(wire.getUint32(4, true), 0xc);
    assert.equal(wire.getUint32(8, true), abi.XEN_SYSCTL_XSPLICE_GET);
    assert.equal(wire.getUint32(12, true), 0);
  });

  test("UPLOAD: id 0, size 40, payload 48 of its structure", () => {
    const wire = marshal({ op: "upload", id: ID, size: 0x1122n, payload: 0xffff8888n });
    assert.deepEqual(wire.slice(16, 56), ID);
    assert.equal(view(wire).getBigUint64(56, true), 0x1122n);
    assert.equal(view(wire).getBigUint64(64, true), 0xffff8888n);
  });

  test("ACTION: cmd comes before time (K40)", () => {
    const wire = view(marshal({ op: "action", id: ID, cmd: 4, time: 5n }));
    assert.equal(wire.getUint32(16 + 40, true), 4);
    assert.equal(wire.getUint32(16 + 44, true), 0);
    assert.equal(wire.getBigUint64(16 + 48, true), 5n);
  });

  test("LIST: version 0, idx 4, nr 8, pad, summary 16", () => {
    const wire = view(marshal({ op: "list", version: 1, idx: 2, nr: 3, summary: 4n }));
    assert.deepEqual(
      [16, 20, 24, 28].map((offset) => wire.getUint32(offset, true)),
      [1, 2, 3, 0],
    );
    assert.equal(wire.getBigUint64(32, true), 4n);
  });

  test("what is no xSplice operation is refused", () => {
    assert.throws(() => unmarshal(new Uint8Array(135)), RangeError);
    assert.throws(() => unmarshal(new Uint8Array(136)), RangeError);
    const wire = marshal({ op: "get", id: ID, status: 0 });
    wire[8] = 9;
    assert.throws(() => unmarshal(wire), /no sub-operation 9/);
    assert.throws(
      () => marshal({ op: "list", version: -1, idx: 0, nr: 0, summary: 0n }),
      RangeError,
    );
    assert.throws(() => marshal({ op: "action", id: ID, cmd: 1, time: -1n }), RangeError);
  });
});

describe("ids", () => {
  test("up to 40 bytes go and come back, filled with zeros (K36, K49)", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((s) => !s.includes("\0"));
    const property = fc.property(text, (value) => {
      const wire = encodeId(value);
      const size = new TextEncoder().encode(value).length;
      if (size > 40) return assert.equal(wire, undefined);
      assert.equal(wire?.length, 40);
      assert.equal(decodeId(wire as Uint8Array), value);
      assert.ok(wire?.subarray(size).every((byte) => byte === 0));
    });
    fc.assert(property);
  });

  test("40 characters have no terminator and are legal, 41 are not (R133)", () => {
    assert.equal(decodeId(encodeId("x".repeat(40)) as Uint8Array), "x".repeat(40));
    assert.equal(encodeId("x".repeat(41)), undefined);
  });
});

describe("struct", () => {
  test("a layout that disagrees with the header is refused", () => {
    assert.throws(() => struct("s", 8, { a: at(0, u8), b: at(1, u32) }), /s\.b: at 4, not 1/);
    assert.throws(() => struct("s", 12, { a: at(0, u64), b: at(8, u8) }), /sizeof s: 16, not 12/);
  });

  test("padding is written as zero, whatever was there", () => {
    const codec = struct<{ a: number; b: number }>("s", 8, { a: at(0, u8), b: at(4, u32) });
    const buffer = new Uint8Array(8).fill(0xff);
    codec.write(new DataView(buffer.buffer), 0, { a: 1, b: 2 });
    assert.deepEqual([...buffer], [1, 0, 0, 0, 2, 0, 0, 0]);
  });

  test("values out of range, and reads outside the buffer, are refused", () => {
    assert.throws(() => encode(u8, 256), RangeError);
    assert.throws(() => encode(u16, -1), RangeError);
    assert.throws(() => encode(u64, 1n << 64n), RangeError);
    assert.throws(() => encode(bytes(2), new Uint8Array(3)), RangeError);
    assert.throws(() => decode(u64, new Uint8Array(8), 1), RangeError);
    assert.equal(decode(u16, encode(u16, 0xbeef)), 0xbeef);
  });
});
