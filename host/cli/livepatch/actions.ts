// apply, revert, unload and replace of `xen-livepatch`: one table, one course. GET first; then the
// action with the tool's 30 ms; then 60 ms of the machine's time and one look, as the tool sleeps
// once. Specification: the tool of Xen 4.17; exit codes 0, 1, and 2 for "ask again".

import * as abi from "../../abi.js";
import { strerror } from "../../errno.js";
import { XenError } from "../../error.js";
import { LivepatchControl, type LivepatchState, TIMEOUT_NS } from "../../livepatch.js";
import type { Context } from "../context.js";
import { errorObject } from "../failure.js";

export interface Action {
  readonly cmd: number;
  readonly allowed: LivepatchState;
  /** Undefined: the payload is gone. */
  readonly wanted: LivepatchState | undefined;
  readonly verb: string;
}

export const ACTIONS: ReadonlyMap<string, Action> = new Map([
  [
    "apply",
    { cmd: abi.LIVEPATCH_ACTION_APPLY, allowed: "CHECKED", wanted: "APPLIED", verb: "Applying" },
  ],
  [
    "revert",
    { cmd: abi.LIVEPATCH_ACTION_REVERT, allowed: "APPLIED", wanted: "CHECKED", verb: "Reverting" },
  ],
  [
    "unload",
    { cmd: abi.LIVEPATCH_ACTION_UNLOAD, allowed: "CHECKED", wanted: undefined, verb: "Unloading" },
  ],
  [
    "replace",
    {
      cmd: abi.LIVEPATCH_ACTION_REPLACE,
      allowed: "CHECKED",
      wanted: "APPLIED",
      verb: "Replacing all live patches with",
    },
  ],
] as const);

/** Names of the states' numbers. */
const STATES: Readonly<Record<number, LivepatchState>> = {
  [abi.LIVEPATCH_STATE_CHECKED]: "CHECKED",
  [abi.LIVEPATCH_STATE_APPLIED]: "APPLIED",
};

const SLEEP_NS = 60_000_000n;
const EXIT_AGAIN = 2;

export function exitOf(code: number): number {
  const errno = Math.abs(code);
  if (errno === 0) return 0;
  return errno === abi.EAGAIN || errno === abi.EBUSY ? EXIT_AGAIN : 1;
}

/** `Error n: text` as the real tool, and for scripts the reason that it does not know. */
export function sayError(ctx: Context, error: unknown): number {
  if (!(error instanceof XenError)) throw error;
  ctx.say(`Error ${-error.code}: ${strerror(error.code)}`);
  ctx.result({ error: errorObject(error) });
  return error.code;
}

function wrongState(ctx: Context, name: string, state: string, expected: string): void {
  ctx.say(`${name} is in the wrong state.`);
  ctx.say(`Current state: ${state}`);
  ctx.say(`Expected state: ${expected}`);
}

/** What became of it, asked once. */
function outcome(ctx: Context, control: LivepatchControl, name: string, action: Action): number {
  const { wanted } = action;
  try {
    const { state, rc } = control.get(name);
    if (rc === -abi.EAGAIN) {
      ctx.print("failed");
      ctx.say("Operation didn't complete.");
      return EXIT_AGAIN;
    }
    if (rc < 0) {
      ctx.print("failed");
      ctx.say(`Error ${-rc}: ${strerror(rc)}`);
      return exitOf(rc);
    }
    // A hook may have left a positive number: the tool takes it for the state.
    const shown = rc === 0 ? state : (STATES[rc] ?? "unknown");
    if (shown !== wanted) {
      ctx.print("failed");
      wrongState(ctx, name, shown, wanted ?? "unloaded");
      return 1;
    }
  } catch (error) {
    const gone = error instanceof XenError && error.code === -abi.ENOENT;
    if (!gone || wanted !== undefined) {
      ctx.print("failed");
      return exitOf(sayError(ctx, error));
    }
  }
  ctx.print("completed");
  return 0;
}

export async function runAction(
  ctx: Context,
  word: string,
  name: string,
  nodeps: boolean,
): Promise<number> {
  const action = ACTIONS.get(word) as Action;
  const machine = await ctx.changing();
  const control = new LivepatchControl(machine, ctx.domain);
  let status: { readonly state: LivepatchState; readonly rc: number };
  try {
    status = control.get(name);
  } catch (error) {
    ctx.say(`Failed to get status of ${name}.`);
    return exitOf(sayError(ctx, error));
  }
  if (status.rc === -abi.EAGAIN) {
    ctx.say(`Cannot execute ${word}.`);
    ctx.say("Operation already in progress.");
    return EXIT_AGAIN;
  }
  if (status.state === action.wanted) {
    ctx.print("No action needed.");
    return 0;
  }
  if (status.state !== action.allowed) {
    wrongState(ctx, name, status.state, action.allowed);
    return 1;
  }
  ctx.write(`${action.verb} ${name}... `);
  try {
    const value = control.action(name, action.cmd, { timeoutNs: TIMEOUT_NS, nodeps });
    if (value > 0) {
      // A hook's no: the tool prints whatever its errno was before; nothing has set ours.
      ctx.print("failed");
      ctx.say(`Error 0: ${strerror(0)}`);
      return 1;
    }
  } catch (error) {
    ctx.print("failed");
    return exitOf(sayError(ctx, error));
  }
  machine.run({ ns: SLEEP_NS });
  return outcome(ctx, control, name, action);
}
