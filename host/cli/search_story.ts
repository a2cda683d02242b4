// A schedule as people read it: which CPU executes from which step to which, through which
// functions, and why it goes no further; and what was broken.

import * as abi from "../abi.js";
import type { Machine } from "../machine.js";
import type { Violation } from "../schedules.js";
import type { Step } from "../search/explorer.js";
import { formatHappening } from "../search/schedule.js";
import { describe } from "./place.js";

export type Trouble = Violation;

const INVARIANTS: Readonly<Record<string, string>> = {
  "half-written": "executes what is not one instruction, old or new",
  "unloaded-code": "executes where no code is any more",
  "return-address": "will return to where no instruction is any more",
  late: "the action goes on although its time is over",
  "between-old-and-new": "memory is neither old nor new",
  "hypervisor-fault": "the hypervisor faulted",
  "stale-code": "executes what has been changed since it was fetched",
  "guest-crash": "a guest crashed",
  barrier: "is not at the patch point while code changes",
  "on-stack": "is in code that changes, or will come back to it",
  "left-behind": "stands at a patch point and nobody releases it",
  stuck: "never comes out of the hypervisor",
  "never-ends": "an action has no end although its time is over",
  audit: "the machine's records contradict each other",
  "lost-work": "an action that was accepted never came to an end",
};
/** Those that are about no CPU or no place. */
const GENERAL: ReadonlySet<string> = new Set(["late", "lost-work", "never-ends", "audit"]);

const ENDS: ReadonlyMap<number, string> = new Map([
  [abi.VISIBLE_PAUSE, "spins"],
  [abi.VISIBLE_WAITS, "waits"],
]);
/** Functions of one line. */
const SHOWN = 6;

/** `half-written: CPU 1 is about to …, at 0xffff82d080112f9e (do_xen_version)`. */
export function tellTrouble(machine: Machine, { invariant, cpu, va }: Trouble): string {
  const what = INVARIANTS[invariant] ?? "an invariant is broken";
  if (GENERAL.has(invariant)) return `${invariant}: ${what}`;
  return `${invariant}: CPU ${cpu}: ${what}, at ${describe(machine, va)}`;
}

interface Part {
  readonly from: number;
  to: number;
  readonly who: string;
  readonly functions: string[];
  end: string;
}

export class Story {
  steps = 0;
  private readonly parts: Part[] = [];

  constructor(private readonly machine: Machine) {}

  /** One step has been taken. */
  note({ step, cpu, why, happens }: Step): void {
    this.steps = step + 1;
    if (happens) {
      const who = formatHappening(happens);
      this.parts.push({ from: step, to: step, who, functions: [], end: "" });
      return;
    }
    const who = `CPU ${cpu}`;
    const last = this.parts.at(-1);
    const part =
      last?.who === who ? last : { from: step, to: step, who, functions: [] as string[], end: "" };
    if (part !== last) this.parts.push(part);
    part.to = step;
    part.end = ENDS.get(why) ?? "";
    const { state, symbol = "" } = this.machine.stacks()[cpu] ?? {};
    const place = state === "hypervisor" || state === "idle" ? symbol.split("+")[0] : state;
    if (place && part.functions.at(-1) !== place) part.functions.push(place);
  }

  /** The turns, for scripts. */
  get turns(): readonly object[] {
    return this.parts.map(({ from, to, who, functions, end }) => ({
      from,
      to,
      who,
      functions,
      ...(end !== "" && { end }),
    }));
  }

  /** A line for each CPU's turn. */
  lines(): string[] {
    return this.parts.map(({ from, to, who, functions, end }) => {
      const steps = `${from}${to > from ? `-${to}` : ""}`;
      const shown = functions.length > SHOWN ? ["…", ...functions.slice(-SHOWN)] : functions;
      const way = shown.length > 0 ? `  ${shown.join(" ")}` : "";
      return `${steps.padEnd(10)}${who}${way}${end === "" ? "" : `, ${end}`}`;
    });
  }
}
