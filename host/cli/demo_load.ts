// The tour's last part: the same fix on a machine whose CPUs are all busy, and how they come
// together for it.

import { XSPLICE_STATUS_PROGRESS } from "../../assembly/abi.js";
import { createMachine } from "../create.js";
import type { Machine } from "../machine.js";
import { XenControl } from "../xc.js";

const ID = "xsa125";
/** Virtual time between two looks, and in which everybody has had turns, for each four CPUs. */
const LOOK_NS = 40n;
const TURNS_NS = 200_000n;
const SHOWN_CPUS = 8;

/** What a tour can say. */
export interface Guide {
  title(text: string): void;
  show(...lines: readonly string[]): void;
  verdict(step: string, ok: boolean): void;
}

/** A line for each CPU: where it is. */
function where(machine: Machine): string[] {
  const lines = machine.stacks().map(({ cpu, state, symbol, frames, retired }) => {
    const caller = frames.find((frame) => frame.symbol)?.symbol;
    const place = state === "guest" ? "in its guest" : `${symbol}${caller ? ` < ${caller}` : ""}`;
    return `CPU ${cpu}: ${place}, ${retired} instructions`;
  });
  return lines.slice(0, SHOWN_CPUS);
}

function isUnderWay(machine: Machine): boolean {
  return machine.payloads().some(({ status }) => status === XSPLICE_STATUS_PROGRESS);
}

/** Boots a machine under load and patches it there. */
export async function underLoad(tour: Guide, payload: Uint8Array, cpus: number): Promise<void> {
  tour.title(`Under load: ${cpus} CPUs with guests that storm, compute, recurse and spin`);
  const machine = await createMachine({ cpus, workload: "mixed", seed: 125 });
  machine.run({ ns: 200_000n });
  const fours = BigInt(Math.ceil(cpus / 4));
  const control = new XenControl(machine);
  await control.upload(ID, payload);
  await control.checkAndWait(ID);
  tour.show("before:", ...where(machine));
  await control.apply(ID, { timeMs: 30 });
  const begin = machine.info().timeNs;
  let last = where(machine);
  while (isUnderWay(machine)) {
    last = where(machine);
    machine.run({ ns: LOOK_NS * fours });
  }
  const took = machine.info().timeNs - begin;
  tour.show("the moment before the bytes change, the CPUs at the way into their guests:", ...last);
  const waiting = last.filter((line) => line.includes("test_all_events")).length;
  const shown = Math.min(cpus, SHOWN_CPUS);
  tour.verdict(`${waiting} of ${shown} CPUs wait there for the others`, waiting > 0 || cpus === 1);
  const before = machine.stacks().map(({ retired }) => retired);
  machine.run({ ns: TURNS_NS * fours * fours });
  const all = machine.stacks().every(({ cpu, retired }) => retired > (before[cpu] ?? 0n));
  tour.show(`patched ${took} ns of virtual time after it was asked for; afterwards:`);
  tour.show(...where(machine));
  tour.verdict("the patch is in, and every CPU has gone on", all && machine.map().length === 1);
  await control.revertAndWait(ID, { timeMs: 30 });
  await control.unload(ID);
  const clean = machine.map().length === 0 && machine.schedules().violation() === undefined;
  tour.verdict("reverted and unloaded while they worked on", clean);
}
