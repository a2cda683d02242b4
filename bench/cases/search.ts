// States that the search goes through, with all that belongs to it: steps, hashes, invariants,
// checkpoints; two CPUs under load, two preemptions.

import { readFileSync } from "node:fs";
import { createMachine, search } from "../../host/index.js";
import { alternate, type Row, rate } from "../measure.js";
import { ROOT } from "../root.js";

export async function searchStates(): Promise<Row> {
  const payload = readFileSync(`${ROOT}/images/payloads/xsa125.xsplice`);
  let [states, schedules] = [0, 0];
  const one = async (): Promise<number> => {
    const machine = await createMachine({ cpus: 2, workload: "storm" });
    const found = await search(machine, payload, { bound: 2 });
    if (found.failure) throw new Error(`search: ${found.failure.invariant}`);
    ({ states, schedules } = found);
    return found.seconds * 1e9;
  };
  const times = await alternate(5, one);
  return rate("search", "M/s", states, times, `states; ${states} in ${schedules} schedules`);
}
