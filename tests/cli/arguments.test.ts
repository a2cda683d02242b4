// From argv to values: cac must not touch numbers, and the RFC's prefix rule (R155, K50).

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cac } from "cac";
import {
  matchCommand,
  parseNumber,
  protect,
  splitCommand,
  unprotect,
} from "../../host/cli/arguments.js";
import { COMMANDS } from "../../host/cli/registry.js";
import { cli, scratch } from "./support.js";

const KNOWN = new Set(COMMANDS.keys());

describe("R155, K50, fb2716a191: prefixes", () => {
  const rows: [string, string | undefined][] = [
    ["h", "help"],
    ["l", "list"],
    ["u", "upload"],
    ["un", "unload"],
    ["up", "upload"],
    ["a", "apply"],
    ["c", "check"],
    ["r", "revert"],
    ["", undefined],
    ["applyy", undefined],
    ["LIST", undefined],
    ["upload2", undefined],
    ["boo", undefined],
    ["boot", "boot"],
    ["load", "load"],
    ["run", "run"],
    ["ca", undefined],
    ["call", "call"],
  ];
  for (const [word, name] of rows) {
    test(`"${word}" is ${name ?? "unrecognised"}`, () => {
      assert.equal(matchCommand(word, KNOWN, false)?.name, name);
    });
  }

  test("fb2716a191: an ambiguous prefix names the others", () => {
    assert.deepEqual(matchCommand("u", KNOWN, false)?.others, ["unload"]);
    assert.deepEqual(matchCommand("up", KNOWN, false)?.others, []);
  });

  test("--exact takes full names only", () => {
    assert.equal(matchCommand("u", KNOWN, true), undefined);
    assert.equal(matchCommand("upload", KNOWN, true)?.name, "upload");
  });
});

describe("numbers", () => {
  const texts = [
    "0xffff82d040200000",
    "007",
    "0x10",
    "1e3",
    "-1",
    "18446744073709551615",
    "12",
    "",
    " ",
  ];

  test("cac gives back what was typed, as argument and as option", () => {
    for (const text of texts) {
      const program = cac("x");
      let seen: unknown;
      program
        .command("c [...args]", "")
        .option("--id <id>", "")
        .action((args: string[], options: { id: string }) => {
          seen = unprotect([...args, options.id]);
        });
      program.parse(["node", "x", "c", ...protect([text, `--id=${text}`])], { run: false });
      program.runMatchedCommand();
      assert.deepEqual(seen, [text, text]);
    }
  });

  test("without the marks cac would lose bits: the marks are needed", () => {
    const program = cac("x");
    program.command("c", "").option("--id <id>", "");
    const { options } = program.parse(["node", "x", "c", "--id", "0xffff82d040200000"], {
      run: false,
    });
    assert.notEqual(BigInt(options.id), 0xffff82d040200001n);
    assert.equal(typeof options.id, "number");
  });

  test("64 bits, decimal and hex, two's complement", () => {
    assert.equal(parseNumber("0xffff82d080112f9e"), 0xffff82d080112f9en);
    assert.equal(parseNumber("18446744073709551615"), 2n ** 64n - 1n);
    assert.equal(parseNumber("-1"), 2n ** 64n - 1n);
    assert.equal(parseNumber("do_xen_version"), undefined);
    assert.equal(parseNumber("0x"), undefined);
    assert.throws(() => parseNumber("0x1ffffffffffffffff"), /64 bits/);
    assert.throws(() => parseNumber("-9223372036854775809"), /64 bits/);
  });
});

test("the command is found behind options that take a value", () => {
  assert.deepEqual(splitCommand(["-m", "list", "apply", "x"]), {
    word: "apply",
    rest: ["-m", "list", "x"],
  });
  assert.equal(splitCommand(["--json", "list"]).word, "list");
  assert.equal(splitCommand(["--json"]).word, undefined);
});

test("a common option that makes no sense is wrong usage, also where it is not used", async () => {
  const env = { XEN_XSPLICE_MACHINE: join(scratch(), "machine") };
  for (const option of ["--time=abc", "--domain=abc", "--domain=-1"]) {
    const { code, err } = await cli(["list", option], env);
    assert.equal(code, 2, option);
    assert.match(err, /--(time|domain)/);
  }
});
