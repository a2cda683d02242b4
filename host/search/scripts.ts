// What toolstacks do in a search: actions on a payload, one after the other, through the door that
// its format is for.

import * as abi from "../abi.js";
import { XenError } from "../error.js";
import type { Allocate } from "../guest.js";
import { LivepatchControl } from "../livepatch.js";
import { actionOp } from "../livepatch_sysctl.js";
import type { Machine } from "../machine.js";
import { encodeId, marshal } from "../sysctl.js";
import { XenControl } from "../xc.js";
import type { Answer, Request, Toolstack } from "./toolstack.js";

export const ACTIONS = ["check", "apply", "revert", "unload", "replace"] as const;
export type Action = (typeof ACTIONS)[number];

const NS_PER_MS = 1_000_000;
const RFC: Readonly<Record<Action, number | undefined>> = {
  check: abi.XSPLICE_ACTION_CHECK,
  apply: abi.XSPLICE_ACTION_APPLY,
  revert: abi.XSPLICE_ACTION_REVERT,
  unload: abi.XSPLICE_ACTION_UNLOAD,
  replace: undefined,
};
const TODAY: Readonly<Record<Action, number | undefined>> = {
  check: undefined,
  apply: abi.LIVEPATCH_ACTION_APPLY,
  revert: abi.LIVEPATCH_ACTION_REVERT,
  unload: abi.LIVEPATCH_ACTION_UNLOAD,
  replace: abi.LIVEPATCH_ACTION_REPLACE,
};

/** A payload that is acted upon. */
export interface Subject {
  readonly id: string;
  readonly file: Uint8Array;
  readonly today: boolean;
}

/** Brings a payload to where its first action makes sense. @throws XenError why that is refused */
export async function bring(machine: Machine, subject: Subject, first: Action): Promise<void> {
  const { id, file, today } = subject;
  if (today) {
    const control = new LivepatchControl(machine);
    control.upload(id, file);
    if (first !== "revert") return;
    control.apply(id);
    const status = control.wait(id);
    if (status?.rc !== 0) throw new XenControl(machine).failed(id, status?.rc ?? -abi.ENOENT);
    return;
  }
  const control = new XenControl(machine);
  await control.upload(id, file);
  if (first === "check") return;
  await control.checkAndWait(id);
  if (first === "revert") await control.applyAndWait(id);
}

/** What was refused or has failed ends a script. */
function went(answers: readonly Answer[]): boolean {
  return answers.every(({ rc, status = 0 }) => rc >= 0 && status >= 0);
}

/** Toolstack that asks for the actions in turn, each when the one before is over. */
export function script(
  { id, today }: Subject,
  actions: readonly Action[],
  timeMs: number,
  allocate: Allocate,
): Toolstack {
  const name = new TextEncoder().encode(`${id}\0`);
  const handle = { va: today ? allocate(name).va : 0n, size: name.length };
  const wire = encodeId(id) ?? new Uint8Array(abi.XEN_XSPLICE_ID_SIZE);
  const request = (action: Action): Request => {
    const cmd = (today ? TODAY : RFC)[action];
    if (cmd === undefined) {
      throw XenError.of(abi.ENOSYS, abi.REASON_UNKNOWN_CMD, { id, name: action });
    }
    const sysctl = today
      ? actionOp(handle, cmd, timeMs * NS_PER_MS, 0)
      : marshal({ op: "action", id: wire, cmd, time: BigInt(timeMs) });
    return action === "unload" ? { sysctl } : { sysctl, settles: id };
  };
  const requests = actions.map(request);
  return { next: (answers) => (went(answers) ? requests[answers.length] : undefined) };
}
