// What the tests of the library share: payloads, the leak as a guest sees it, refusals as values.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Machine, XenError } from "../../host/index.js";
import { inRoot } from "../support/root.js";

export const payload = (name: string): Uint8Array =>
  readFileSync(inRoot(`images/payloads/${name}.xsplice`));
export const DO_XEN_VERSION = 0xffff82d080112f9en;
const COMMANDLINE = 9;

/** What a guest reads behind the string of xen_version 9, after hypercall 38 on the same CPU. */
export function stale(machine: Machine): number {
  machine.hypercall("tmem_op", [0n, new Uint8Array(16).fill(0x41)], { cpu: 0, domain: 1 });
  const buffer = new Uint8Array(1024);
  const result = machine.hypercall("xen_version", [COMMANDLINE, buffer], { cpu: 0, domain: 1 });
  assert.deepEqual([result.stop, result.rax], ["return", 0n]);
  return buffer.subarray(buffer.indexOf(0)).filter((byte) => byte !== 0).length;
}

export function refused(work: () => unknown): XenError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    return error;
  }
  assert.fail("was accepted");
}

export async function refusedLater(work: Promise<unknown>): Promise<XenError> {
  return work.then(
    () => assert.fail("was accepted"),
    (error) => {
      assert.ok(error instanceof XenError, String(error));
      return error;
    },
  );
}
