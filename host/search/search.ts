// Search for trouble: instead of one seed, all schedules of a few CPUs around what one or two
// toolstacks ask for, up to a bound. A schedule that breaks an invariant is returned, and replays
// exactly on a machine that was booted alike.

import { MachineBug } from "../error.js";
import type { Allocate } from "../guest.js";
import type { Machine } from "../machine.js";
import type { Violation } from "../schedules.js";
import { readPayloadFile } from "../verify/payload_file.js";
import type { Judge } from "./ending.js";
import { Explorer, type Failure, type Limits, type Progress, type Step } from "./explorer.js";
import { formatSchedule, type Happening, type Schedule } from "./schedule.js";
import { type Action, bring, type Subject, script } from "./scripts.js";
import { type Toolstack, Toolstacks } from "./toolstack.js";

export interface SearchOptions {
  /** What a toolstack on CPU 0 asks for, one after the other; `apply` by default. */
  readonly actions?: readonly Action[];
  /** What a second toolstack, on CPU 1, asks for meanwhile, of the same payload or another. */
  readonly meanwhile?: { readonly payload?: Uint8Array; readonly actions: readonly Action[] };
  /** Payloads that have been applied before, in this order. */
  readonly stack?: readonly Uint8Array[];
  /** What happens to CPUs, once each, at any moment or not at all; at most 30. */
  readonly happenings?: readonly Happening[];
  /** Preemptions in one schedule, 2 by default. */
  readonly bound?: number;
  /** Steps of one schedule, 4,000 by default. */
  readonly steps?: number;
  /** Instructions of one step at the most, however little of it others see; 512 by default. */
  readonly stepInstructions?: number;
  /** Steps after which the next CPU that can goes on, 48 by default. */
  readonly turn?: number;
  /** Upper bound of an action in virtual ms, 2 by default. */
  readonly timeMs?: number;
  /** Ends the search after so many schedules; 20,000 by default. */
  readonly schedules?: number;
  /** How long the guests run before it begins, in virtual ns; 20,000 by default. */
  readonly warmUpNs?: bigint;
  /** Guards that are taken out (GUARD_*), to see what they are for. */
  readonly withoutGuards?: number;
  readonly onProgress?: (progress: Progress) => void;
}

export interface SearchResult {
  readonly schedules: number;
  /** Different states reached. */
  readonly states: number;
  readonly seconds: number;
  /** What the actions came to, `APPLIED`, `-EBUSY` …, of two toolstacks with ` and ` between, and
   *  in how many different end states. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Ends of schedules that were not over within `steps`, or went round in a circle; the machine's
   *  scheduler ran them on until their time was over. */
  readonly unfinished: number;
  /** True when a limit ended the search before everything within the bound was seen. */
  readonly cut: boolean;
  readonly failure?: Failure;
}

const TIME_MS = 2;
/** The ids of the payloads of a search. */
export const ID = "search";
export const OTHER_ID = "search-2";

/** Makes the toolstacks of a search; `allocate` gives memory of domain 0 while it lasts. */
export type MakeToolstacks = (allocate: Allocate) => readonly Toolstack[];

const subject = (id: string, file: Uint8Array): Subject => {
  const today = readPayloadFile(file).format === "livepatch";
  return { id, file, today };
};

/** Loads what is acted upon, lets the guests work, and says what the toolstacks do. */
async function prepare(
  machine: Machine,
  payload: Uint8Array,
  options: SearchOptions,
): Promise<MakeToolstacks> {
  const { actions = ["apply"], meanwhile, timeMs = TIME_MS, warmUpNs = 20_000n } = options;
  const mine = subject(ID, payload);
  machine.run({ ns: warmUpNs });
  for (const [i, file] of (options.stack ?? []).entries()) {
    await bring(machine, subject(`stack-${i + 1}`, file), "revert");
  }
  await bring(machine, mine, actions[0] ?? "apply");
  const theirs = meanwhile?.payload ? subject(OTHER_ID, meanwhile.payload) : mine;
  if (meanwhile?.payload) await bring(machine, theirs, meanwhile.actions[0] ?? "apply");
  return (allocate) => {
    const first = script(mine, actions, timeMs, allocate);
    if (!meanwhile) return [first];
    return [first, script(theirs, meanwhile.actions, timeMs, allocate)];
  };
}

/** What kills the core has a schedule, too. */
function withSchedule<T>(explorer: Explorer, work: (explorer: Explorer) => T): T {
  try {
    return work(explorer);
  } catch (error) {
    const schedule = formatSchedule(explorer.current) || "(the default)";
    if (error instanceof MachineBug) error.message += `, in the schedule ${schedule}`;
    throw error;
  }
}

/** Runs `work` with an explorer of the machine as it is. */
function explore<T>(
  machine: Machine,
  make: MakeToolstacks,
  options: SearchOptions,
  judge: Judge | undefined,
  work: (explorer: Explorer) => T,
): T {
  const { happenings = [] } = options;
  const moves = machine.schedules();
  const limits: Limits = {
    cpus: machine.info().cpus,
    bound: options.bound ?? 2,
    steps: options.steps ?? 4_000,
    stepInstructions: options.stepInstructions ?? 512,
    turn: options.turn ?? 48,
    schedules: options.schedules ?? 20_000,
    timeMs: options.timeMs ?? TIME_MS,
    happenings,
  };
  moves.withoutGuards(options.withoutGuards ?? 0);
  return machine.withBuffers((allocate) =>
    machine.inside((core) => {
      const stacks = make(allocate);
      const toolstacks = new Toolstacks(core, stacks, allocate);
      core.invoke("hv_watch", 1);
      try {
        const { onProgress } = options;
        const explorer = new Explorer(core, moves, toolstacks, limits, judge, onProgress);
        return withSchedule(explorer, work);
      } finally {
        core.invoke("hv_watch", 0);
      }
    }),
  );
}

/**
 * Searches the schedules of toolstacks of one's own, from the machine's state on. `judge` looks at
 * what came of a schedule. The machine is afterwards where the last schedule left it.
 */
export function searchToolstacks(
  machine: Machine,
  make: MakeToolstacks,
  options: SearchOptions = {},
  judge?: Judge,
): SearchResult {
  const begun = performance.now();
  return explore(machine, make, options, judge, (explorer) => {
    explorer.run();
    const { schedules, states, unfinished, cut, failure } = explorer;
    const outcomes = Object.fromEntries(explorer.outcomes);
    const seconds = (performance.now() - begun) / 1000;
    const result = { schedules, states, seconds, outcomes, unfinished, cut };
    return failure ? { ...result, failure } : result;
  });
}

/**
 * Searches the schedules around actions on a payload. The machine needs a workload, and is
 * afterwards where the last schedule left it.
 * @throws RangeError for limits that are too large, XenError when the payload is refused before the
 *   search can begin
 */
export async function search(
  machine: Machine,
  payload: Uint8Array,
  options: SearchOptions = {},
): Promise<SearchResult> {
  return searchToolstacks(machine, await prepare(machine, payload, options), options);
}

/**
 * Runs one schedule, as a failure of `search` names it, on a machine that was booted alike and with
 * the same options.
 * @returns the invariant that broke, undefined when none did
 */
export async function replay(
  machine: Machine,
  payload: Uint8Array,
  schedule: Schedule,
  options: SearchOptions & { readonly onStep?: (step: Step) => void } = {},
): Promise<Violation | undefined> {
  const make = await prepare(machine, payload, options);
  return explore(machine, make, options, undefined, (explorer) => {
    explorer.replay(schedule, options.onStep ?? (() => {}));
    return explorer.failure?.violation;
  });
}
