// A machine in which one CPU, and no other, stays inside a function of the hypervisor: what a stack
// check has to notice, and a rendezvous before the guests has to wait for.

import assert from "node:assert/strict";
import type { BootOptions, Machine } from "../../host/index.js";
import { buildPayload, hex, type Place, trampoline } from "./payload.js";
import { Bench } from "./support.js";

/** A function of the image, replaced. */
export const replace = (machine: Machine, name: string): Place =>
  trampoline(name, Number(machine.symbols.find(name)[0]?.size));

/** The build that a payload for this machine names. */
export const buildIdOf = (machine: Machine): string =>
  Buffer.from(machine.info().buildId).toString("hex");

/** Uploads and checks a payload with these places, for the machine's build. */
export async function checked(b: Bench, name: string, places: readonly Place[]): Promise<void> {
  await b.upload(name, buildPayload({ name, places, id: buildIdOf(b.machine) }));
  await b.xc.checkAndWait(name);
}

export interface Stuck {
  readonly b: Bench;
  /** Lets the CPU go on. */
  readonly free: () => void;
}

/**
 * CPU 1 is kept inside `arch_long_loop`: its guest's domctls, and no other guest's, call it, and at
 * `offset` it does not go on. `prepare` is called before anything runs.
 */
export async function stuck(
  options: BootOptions,
  offset: bigint,
  prepare: (machine: Machine) => void = () => {},
): Promise<Stuck> {
  const b = await Bench.boot({ cpus: 2, workload: "mixed", ...options });
  const { machine } = b;
  prepare(machine);
  const va = machine.symbols.resolve("arch_long_loop") + offset;
  const was = machine.read(va, 2).slice();
  machine.write(va, hex("ebfe")); // jmp to itself
  const inside = () => machine.stacks().map(({ rip }) => rip === va);
  for (let i = 0; i < 5000 && !inside()[1]; i++) machine.run({ instructions: 50n });
  assert.deepEqual(inside(), [false, true]);
  return { b, free: () => machine.write(va, was) };
}
