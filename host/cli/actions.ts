// The four commands that change a payload's state, as one table and one runner: GET, act, then
// poll while the hypervisor works, a dot for every second. The seconds are the machine's: between
// two polls it runs, nobody sleeps. R165-R174 with K51-K56 and K63 mended: results are states or
// errors, never one number for both, and only a state that we asked for counts as success.

import * as abi from "../abi.js";
import { XenError } from "../error.js";
import type { Machine } from "../machine.js";
import type { ActionOptions, XenControl } from "../xc.js";
import { optionNumber } from "./arguments.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { sayRefusal } from "./failure.js";
import { errnoText, hex, stateName } from "./format.js";
import { acceptCount, acceptId } from "./upload.js";

const { XSPLICE_STATUS_LOADED: LOADED, XSPLICE_STATUS_CHECKED: CHECKED } = abi;
const { XSPLICE_STATUS_APPLIED: APPLIED, XSPLICE_STATUS_REVERTED: REVERTED } = abi;

export type Client = Pick<XenControl, "get" | "failed" | "apply" | "revert" | "unload" | "check">;

interface Action {
  /** States that the RFC's tool acts in (R167). */
  readonly allow: number;
  /** The state afterwards; `gone` when GET shall answer -ENOENT. */
  readonly expected: number | "gone";
  /** STEP_* of a refusal. */
  readonly step: number;
  issue(control: Client, id: string, options: ActionOptions): Promise<void>;
}

const ACTIONS = {
  apply: {
    allow: CHECKED | REVERTED,
    expected: APPLIED,
    step: abi.STEP_APPLY,
    issue: (control, id, options) => control.apply(id, options),
  },
  revert: {
    allow: APPLIED,
    expected: REVERTED,
    step: abi.STEP_REVERT,
    issue: (control, id, options) => control.revert(id, options),
  },
  unload: {
    allow: CHECKED | REVERTED | LOADED,
    expected: "gone",
    step: abi.STEP_UNLOAD,
    issue: (control, id, options) => control.unload(id, options),
  },
  check: {
    allow: CHECKED | LOADED,
    expected: CHECKED,
    step: abi.STEP_CHECK,
    issue: (control, id, options) => control.check(id, options),
  },
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof ACTIONS;

/** What GET says: a state of the payload, or why there is none. */
type Seen = { readonly status: number } | { readonly error: XenError };

const DOTS_MAX = 30;
const SECOND_NS = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;
/** What the hypervisor gets to do on its way out of the hypercall, before the first poll. */
const EXIT_NS = 1_000_000n;

interface Spent {
  instructions: bigint;
  timeNs: bigint;
}

/** One command on one payload; what it needs of a machine and a client is little. */
export class Attempt {
  private readonly spent: Spent = { instructions: 0n, timeNs: 0n };
  private executed = false;
  private dots = 0;

  constructor(
    private readonly ctx: Context,
    private readonly machine: Pick<Machine, "run"> & Partial<Pick<Machine, "info">>,
    private readonly control: Client,
    private readonly name: ActionName,
    private readonly id: string,
  ) {}

  private get action(): Action {
    return ACTIONS[this.name];
  }

  private async get(): Promise<Seen> {
    try {
      return await this.control.get(this.id);
    } catch (error) {
      if (error instanceof XenError) return { error };
      throw error;
    }
  }

  private run(ns: bigint): void {
    const { instructions, timeNs } = this.machine.run({ ns });
    this.spent.instructions += instructions;
    this.spent.timeNs += timeNs;
  }

  async perform(options: ActionOptions): Promise<number> {
    for (;;) {
      const seen = await this.get();
      if ("error" in seen) return this.absent(seen.error);
      const { status } = seen;
      if (status === abi.XSPLICE_STATUS_PROGRESS) {
        const stuck = this.wait();
        if (stuck) return this.failed(stuck);
        continue;
      }
      if (status < 0 && this.executed) return this.failed(this.control.failed(this.id, status));
      if (status === this.action.expected) return this.completed(status);
      // K55: in an error state the hypervisor knows what is allowed, GET does not say.
      const allowed = status < 0 || (this.action.allow & status) !== 0;
      if (!allowed || this.executed) return this.failed(this.wrong(status, allowed));
      const refused = await this.issue(status, options);
      if (refused) return this.failed(refused);
    }
  }

  /** R173, K53: -ENOENT is what an unload wants, but only one that was ours. */
  private absent(error: XenError): number {
    const gone = error.errno === "ENOENT" && this.action.expected === "gone";
    return gone && this.executed ? this.completed(0) : this.failed(error);
  }

  private async issue(status: number, options: ActionOptions): Promise<XenError | undefined> {
    const state = status < 0 ? stateName(status) : hex(status);
    const { allow } = this.action;
    const what = `${this.id}: State is ${state}, ok are ${hex(allow)}. Commencing ${this.name}:`;
    this.ctx.write(what);
    try {
      await this.action.issue(this.control, this.id, options);
    } catch (error) {
      if (error instanceof XenError) return error;
      throw error;
    }
    this.executed = true;
    this.run(EXIT_NS);
    return undefined;
  }

  /** A dot and a second, or the reason not to wait (R168, R169, K51). */
  private wait(): XenError | undefined {
    if (!this.executed) {
      this.ctx.print(`${this.id} is in progress and we didn't initiate it!`);
      return XenError.of(abi.EBUSY, abi.REASON_BUSY, { id: this.id });
    }
    if (this.dots === DOTS_MAX) {
      this.ctx.print(`${this.id}: Waited more than ${DOTS_MAX} seconds! Bailing out.`);
      const value = BigInt(DOTS_MAX) * (SECOND_NS / NS_PER_MS);
      return XenError.of(abi.EBUSY, abi.REASON_WAITED, { id: this.id, value });
    }
    this.dots += 1;
    this.ctx.write(".");
    this.run(SECOND_NS);
    return undefined;
  }

  /** R170, R171, K63: says the state wanted, and those from which the command goes. */
  private wrong(status: number, allowed: boolean): XenError {
    const { expected, allow } = this.action;
    const wanted = expected === "gone" ? "none" : hex(expected);
    const ok = hex(allow);
    if (allowed && this.executed) {
      this.ctx.print(` (${wanted} vs ${hex(status)}) state not reached!?`);
    } else {
      this.ctx.print(
        `${this.id}: in wrong state (${hex(status)}), expected ${wanted}, ok are ${ok}`,
      );
    }
    const { step } = this.action;
    const operands = { id: this.id, step, value: BigInt(status), limit: BigInt(allow) };
    return XenError.of(abi.EINVAL, abi.REASON_WRONG_STATE, operands);
  }

  private completed(status: number): number {
    this.ctx.print("completed!");
    const state = this.action.expected === "gone" ? "UNLOADED" : stateName(status);
    this.ctx.result({ id: this.id, status: state, code: status, ...this.figures() });
    return 0;
  }

  /** What it took; CPUs stand still for what changes code only. */
  private figures(): { instructions: string; time_ns: string; stop_ns?: string } {
    const spent = { instructions: hex(this.spent.instructions), time_ns: hex(this.spent.timeNs) };
    const stops = this.executed && (this.name === "apply" || this.name === "revert");
    const stopNs = stops ? this.machine.info?.().stopNs : undefined;
    return stopNs === undefined ? spent : { ...spent, stop_ns: hex(stopNs) };
  }

  private failed(error: XenError): number {
    this.ctx.print(`${this.id} failed with ${errnoText(error.code)}`);
    const object = sayRefusal(this.ctx, error);
    const { errno, code, reason, message } = object;
    const answer = { id: this.id, status: `-${errno}`, code, reason, message };
    this.ctx.result({ ...answer, ...this.figures(), error: object });
    return 1;
  }
}

/** The command file of one action. */
export function actionCommand(name: ActionName): Command {
  return {
    usage: `${name} [...args]`,
    async run(ctx, args, options) {
      const [id] = args;
      if (!acceptCount(ctx, args, 1) || id === undefined || !acceptId(ctx, id)) return 1;
      const timeMs = optionNumber(options.time, "--time", 0xffff_ffff, 0);
      const machine = await ctx.changing();
      const control = await ctx.control(machine);
      return new Attempt(ctx, machine, control, name, id).perform({ timeMs });
    },
  };
}
