// Search for trouble: instead of one seed, all schedules of a few CPUs around an APPLY or REVERT
// that differ from running each CPU as long as it can by a bounded number of preemptions. After
// every step the core's invariants are asked; a state that was seen before with as many
// preemptions left is not gone through again. A schedule that breaks one is returned and replays
// exactly.

import * as abi from "./abi.js";
import type { Machine } from "./machine.js";
import type { Schedules, Violation } from "./schedules.js";
import { XenControl } from "./xc.js";

export interface SearchOptions {
  /** What is going on meanwhile; `apply` by default. */
  readonly action?: "apply" | "revert";
  /** Preemptions in one schedule, 2 by default. */
  readonly bound?: number;
  /** Instructions of one step, 48 by default. */
  readonly granularity?: number;
  /** Steps of one schedule, 600 by default. */
  readonly steps?: number;
  /** Upper bound of the action in virtual ms, 50 by default. */
  readonly timeMs?: number;
  /** Ends the search after so many schedules; 20,000 by default. */
  readonly schedules?: number;
  /** Guards that a test takes out (GUARD_*). */
  readonly withoutGuards?: number;
  readonly onProgress?: (progress: { schedules: number; states: number }) => void;
}

/** Which CPU runs from which step on. */
export type Schedule = readonly { readonly step: number; readonly cpu: number }[];

export interface SearchResult {
  readonly schedules: number;
  /** Different states reached. */
  readonly states: number;
  readonly seconds: number;
  /** True when a limit ended the search before everything within the bound was seen. */
  readonly cut: boolean;
  readonly failure?: {
    readonly invariant: string;
    readonly violation: Violation;
    readonly schedule: Schedule;
  };
}

/** Steps that are still taken when the action is over: others meet what has changed. */
const GRACE = 60;
const ID = "search";

class Search {
  schedules = 0;
  cut = false;
  failure: SearchResult["failure"];
  private readonly seen = new Map<bigint, number>();
  private readonly cpus: number;

  constructor(
    private readonly machine: Machine,
    private readonly moves: Schedules,
    private readonly limits: Required<Pick<SearchOptions, "granularity" | "steps" | "schedules">>,
    private readonly onProgress: SearchOptions["onProgress"],
  ) {
    this.cpus = machine.info().cpus;
  }

  get states(): number {
    return this.seen.size;
  }

  private isOver(): boolean {
    const payload = this.machine.payloads().find(({ id }) => id === ID);
    return payload?.status !== abi.XSPLICE_STATUS_PROGRESS;
  }

  /** One step of `cpu`, or of the next one that can run; its number, -1 when none can. */
  private advance(cpu: number): number {
    for (let i = 0; i < this.cpus; i++) {
      const next = (cpu + i) % this.cpus;
      if (this.moves.step(next, this.limits.granularity)) return next;
    }
    return -1;
  }

  private ended(): void {
    this.schedules += 1;
    if (this.schedules % 64 === 0) {
      this.onProgress?.({ schedules: this.schedules, states: this.states });
    }
    if (this.schedules >= this.limits.schedules) this.cut = true;
  }

  /** Follows a schedule from here on and branches off it while `left` preemptions are. */
  explore(from: number, cpu: number, left: number, schedule: Schedule): void {
    let running = cpu;
    let grace = GRACE;
    for (let step = from; step < this.limits.steps && !this.cut && !this.failure; step++) {
      const key = this.moves.hash() ^ BigInt(running);
      if ((this.seen.get(key) ?? -1) >= left) break;
      this.seen.set(key, left);
      if (left > 0) this.branch(step, running, left, schedule);
      if (this.cut || this.failure) return;
      running = this.advance(running);
      if (running < 0) break;
      const violation = this.moves.violation();
      if (violation) {
        this.failure = { invariant: violation.invariant, violation, schedule };
        return;
      }
      if (this.isOver() && --grace === 0) break;
    }
    this.ended();
  }

  private branch(step: number, running: number, left: number, schedule: Schedule): void {
    const here = this.moves.checkpoint();
    for (let other = 0; other < this.cpus && !this.cut && !this.failure; other++) {
      if (other === running) continue;
      this.explore(step, other, left - 1, [...schedule, { step, cpu: other }]);
      if (!this.failure) this.moves.rollback(here);
    }
  }
}

/** Brings the payload to the moment at which the action has been accepted. */
async function begin(machine: Machine, payload: Uint8Array, options: SearchOptions): Promise<void> {
  const { action = "apply", timeMs = 50 } = options;
  const control = new XenControl(machine);
  await control.upload(ID, payload);
  await control.checkAndWait(ID);
  if (action === "revert") {
    await control.applyAndWait(ID);
    await control.revert(ID, { timeMs });
  } else await control.apply(ID, { timeMs });
}

/**
 * Searches the schedules around an action on a payload. The machine needs a workload, and
 * afterwards is where the last schedule left it.
 */
export async function search(
  machine: Machine,
  payload: Uint8Array,
  options: SearchOptions = {},
): Promise<SearchResult> {
  const { bound = 2, granularity = 48, steps = 600, schedules = 20_000 } = options;
  await begin(machine, payload, options);
  const moves = machine.schedules();
  moves.withoutGuards(options.withoutGuards ?? 0);
  const begun = performance.now();
  const found = new Search(machine, moves, { granularity, steps, schedules }, options.onProgress);
  found.explore(0, 0, bound, []);
  const seconds = (performance.now() - begun) / 1000;
  const result = { schedules: found.schedules, states: found.states, seconds, cut: found.cut };
  return found.failure ? { ...result, failure: found.failure } : result;
}

/**
 * Runs one schedule, as a failure of `search` names it, on a machine that was booted alike.
 * @returns the invariant that broke, undefined when none did
 */
export async function replay(
  machine: Machine,
  payload: Uint8Array,
  schedule: Schedule,
  options: SearchOptions = {},
): Promise<Violation | undefined> {
  const { granularity = 48, steps = 600 } = options;
  await begin(machine, payload, options);
  const moves = machine.schedules();
  moves.withoutGuards(options.withoutGuards ?? 0);
  const { cpus } = machine.info();
  let running = 0;
  for (let step = 0; step < steps; step++) {
    running = schedule.findLast((choice) => choice.step === step)?.cpu ?? running;
    for (let i = 0; i < cpus; i++, running = (running + 1) % cpus) {
      if (moves.step(running, granularity)) break;
    }
    const violation = moves.violation();
    if (violation) return violation;
  }
  return undefined;
}
