// A machine under test, and what the engine's tests ask about it again and again.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as abi from "../../host/abi.js";
import {
  type BootOptions,
  createMachine,
  type Machine,
  XenControl,
  XenError,
} from "../../host/index.js";
import { inRoot } from "../support/root.js";
import { buildPayload, type PayloadSpec } from "./payload.js";

export const sample = (name: string): Uint8Array =>
  readFileSync(inRoot(`images/payloads/${name}.xsplice`));

export class Bench {
  readonly xc: XenControl;

  private constructor(
    readonly machine: Machine,
    /** What the hypervisor printed. */
    readonly printed: readonly string[],
  ) {
    this.xc = new XenControl(machine);
  }

  static async boot(options: BootOptions = {}): Promise<Bench> {
    const printed: string[] = [];
    const machine = await createMachine({ ...options, onConsole: (text) => printed.push(text) });
    return new Bench(machine, printed);
  }

  async upload(id: string, payload: Uint8Array | PayloadSpec): Promise<void> {
    await this.xc.upload(id, payload instanceof Uint8Array ? payload : buildPayload(payload));
  }

  /** Upload, check, apply. */
  async load(id: string, payload: Uint8Array | PayloadSpec): Promise<void> {
    await this.upload(id, payload);
    await this.xc.checkAndWait(id);
    await this.xc.applyAndWait(id);
  }

  /** A function's result, as a signed number. */
  call(name: string, ...args: bigint[]): bigint {
    const result = this.machine.call(name, args);
    assert.equal(result.stop, "return", `${name}: ${result.stop}`);
    return BigInt.asIntN(64, result.rax);
  }

  status(id: string): Promise<number> {
    return this.xc.get(id).then((summary) => summary.status);
  }

  /** Bytes of the image, all that a payload may be after. */
  image(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let va = 0xffff82d080100000n; va < 0xffff82d080260000n; va += 4096n) {
      try {
        parts.push(this.machine.read(va, 4096).slice());
      } catch (error) {
        assert.ok(error instanceof XenError); // a hole
      }
    }
    return Buffer.concat(parts);
  }
}

/** `work` must be refused. */
export async function refusal(work: Promise<unknown>): Promise<XenError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    return error;
  }
  return assert.fail("was accepted");
}

/** `work` must be refused with this reason and errno. */
export async function refused(
  work: Promise<unknown>,
  errno: number,
  reason: string,
): Promise<XenError> {
  const error = await refusal(work);
  assert.deepEqual([error.reason, error.code], [reason, -errno], error.message);
  return error;
}

export const LOADED = abi.XSPLICE_STATUS_LOADED;
export const CHECKED = abi.XSPLICE_STATUS_CHECKED;
export const APPLIED = abi.XSPLICE_STATUS_APPLIED;
export const REVERTED = abi.XSPLICE_STATUS_REVERTED;
