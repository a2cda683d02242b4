// Bounce buffers: a stack in the domain's memory that leaves no trace.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { XenError } from "../../host/error.js";
import { GuestMemory } from "../../host/guest.js";

const BASE = 0x10000000n;

function domain(size: number): { ram: Uint8Array; guest: GuestMemory } {
  const ram = new Uint8Array(size);
  const memory = {
    read: (va: bigint, length: number) => ram.slice(Number(va - BASE), Number(va - BASE) + length),
    write: (va: bigint, bytes: Uint8Array) => ram.set(bytes, Number(va - BASE)),
  };
  return { ram, guest: new GuestMemory(memory, BASE, size) };
}

describe("bounce buffers", () => {
  test("hold what they are given, side by side, and are zeroed afterwards", () => {
    const { ram, guest } = domain(256);
    const inside = guest.scope((allocate) => {
      const a = allocate(new Uint8Array([1, 2, 3]));
      const b = allocate(4);
      assert.equal(a.va, BASE);
      assert.equal(b.va, BASE + 16n);
      return guest.scope((inner) => {
        assert.equal(inner(new Uint8Array([9])).va, BASE + 32n);
        return a.read();
      });
    });
    assert.deepEqual([...inside], [1, 2, 3]);
    assert.ok(ram.every((byte) => byte === 0));
    guest.scope((allocate) => assert.equal(allocate(1).va, BASE));
  });

  test("are given back when the work throws", () => {
    const { ram, guest } = domain(256);
    const broken = (): void =>
      guest.scope((allocate) => {
        allocate(new Uint8Array(100).fill(7));
        throw new Error("broken");
      });
    assert.throws(broken, /broken/);
    assert.ok(ram.every((byte) => byte === 0));
  });

  test("a domain that is too small is -ENOMEM", () => {
    const { guest } = domain(64);
    assert.throws(
      () => guest.scope((allocate) => allocate(65)),
      (error) =>
        error instanceof XenError && error.errno === "ENOMEM" && error.reason === "no-memory",
    );
    guest.scope((allocate) => assert.equal(allocate(64).size, 64));
  });
});
