// What no machine can be like: one word of a machine's file is changed for each part of it, the
// checksum made right again, and the part is named in the refusal (R225). What the machine keeps
// where is read off the sources of the core.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { createMachine, XenControl } from "../../host/index.js";
import { encodeSnapshot } from "../../host/snapshot.js";
import { readText } from "../support/root.js";
import { payload, refusedLater } from "./support.js";

const param = (name: string): number => {
  const found = new RegExp(`const ${name}\\b[^=]*= (0x[0-9a-f]+|\\d+);`).exec(
    readText("assembly/hv/param.ts"),
  );
  assert.ok(found?.[1], name);
  return Number(found[1]);
};

const HEADER = 0x1000;
const CPUS = 0x2000;
const DOMAINS = CPUS + 2048 * param("NR_CPUS");
const PAYLOADS = DOMAINS + 256 * param("NR_DOMAINS");
const REFUSALS = PAYLOADS + 1024 * param("NR_PAYLOADS");
const CONSOLE = REFUSALS + 1024 * (param("NR_PAYLOADS") + param("NR_REFUSALS"));
const KEYSTORE = CONSOLE + param("CONSOLE_RING_SIZE");

const SIZES: Readonly<Record<string, number>> = { u64: 8, i64: 8, u32: 4, i32: 4, usize: 4 };

/** Where a field of a class is, counted off its declaration. */
const offset = (path: string, name: string): number => {
  let at = 0;
  for (const [, known, type = ""] of readText(path).matchAll(/^ {2}(\w+): (\w+);/gm)) {
    const size = SIZES[type] ?? assert.fail(type);
    at = Math.ceil(at / size) * size;
    if (known === name) return at;
    at += size;
  }
  assert.fail(name);
};

const field = (name: string): number => HEADER + offset("assembly/hv/header.ts", name);
const record = (slot: number, name: string): number =>
  PAYLOADS + 1024 * slot + offset("assembly/xsplice/payload.ts", name);

describe("a machine from a file", () => {
  let memory: Uint8Array;
  const view = (): DataView => new DataView(memory.buffer);
  const word = (at: number): number => view().getUint32(at, true);
  before(async () => {
    const machine = await createMachine({ cpus: 2 });
    const xc = new XenControl(machine);
    for (const id of ["xsa125", "callers"]) {
      await xc.upload(id, payload(id));
      await xc.checkAndWait(id);
      await xc.applyAndWait(id);
    }
    memory = machine.inside((core) => core.memory().slice(0, core.machineEnd));
  });

  /** What is said of the machine with one word changed. */
  const said = async (at: number, value: number): Promise<string> => {
    const was = word(at);
    view().setUint32(at, value, true);
    try {
      const snapshot = encodeSnapshot(memory);
      const error = await refusedLater(createMachine({ snapshot }));
      assert.deepEqual([error.errno, error.reason], ["EBADMSG", "machine-file-corrupt"]);
      assert.ok(error.message.includes(error.place), error.message);
      return error.place;
    } finally {
      view().setUint32(at, was, true);
    }
  };

  test("as it was it is taken up", async () => {
    const machine = await createMachine({ snapshot: encodeSnapshot(memory) });
    assert.equal(machine.payloads().length, 2);
  });

  const rows: [string, () => [number, number]][] = [
    ["the header", () => [field("nr_cpus"), 0]],
    ["the header", () => [field("nr_cpus"), 257]],
    ["the header", () => [field("time_ns") + 4, 0x8000_0000]],
    ["the header", () => [field("image_hi_va") + 4, 0xffff_ffff]],
    ["the header", () => [field("payload_end_va") + 4, 0xffff_ffff]],
    ["the header", () => [field("version_len"), 128]],
    ["the header", () => [field("build_id_len"), 65]],
    ["the header", () => [field("work_data"), 512]],
    ["page frame 0", () => [field("frame_hint"), 0xffff_ffff]],
    ["the page tables of the hypervisor", () => [field("hv_root"), HEADER]],
    ["the page tables of the hypervisor", () => [field("hv_root"), word(field("hv_root")) + 8]],
    ["the page tables of domain 1", () => [DOMAINS + 256 + 8, word(DOMAINS + 8)]],
    ["symbol 0", () => [field("symbols_off"), word(field("symbols_off")) + 8]],
    ["symbol 0", () => [field("symbols_count"), 0x100000]],
    ["symbol 3", () => [word(field("symbols_off")) + 3 * 40 + 16, HEADER]],
    ["symbol 3", () => [word(field("symbols_off")) + 3 * 40 + 28, 3]],
    ["the index of names", () => [field("names_shift"), 4]],
    ["region 1", () => [word(field("regions_off")) + 48, 0]],
    ["the table of alternatives", () => [HEADER + 2432 + 8, 1]],
    ["domain 1", () => [DOMAINS + 256, 2]],
    ["domain 0", () => [DOMAINS + 12, word(DOMAINS + 256 + 12)]],
    ["CPU 1", () => [CPUS + 2048 + 308, 4]],
    ["CPU 1", () => [CPUS + 2048 + 312, 9]],
    ["CPU 0", () => [CPUS + 248, 1]],
    ["CPU 0", () => [CPUS + 392, 1]],
    ["the stack of CPU 1", () => [CPUS + 2048 + 320, 0]],
    ["the deferred work", () => [field("nr_tasklets"), 1]],
    ["the key store", () => [KEYSTORE, 5]],
    ["the questions to the firmware", () => [HEADER + 4096 - 512 + 16, 9]],
    ["payload slot 0", () => [record(0, "slot"), 3]],
    ["payload slot 7", () => [record(7, "base_va"), 1]],
    ["payload slot 1", () => [record(1, "status"), 4]],
    ["payload slot 1", () => [record(1, "mem_pages"), 1]],
    ["payload slot 1", () => [record(1, "symbols_count"), 0x1000]],
    ["payload slot 1", () => [record(1, "base_slot"), 2]],
    ["payload slot 0", () => [record(0, "apply_order"), word(record(1, "apply_order"))]],
    ["payload slot 0", () => [record(0, "initial_off"), HEADER]],
    ["payload slot 0", () => [record(0, "build_id_len"), 0x10_0000]],
    ["the list of payloads", () => [field("payload_count"), 1]],
    ["the list of payloads", () => [record(1, "next"), 1]],
    ["the list of payloads", () => [record(0, "used"), 1]],
    ["the machine's own entries", () => [field("entries"), 1]],
  ];
  for (const [place, change] of rows) {
    test(`${place}`, async () => {
      const [at, value] = change();
      assert.equal(await said(at, value), place);
    });
  }

  test("the places that a payload changes", async () => {
    const splice = (name: string): number =>
      word(record(1, "splices_off")) + offset("assembly/xsplice/splice.ts", name);
    const changes: [number, number][] = [
      [record(1, "splices_count"), 0x1000],
      [record(1, "prepared_off"), 0],
      [record(1, "ranges_off"), 0],
      [record(1, "ranges_count"), 0x1000],
      [splice("va"), 0],
      [splice("length"), 0x4000_0000],
      [splice("kind"), 9],
      [splice("symbol"), 0x10_0000],
      [splice("old_off"), 0],
      [splice("new_off"), HEADER],
      [splice("to_off"), HEADER],
    ];
    for (const [at, value] of changes)
      assert.equal(await said(at, value), "the places of payload slot 1", `${at}`);
  });

  test("work that nobody has asked for", async () => {
    const slot = word(field("work_data"));
    assert.equal(await said(field("work_id"), 2), `the work of payload slot ${slot}`);
    assert.equal(await said(field("work_id"), 1), `payload slot ${slot}`);
    assert.equal(await said(record(0, "pending"), 1), "payload slot 0");
  });

  test("bytes where no machine has any", async () => {
    const end = memory.length - 4096;
    memory[end] = 1;
    const error = await refusedLater(createMachine({ snapshot: encodeSnapshot(memory) }));
    memory[end] = 0;
    assert.match(error.message, /pages that no machine has/);
  });
});
