// The numbers that abi.ts tells the host about the machine are the core's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../host/abi.js";
import { readText } from "../support/root.js";

/** The value of a constant in a source of the core. */
function constant(path: string, name: string): number {
  const found = new RegExp(`const ${name}\\b[^=]*= (0x[0-9a-f]+|\\d+);`).exec(readText(path));
  assert.ok(found?.[1], `${name} in ${path}`);
  return Number(found[1]);
}

test("limits and addresses of the machine", () => {
  const param = "assembly/hv/param.ts";
  assert.equal(abi.IO_WINDOW_SIZE, constant(param, "IO_SIZE"));
  assert.equal(abi.CONSOLE_RING_BYTES, constant(param, "CONSOLE_RING_SIZE"));
  assert.equal(abi.DOM0_RAM_BYTES, constant(param, "DOM0_RAM"));
  assert.equal(abi.DOMU_RAM_BYTES, constant(param, "DOMU_RAM"));
  assert.equal(abi.MACHINE_CPUS_MAX, constant(param, "NR_CPUS"));
  assert.equal(abi.MACHINE_DOMAINS_MAX, constant(param, "NR_DOMAINS"));
  assert.equal(abi.GUEST_RAM_START, constant("assembly/hv/layout.ts", "GUEST_RAM_VA"));
});

test("states of a CPU, kinds of a patch", () => {
  const cpu = "assembly/hv/cpu.ts";
  assert.equal(abi.CPU_STATE_OFFLINE, constant(cpu, "CPU_OFFLINE"));
  assert.equal(abi.CPU_STATE_IDLE, constant(cpu, "CPU_IDLE"));
  assert.equal(abi.CPU_STATE_HYPERVISOR, constant(cpu, "CPU_HYPERVISOR"));
  assert.equal(abi.CPU_STATE_GUEST, constant(cpu, "CPU_GUEST"));
  for (const kind of ["TRAMPOLINE", "TEXT", "DATA", "FIELD", "BUG", "NOP"] as const) {
    const ours = new Map<string, unknown>(Object.entries(abi)).get(`MAP_KIND_${kind}`);
    assert.equal(ours, constant("assembly/xsplice/splice.ts", `SPLICE_${kind}`), kind);
  }
});

test("numbers of reasons, places and steps are given once", () => {
  const text = readText("assembly/reasons.ts");
  for (const prefix of ["REASON", "PLACE", "STEP", "HAZARD"]) {
    const all = [...text.matchAll(new RegExp(`const ${prefix}_\\w+ = (\\d+);`, "g"))];
    assert.ok(all.length > 5, prefix);
    assert.equal(new Set(all.map((match) => match[1])).size, all.length, prefix);
  }
});
