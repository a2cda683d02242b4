// What happens at a moment that the search chooses.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import type { Checkpoints } from "./checkpoint.js";
import type { Happening } from "./schedule.js";

const NS_PER_MS = 1_000_000n;

function timeOf(core: Core): bigint {
  core.invoke("hv_info");
  return core.record().getBigUint64(abi.INFO_TIME_NS, true);
}

/** The time of what is under way is over now. Where nothing has a time, the next event is a timer
 *  that lies far behind what was asked for: then nothing happens. */
function beLate(core: Core, checkpoints: Checkpoints, timeMs: number): void {
  const here = checkpoints.take();
  const begun = timeOf(core);
  core.invoke("hv_skip");
  if (timeOf(core) - begun > BigInt(timeMs) * NS_PER_MS) checkpoints.rollback(here);
}

/** Makes it happen; `timeMs`: what actions have. */
export function happen(
  core: Core,
  checkpoints: Checkpoints,
  { kind, cpu }: Happening,
  timeMs: number,
): void {
  if (kind === "late") beLate(core, checkpoints, timeMs);
  else if (kind === "nmi") core.invoke("hv_interrupt", cpu, abi.VECTOR_NMI);
  else core.invoke("hv_hotplug", cpu, kind === "online" ? 1 : 0);
}
