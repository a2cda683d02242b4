// What fuzzing found, one test each.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, XenError } from "../../host/index.js";
import { LivepatchControl } from "../../host/livepatch.js";
import { findImage, unpackPayloads } from "../livepatch/corpus.js";

test("a run ends when every CPU has crashed, whatever it is bounded by (R225)", async () => {
  const machine = await createMachine({ cpus: 2, workload: "mixed" });
  for (const { start, end } of machine.textRanges()) {
    machine.write(start, new Uint8Array(Number(end - start)).fill(0x06)); // no instruction
  }
  for (const _ of [0, 1]) assert.equal(machine.run({ instructions: 1000n }).stop, "fault");
  assert.equal(machine.run({ instructions: 1000n }).stop, "idle");
  const { stop, timeNs } = machine.run({ ns: 20_000_000_000n });
  assert.deepEqual([stop, timeNs], ["time", 20_000_000_000n]);
});

const image = findImage();
test("a hook's veto has its reason, whatever number it gives", { skip: !image }, async () => {
  const payloads = unpackPayloads();
  try {
    const file = Uint8Array.from(payloads.read("base/preapply_veto.livepatch"));
    // mov $-22, %eax becomes mov $-1, %eax
    const at = Buffer.from(file).indexOf(Buffer.from([0xb8, 0xea, 0xff, 0xff, 0xff]));
    assert.ok(at > 0, "the hook's instruction");
    file[at + 1] = 0xff;
    const control = new LivepatchControl(await createMachine(image ? { image } : {}));
    control.upload("veto", file);
    assert.throws(
      () => control.apply("veto"),
      (error) => error instanceof XenError && error.reason === "lp-hook-veto" && error.code === -1,
    );
    assert.equal(control.get("veto").rc, -abi.EPERM);
  } finally {
    payloads.remove();
  }
});
