// Today's door: a payload with .livepatch.funcs goes through the sysctls of Xen 4.17, as a
// toolstack would send them: upload, apply, revert, unload. What the first one that fails says is
// the verdict.

import * as abi from "../abi.js";
import { XenError } from "../error.js";
import { LivepatchControl, type LivepatchState, type LivepatchStatus } from "../livepatch.js";
import type { Machine } from "../machine.js";
import { findLivepatch, type LoadedFunc, type LoadedLivepatch } from "./records.js";
import { hex, hexBytes, type PatchRow, type Step } from "./row.js";

const NS_PER_MS = 1_000_000n;

/** How far a payload came. */
export interface Walk {
  /** The step that failed, and why; absent when all went well. */
  readonly failed?: { readonly step: Step; readonly error: XenError };
  readonly patches: readonly PatchRow[];
  /** Absent when it was not even uploaded. */
  readonly loaded?: LoadedLivepatch;
}

/** The error that a payload's status stands for. A positive one is a hook's, no error number. */
function statusError(machine: Machine, name: string, rc: number): XenError {
  const errno = rc < 0 ? -rc : abi.EINVAL;
  const refusal = machine.refusalOf(name);
  if (refusal?.errno === errno) return machine.errorOf(refusal);
  return XenError.of(errno, abi.REASON_NONE);
}

/** Undefined when the payload is gone. */
function statusOf(control: LivepatchControl, name: string): LivepatchStatus | undefined {
  try {
    return control.get(name);
  } catch (error) {
    if (error instanceof XenError && error.code === -abi.ENOENT) return undefined;
    throw error;
  }
}

/** Does an action and waits for it. @returns why it failed */
export function act(
  machine: Machine,
  name: string,
  cmd: number,
  wanted: LivepatchState | undefined,
): XenError | undefined {
  const control = new LivepatchControl(machine);
  try {
    control.action(name, cmd);
    // Not `wait`: a hook may leave -EAGAIN behind for ever, and here it can be told apart.
    while (findLivepatch(machine, name)?.busy) machine.run({ ns: NS_PER_MS });
    const status = statusOf(control, name);
    if (status && status.rc !== 0) return statusError(machine, name, status.rc);
    if (status?.state === wanted) return undefined;
    const operands = { id: name, name: status?.state ?? "gone" };
    return XenError.of(abi.EINVAL, abi.REASON_NOT_REACHED, operands);
  } catch (error) {
    if (error instanceof XenError) return error;
    throw error;
  }
}

function patchRow(machine: Machine, func: LoadedFunc): PatchRow {
  const va = func.oldVa + BigInt(func.offset);
  const bytes = func.applied
    ? { old: hexBytes(func.saved), new: hexBytes(machine.read(va, func.length)) }
    : {};
  return {
    symbol: machine.symbols.nameOf(func.oldVa) ?? func.name,
    va: hex(va),
    old_size: func.oldSize,
    new_size: func.newSize,
    kind: func.newVa === 0n ? "nop" : "trampoline",
    size: func.length,
    ...bytes,
    ...(func.newVa === 0n ? {} : { target: hex(func.newVa) }),
  };
}

/** The patches of a loaded payload, with their bytes if it is applied. */
export function patchRows(machine: Machine, loaded: LoadedLivepatch | undefined): PatchRow[] {
  return loaded?.funcs.map((func) => patchRow(machine, func)) ?? [];
}

/** The record while applied, its hazards as they were before: its own patch is not one. */
function asUploaded(
  now: LoadedLivepatch | undefined,
  before: LoadedLivepatch | undefined,
): LoadedLivepatch | undefined {
  if (!now || !before) return now ?? before;
  const funcs = now.funcs.map((func, i) => ({
    ...func,
    hazards: before.funcs[i]?.hazards ?? func.hazards,
  }));
  return { ...now, funcs };
}

/** The whole life of a payload. It is gone afterwards, unless it cannot be unloaded. */
export function walkToday(machine: Machine, name: string, file: Uint8Array): Walk {
  const control = new LivepatchControl(machine);
  try {
    control.upload(name, file);
  } catch (error) {
    if (error instanceof XenError) return { failed: { step: "upload", error }, patches: [] };
    throw error;
  }
  let loaded = findLivepatch(machine, name);
  let patches = patchRows(machine, loaded);
  const steps: readonly (readonly [Step, number, LivepatchState | undefined])[] = [
    ["apply", abi.LIVEPATCH_ACTION_APPLY, "APPLIED"],
    ["revert", abi.LIVEPATCH_ACTION_REVERT, "CHECKED"],
    ["unload", abi.LIVEPATCH_ACTION_UNLOAD, undefined],
  ];
  for (const [step, cmd, wanted] of steps) {
    const error = act(machine, name, cmd, wanted);
    if (error) return { failed: { step, error }, patches, ...(loaded ? { loaded } : {}) };
    if (step !== "apply") continue;
    loaded = asUploaded(findLivepatch(machine, name), loaded);
    patches = patchRows(machine, loaded);
  }
  return { patches, ...(loaded ? { loaded } : {}) };
}
