// The core as a WebAssembly module: which features it needs, what it imports and exports, how large
// it is. Embedders in other runtimes, and wasm2c, rely on exactly this.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import wabt from "wabt";
import { inRoot, readText } from "./support/root.js";

const MAX_SIZE = 200_000;
/** A plain array: wabt misreads Node's Buffer. */
const binary = new Uint8Array(readFileSync(inRoot("dist/core.wasm")));
const module = new WebAssembly.Module(binary);

/** What every target understands: the MVP and four small extensions of 2017 to 2020. */
const FEATURES = {
  mutable_globals: true,
  sign_extension: true,
  sat_float_to_int: true,
  bulk_memory: true,
  exceptions: false,
  simd: false,
  threads: false,
  multi_value: false,
  tail_call: false,
  reference_types: false,
  gc: false,
  memory64: false,
  extended_const: false,
  relaxed_simd: false,
};

test("the module validates with the allowed features alone", async () => {
  const toolkit = await wabt();
  const parsed = toolkit.readWasm(binary, FEATURES);
  try {
    parsed.validate();
    assert.match(parsed.toText({}), /^\(module/);
  } finally {
    parsed.destroy();
  }
});

test("the check above refuses a module that needs more", async () => {
  const toolkit = await wabt();
  const source = "(module (func (result v128) (v128.const i64x2 1 2)))";
  const simd = toolkit.parseWat("simd.wat", source, { simd: true }).toBinary({}).buffer;
  assert.throws(() => toolkit.readWasm(simd, FEATURES).validate());
});

test("imports are functions of module hv only", () => {
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    assert.equal(`${from} ${kind}`, "hv function", name);
  }
});

test("exports are the memory and what assembly/index.ts exports", () => {
  const panel = readText("assembly/index.ts");
  const declared = [...panel.matchAll(/^export (?:function|const) (\w+)/gm)].map(
    (match) => match[1],
  );
  for (const [, list] of panel.matchAll(/^export \{([^}]*)\}/gm)) {
    const names = String(list).split(",");
    declared.push(
      ...names.flatMap(
        (name) =>
          name
            .trim()
            .split(/\s+as\s+/)
            .pop() || [],
      ),
    );
  }
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  assert.deepEqual(exported.sort(), [...declared, "memory"].sort());
});

test("the module is small", () => {
  assert.ok(binary.length <= MAX_SIZE, `${binary.length} bytes, limit ${MAX_SIZE}`);
});
