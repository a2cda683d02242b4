// `--stack`: payloads that are loaded before the one that is judged, each through its own door.

import * as abi from "../abi.js";
import { LivepatchControl } from "../livepatch.js";
import type { Machine } from "../machine.js";
import { XenControl } from "../xc.js";
import { type Candidate, payloadName, whyUnreadable } from "./candidate.js";
import { readPayloadFile } from "./payload_file.js";
import { act } from "./today.js";

/**
 * Applies payloads, one on top of the other.
 * @throws XenError why one of them could not be
 */
export async function applyStack(machine: Machine, stack: readonly Candidate[]): Promise<void> {
  for (const candidate of stack) {
    const { file, bytes } = candidate;
    const name = payloadName(file);
    if (!bytes) throw whyUnreadable(candidate);
    if (readPayloadFile(bytes).format === "xsplice") {
      const xc = new XenControl(machine);
      await xc.upload(name, bytes);
      await xc.checkAndWait(name);
      await xc.applyAndWait(name);
    } else {
      new LivepatchControl(machine).upload(name, bytes);
      const error = act(machine, name, abi.LIVEPATCH_ACTION_APPLY, "APPLIED");
      if (error) throw error;
    }
  }
}
