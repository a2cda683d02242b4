// A machine from a file: its pages go into fresh memory, and the core looks through all that it
// relies on. A right checksum tells that a file is whole, not who wrote it.

import * as abi from "./abi.js";
import type { Core } from "./core.js";
import { XenError } from "./error.js";
import { decodeRefusal } from "./refusal.js";
import { corrupt, fillMemory, type Snapshot } from "./snapshot.js";

/**
 * Puts a snapshot into a core whose memory is all zero.
 * @throws XenError `machine-file-corrupt`; the core is of no use then
 */
export function takeUp(core: Core, snapshot: Snapshot): void {
  fillMemory(core.memory(), snapshot);
  if (core.invoke("hv_restored") < 0) throw corrupt("there is no machine in it");
  // What lies behind the frames in use was never written to, and is taken for zero.
  const end = core.invoke("hv_used_end") >>> 0;
  if (snapshot.pages.some(({ offset }) => offset >= end))
    throw corrupt("it has pages that no machine has");
  if (core.invoke("hv_audit") >= 0) return;
  const refusal = core.invoke("hv_refusal") >>> 0;
  throw new XenError(decodeRefusal(core.bytes(refusal, abi.REFUSAL_RECORD_SIZE)));
}
