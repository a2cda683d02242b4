// Defects that Xen's own live patching once had (see history.test.ts), on payloads of today's
// format: those that are about names, functions, hooks and REPLACE. With the payloads that are made
// for the embedded mini-Xen, so that nothing else is needed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { type BootOptions, createMachine, type Machine } from "../../host/index.js";
import { findLivepatch } from "../../host/verify/records.js";
import { LivepatchClient } from "../livepatch/client.js";
import { section } from "../livepatch/sections.js";
import { inRoot } from "../support/root.js";
import { reasonOf, renamed } from "./support.js";

const APPLY = abi.LIVEPATCH_ACTION_APPLY;
const REVERT = abi.LIVEPATCH_ACTION_REVERT;
const CHECKED = abi.LIVEPATCH_STATE_CHECKED;
const APPLIED = abi.LIVEPATCH_STATE_APPLIED;
const FUNC_NEW = 8;
const FUNC_OLD = 16;
const FUNC_NEW_SIZE = 24;
const FUNC_OLD_SIZE = 28;

const read = (name: string): Buffer =>
  readFileSync(inRoot("tests", "livepatch", "payloads", `${name}.livepatch`));

let machine: Machine;
let client: LivepatchClient;

async function boot(options: BootOptions = {}): Promise<void> {
  machine = await createMachine({ cpus: 2, ...options });
  client = new LivepatchClient(machine);
}

/** Must be refused so, with nothing changed. */
function refuses(file: Uint8Array, errno: number, reason: string): void {
  const before = machine.stateHash();
  assert.deepEqual([client.upload("bad", file), reasonOf(machine)], [-errno, reason]);
  assert.equal(machine.stateHash(), before);
  assert.equal(client.get("bad").found, false);
}

/** Asks for an action, any payload below accepted, and lets it come to its end. */
function act(name: string, cmd: number): number {
  const rc = client.action(name, cmd, abi.LIVEPATCH_ACTION_APPLY_NODEPS);
  machine.run();
  return rc;
}

/** The first function's record, in the file. */
const record = (file: Buffer): number => section(file, ".livepatch.funcs").off;

beforeEach(() => boot());

describe("names (fec659aa2d)", () => {
  // A hook's own variable, and the new code of a function: names of 19 characters, as this one.
  const NEW = "xsp_hook_value_hook";
  const OVERRIDING = "value_minor_version";
  const CORE = "compat_do_hypercall";

  test("a new symbol must not have a name of the hypervisor; what replaces one may", () => {
    assert.ok(machine.symbols.find(CORE).length > 0);
    refuses(renamed(read("value_revert_5"), NEW, CORE), abi.EEXIST, "symbol-exists");
    assert.equal(client.upload("good", renamed(read("value_revert_5"), OVERRIDING, CORE)), 0);
  });

  test("nor one of a payload that is loaded; when that is gone it is free", () => {
    assert.equal(client.upload("first", read("value_revert_5")), 0);
    refuses(read("value_revert_eagain"), abi.EEXIST, "symbol-exists");
    assert.equal(client.action("first", abi.LIVEPATCH_ACTION_UNLOAD), 0);
    assert.equal(client.upload("second", read("value_revert_eagain")), 0);
  });
});

describe("where a function is (5142dc5c25)", () => {
  test("a name alone: what is judged is the address that it stands for", () => {
    const file = read("inlined");
    assert.equal(file.readBigUInt64LE(record(file) + FUNC_OLD), 0n, "the file has no address");
    assert.equal(client.upload("p", file), 0);
    const [func] = findLivepatch(machine, "p")?.funcs ?? [];
    assert.equal(func?.oldVa, machine.symbols.resolve("spin_unlock"));
    refuses(renamed(file, "spin_unlock", "spin_unlocc"), abi.ENOENT, "sym-missing");
    const small = Buffer.from(file);
    small.writeUInt32LE(4, record(small) + FUNC_OLD_SIZE);
    refuses(small, abi.EINVAL, "lp-too-small");
  });

  test("too far away is so of that address as well", async () => {
    await boot({ payloadBase: 0xffff900000000000n });
    refuses(read("inlined"), abi.EOVERFLOW, "distance");
  });
});

describe("ENDBR64 at the entry (8a87b9a0fb)", () => {
  /** NOPs over the first `size` bytes of endbr_mul: endbr64, mov, imul, ret. */
  function nops(size: number): Buffer {
    const file = Buffer.from(read("inlined"));
    const { off, size: bytes } = section(file, ".rela.livepatch.funcs");
    for (let at = off; at < off + bytes; at += 24) {
      // R_X86_64_NONE: no new code
      if (file.readBigUInt64LE(at) === BigInt(FUNC_NEW)) file.writeUInt32LE(0, at + 8);
    }
    file.writeBigUInt64LE(machine.symbols.resolve("endbr_mul"), record(file) + FUNC_OLD);
    file.writeUInt32LE(size, record(file) + FUNC_NEW_SIZE);
    file.writeUInt32LE(12, record(file) + FUNC_OLD_SIZE);
    return file;
  }

  for (const size of [7, 11]) {
    test(`${size} bytes of NOPs end where they are told to, not 4 further`, () => {
      const before = Buffer.from(machine.read("endbr_mul", 16));
      assert.equal(client.upload("p", nops(size)), 0);
      assert.equal(act("p", APPLY), 0);
      assert.deepEqual(client.get("p"), { found: true, state: APPLIED, rc: 0 });
      const after = Buffer.from(machine.read("endbr_mul", 16));
      assert.deepEqual(after.subarray(0, 4), before.subarray(0, 4), "ENDBR64 stays");
      assert.notDeepEqual(after.subarray(4, size), before.subarray(4, size));
      assert.deepEqual(after.subarray(size), before.subarray(size));
      assert.equal(act("p", REVERT), 0);
      assert.deepEqual(Buffer.from(machine.read("endbr_mul", 16)), before);
    });
  }
});

describe("another hypervisor's payload (879615f5db)", () => {
  test("R200: is refused when it is uploaded, not when it is applied", () => {
    const file = Buffer.from(read("inlined"));
    const { off, size } = section(file, ".livepatch.xen_depends");
    file[off + size - 1] = 0xff ^ (file[off + size - 1] ?? 0);
    refuses(file, abi.EINVAL, "build-id");
    assert.deepEqual(client.list(), []);
  });
});

describe("write protection (R178; 92167e9430, 8676092a0f, b083b1c393)", () => {
  /** Code of the hypervisor writes a byte. */
  const write = (va: bigint): string => {
    const [byte = 0] = machine.read(va, 1);
    const { stop, fault } = machine.call("memset", [va, byte, 1n]);
    return fault ? `${fault.vector} ${fault.error}` : stop;
  };
  /** A place in text, in .rodata, in .data. */
  const protection = (): string[] =>
    ["xen_minor_version", "hypercall_table", "boot_count"].map((name) =>
      write(machine.symbols.resolve(name)),
    );
  const PROTECTED = ["#PF 3", "#PF 3", "return"];

  for (const [name, rc] of [
    ["code_put_back", 0],
    ["crash_load", -abi.EFAULT],
    ["crash_apply", -abi.EFAULT],
    ["crash_postapply", -abi.EFAULT],
    ["hang_apply", -abi.EFAULT],
    ["lies_apply", -abi.EINVAL],
    ["value_apply_5", 5],
  ] as const) {
    test(`${name}: code is writable for its hooks alone, however they end`, () => {
      assert.deepEqual(protection(), PROTECTED);
      assert.equal(client.upload("p", read(name)), 0);
      assert.deepEqual(protection(), PROTECTED, "uploaded");
      assert.equal(act("p", APPLY), 0);
      assert.equal(client.get("p").rc, rc);
      assert.deepEqual(protection(), PROTECTED, "after APPLY");
      if (rc !== 0) return;
      assert.equal(act("p", REVERT), 0);
      assert.deepEqual(protection(), PROTECTED, "after REVERT");
    });
  }

  test("82182ad7b4: the functions' records may be read-only: no state is kept in them", () => {
    const file = Buffer.from(read("inlined"));
    const { header, size } = section(file, ".livepatch.funcs");
    file.writeBigUInt64LE(2n, header + 8); // SHF_ALLOC alone
    assert.equal(client.upload("p", file), 0);
    const { start, end } = findLivepatch(machine, "p") ?? assert.fail("not loaded");
    const all = (): Buffer => Buffer.from(machine.read(start, Number(end - start)));
    const uploaded = all();
    const name = Buffer.alloc(8);
    name.writeBigUInt64LE(machine.symbols.resolve("spin_unlock"));
    const records = uploaded.indexOf(name) - FUNC_OLD;
    assert.ok(records >= 0 && records + size <= uploaded.length);
    assert.equal(write(start + BigInt(records)), "#PF 3");
    for (const [cmd, state] of [
      [APPLY, APPLIED],
      [REVERT, CHECKED],
      [APPLY, APPLIED],
    ] as const) {
      assert.equal(act("p", cmd), 0);
      assert.deepEqual(client.get("p"), { found: true, state, rc: 0 });
      assert.deepEqual(all(), uploaded);
    }
  });
});

describe("REPLACE that fails half-way (0dd9268808)", () => {
  test("each payload has the state and the rc of what became of itself", () => {
    const plain = Buffer.from(machine.read("spin_unlock", 7));
    for (const [name, file] of [
      ["stays", "value_revert_5"],
      ["goes", "inlined"],
    ] as const) {
      assert.equal(client.upload(name, read(file)), 0);
      assert.equal(act(name, APPLY), 0);
    }
    assert.equal(client.upload("new", read("copy")), 0);
    const minor = Buffer.from(machine.read("xen_minor_version", 6));
    assert.notDeepEqual(Buffer.from(machine.read("spin_unlock", 7)), plain);
    assert.equal(act("new", abi.LIVEPATCH_ACTION_REPLACE), 0, "the answer is not the outcome");
    // from the top down: the first could go, the second could not, the third never came
    assert.deepEqual(client.get("goes"), { found: true, state: CHECKED, rc: 0 });
    assert.deepEqual(client.get("stays"), { found: true, state: APPLIED, rc: 5 });
    assert.deepEqual(client.get("new"), { found: true, state: CHECKED, rc: -abi.EINVAL });
    const refusal = machine.refusalOf("new") ?? assert.fail("nothing is recorded");
    assert.equal(abi.reasonName(refusal.reason), "lp-replace-revert");
    assert.deepEqual(Buffer.from(machine.read("spin_unlock", 7)), plain);
    assert.deepEqual(Buffer.from(machine.read("xen_minor_version", 6)), minor);
    assert.deepEqual([...new Set(machine.map().map(({ owner }) => owner))], ["stays"]);
    // and the one that could go may come back
    assert.equal(act("goes", APPLY), 0);
    assert.deepEqual(client.get("goes"), { found: true, state: APPLIED, rc: 0 });
  });
});
