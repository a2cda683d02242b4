// The RFC's door: a payload with a `.xsplice` section goes through the RFC's sysctls: upload,
// check, apply, revert, unload. What the first one that fails says is the verdict.

import { XenError } from "../error.js";
import type { Machine } from "../machine.js";
import type { Patched } from "../map.js";
import { XenControl } from "../xc.js";
import { hex, hexBytes, type PatchRow, type Step } from "./row.js";

/** How far a payload came. */
export interface RfcWalk {
  /** The step that failed, and why; absent when all went well. */
  readonly failed?: { readonly step: Step; readonly error: XenError };
  readonly patches: readonly PatchRow[];
  readonly patched: readonly Patched[];
}

function patchRow(machine: Machine, patch: Patched): PatchRow {
  const near = machine.symbols.at(patch.va);
  return {
    symbol: machine.symbols.nameOf(patch.va) ?? "",
    va: hex(patch.va),
    old_size: Number(near?.symbol.size ?? 0n),
    new_size: patch.size,
    kind: patch.kind,
    size: patch.size,
    old: hexBytes(patch.old),
    new: hexBytes(patch.new),
    ...(patch.target === undefined ? {} : { target: hex(patch.target) }),
  };
}

/** Runs a step. @returns why it failed */
async function attempt(work: () => Promise<unknown>): Promise<XenError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof XenError) return error;
    throw error;
  }
}

/** The whole life of a payload. It is gone afterwards, unless it cannot be unloaded. */
export async function walkRfc(machine: Machine, id: string, file: Uint8Array): Promise<RfcWalk> {
  const xc = new XenControl(machine);
  let patched: readonly Patched[] = [];
  let patches: readonly PatchRow[] = [];
  const steps: readonly (readonly [Step, () => Promise<unknown>])[] = [
    ["upload", () => xc.upload(id, file)],
    ["check", () => xc.checkAndWait(id)],
    ["apply", () => xc.applyAndWait(id)],
    ["revert", () => xc.revertAndWait(id)],
    ["unload", () => xc.unload(id)],
  ];
  for (const [step, work] of steps) {
    const error = await attempt(work);
    if (error) return { failed: { step, error }, patches, patched };
    if (step !== "apply") continue;
    patched = machine.map().filter(({ owner }) => owner === id);
    patches = patched.map((patch) => patchRow(machine, patch));
  }
  return { patches, patched };
}
