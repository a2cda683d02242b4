// Symbols as people write them, resolved against a table.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { XenError } from "../../host/error.js";
import { type ImageSymbol, parseSymbol, type SymbolSource, Symbols } from "../../host/symbols.js";

function symbol(name: string, va: bigint, size = 16n, file?: string): ImageSymbol {
  return { name, va, size, room: size, type: "func", bind: "global", file };
}

const TABLE = [
  symbol("start", 0xffff82d080100000n, 32n),
  symbol("twin", 0xffff82d080100020n, 16n, "a.c"),
  symbol("twin", 0xffff82d080100030n, 16n, "b.c"),
  symbol("alias", 0xffff82d080100040n),
  symbol("alias", 0xffff82d080100040n),
];

const source: SymbolSource = {
  count: () => TABLE.length,
  info: (index) => TABLE[index] as ImageSymbol,
  at: (va) => TABLE.findLastIndex((entry) => entry.va <= va && va < entry.va + entry.room),
  payloadSymbol: (va) =>
    va >= 0x900000n && va < 0x900010n
      ? { owner: "p", name: "new_code", offset: va - 0x900000n }
      : undefined,
  lookup(text) {
    const [file, name] = text.includes("#") ? text.split("#") : [undefined, text];
    const indices = TABLE.map((_, i) => i).filter((i) => {
      const entry = TABLE[i] as ImageSymbol;
      return entry.name === name && (file === undefined || entry.file === file);
    });
    return { count: indices.length, indices };
  },
};

const symbols = new Symbols(source);

function refusal(target: string | bigint): XenError {
  try {
    symbols.resolve(target);
  } catch (error) {
    assert.ok(error instanceof XenError);
    return error;
  }
  assert.fail("was resolved");
}

describe("symbol expressions", () => {
  test("name, file, offset and address are told apart", () => {
    assert.deepEqual(parseSymbol("do_domctl"), { name: "do_domctl", offset: 0n });
    assert.deepEqual(parseSymbol("a.c#twin+0x10"), { name: "a.c#twin", offset: 16n });
    assert.deepEqual(parseSymbol("start-4"), { name: "start", offset: -4n });
    assert.deepEqual(parseSymbol("x.part.0+12"), { name: "x.part.0", offset: 12n });
    const address = { name: undefined, offset: 0xffff82d080112f9en };
    assert.deepEqual(parseSymbol("0xffff82d080112f9e"), address);
    assert.deepEqual(parseSymbol(" 42 "), { name: undefined, offset: 42n });
    assert.equal(parseSymbol(""), undefined);
  });

  test("resolved to addresses, all 64 bits of them", () => {
    assert.equal(symbols.resolve("start"), 0xffff82d080100000n);
    assert.equal(symbols.resolve("start+0x1f"), 0xffff82d08010001fn);
    assert.equal(symbols.resolve("b.c#twin"), 0xffff82d080100030n);
    assert.equal(symbols.resolve("0xffff82d080112f9e"), 0xffff82d080112f9en);
    assert.equal(symbols.resolve(7), 7n);
    assert.equal(symbols.resolve("alias"), 0xffff82d080100040n, "two names for one place");
  });

  test("what is not there, or is there twice", () => {
    assert.equal(refusal("nothing").reason, "sym-missing");
    assert.equal(refusal("").reason, "sym-missing");
    const twice = refusal("twin");
    assert.equal(twice.reason, "sym-ambiguous");
    assert.equal(twice.errno, "EINVAL");
    assert.deepEqual(twice.operands.candidates, [0xffff82d080100020n, 0xffff82d080100030n]);
    assert.equal(refusal("start-0xffff82d080100001").reason, "bad-address");
    assert.equal(refusal(1n << 64n).reason, "bad-address");
  });

  test("addresses become names", () => {
    assert.equal(symbols.nameOf(0xffff82d080100000n), "start");
    assert.equal(symbols.nameOf(0xffff82d08010001fn), "start+0x1f");
    assert.equal(symbols.nameOf(1n), undefined);
    assert.equal(symbols.size, 5);
    assert.deepEqual(
      [...symbols].map((entry) => entry.name),
      TABLE.map((entry) => entry.name),
    );
  });
});

test("an address in a payload has the payload's own symbol, and says whose (R196)", () => {
  const symbols = new Symbols(source);
  assert.equal(symbols.nameOf(0x900000n), "new_code [p]");
  assert.equal(symbols.nameOf(0x90000fn), "new_code+0xf [p]");
  assert.equal(symbols.nameOf(0x900010n), undefined);
});
