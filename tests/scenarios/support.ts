// Machines whose guests work while they are patched, and what is asked of them.

import { readFileSync } from "node:fs";
import { createMachine, type MachineOptions } from "../../host/create.js";
import type { Machine } from "../../host/machine.js";
import { XenControl } from "../../host/xc.js";
import { ROOT } from "../support/root.js";

export const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(`${ROOT}/images/payloads/${name}.xsplice`));
export const PAYLOAD = sample("xsa125");
export const ID = "fix";

export interface Patched {
  readonly machine: Machine;
  readonly control: XenControl;
}

/** A machine that has worked for a while, with the payload checked. */
export async function working(options: MachineOptions): Promise<Patched> {
  const machine = await createMachine({ cpus: 3, workload: "storm", ...options });
  machine.run({ ns: 50_000n });
  const control = new XenControl(machine);
  await control.upload(ID, PAYLOAD);
  await control.checkAndWait(ID);
  return { machine, control };
}

/** Field of the image's cpu_stat[cpu]: 4 NMIs, 8 ticks, 12 calls. */
export function cpuStat(machine: Machine, cpu: number, field: number): number {
  const bytes = machine.read(`cpu_stat+${64 * cpu + field}`, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** The domctl guest's loop becomes so long that nobody waits for its end. */
export function endlessDomctl(machine: Machine): void {
  const AMOUNT = 0x400000n + 0x60n + 0x14n + 3n;
  const amount = new Uint8Array([0x80, 0x96, 0x98, 0x00]); // 10,000,000
  machine.write(AMOUNT, amount.subarray(0, 4), { domain: 0 });
}
