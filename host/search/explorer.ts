// Enumerates schedules (depth first, after CHESS): every order of the CPUs' visible steps with at
// most `bound` preemptions, where the turn is taken from a CPU that could go on. Who waits gives it
// away for nothing, to any of the others; who spins, or has had many steps, to the next one, so
// that nobody is kept waiting for ever. What may happen at any moment happens at each. A state that
// was seen before with as many preemptions left is not gone through again. After every step the
// core's invariants are asked.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import type { Schedules, Violation } from "../schedules.js";
import { type Checkpoint, Checkpoints } from "./checkpoint.js";
import { Ending, type Judge } from "./ending.js";
import { happen } from "./happen.js";
import type { Happening, Schedule } from "./schedule.js";
import { type Seen, States } from "./states.js";
import { hashPlaces, lostWork, outcomeOf, type Places, type Toolstacks } from "./toolstack.js";

const NOBODY = -1;
/** Bits of Path.pending. */
export const HAPPENINGS_MAX = 30;
/** What the table of states, and a state's key, have room for. */
const BOUND_MAX = 127;
const TURN_MAX = 65535;

export interface Limits {
  readonly cpus: number;
  /** Preemptions of one schedule. */
  readonly bound: number;
  /** Steps of one schedule before it is left to the machine's own scheduler. */
  readonly steps: number;
  /** Instructions of one step at the most. */
  readonly stepInstructions: number;
  /** Steps after which a CPU gives the turn away for nothing: guests never come to an end. */
  readonly turn: number;
  /** Ends the search. */
  readonly schedules: number;
  /** Milliseconds in which everything has to be over. */
  readonly timeMs: number;
  /** What happens once in a schedule, or not at all. */
  readonly happenings: readonly Happening[];
}

/** A schedule that breaks something. */
export interface Failure {
  readonly invariant: string;
  readonly violation: Violation;
  readonly schedule: Schedule;
}

/** One step, for who follows a schedule. */
export interface Step {
  readonly step: number;
  readonly cpu: number;
  /** VISIBLE_*: why it ended. */
  readonly why: number;
  readonly happens?: Happening;
}

export interface Progress {
  readonly schedules: number;
  readonly states: number;
}

/** A schedule under way. */
interface Path {
  places: Places;
  /** CPU of the last step. */
  cpu: number;
  /** It spins, or has had its turn: the next one that can goes on. */
  yields: boolean;
  /** Steps that it has taken since another did. */
  turn: number;
  step: number;
  readonly left: number;
  /** Bit n: happening n has not happened. */
  readonly pending: number;
  readonly schedule: Schedule;
}

export class Explorer {
  schedules = 0;
  /** Ends of schedules that were not over within the limit of steps, or went round in a circle. */
  unfinished = 0;
  /** What came of it, and in how many different end states. */
  readonly outcomes = new Map<string, number>();
  cut = false;
  failure: Failure | undefined;
  /** Of the schedule that is followed now: for who has to tell what the core died of. */
  current: Schedule = [];
  /** Of the last key: toolstacks seldom get on from one step to the next. */
  private hashed: { places: Places; pending: number; hash: bigint };
  private readonly seen = new States();
  private readonly ends = new States();
  private readonly checkpoints: Checkpoints;
  private readonly ending: Ending;

  constructor(
    private readonly core: Core,
    private readonly moves: Schedules,
    private readonly toolstacks: Toolstacks,
    private readonly limits: Limits,
    judge: Judge = () => undefined,
    private readonly onProgress: (progress: Progress) => void = () => {},
  ) {
    if (limits.happenings.length > HAPPENINGS_MAX)
      throw new RangeError(`more than ${HAPPENINGS_MAX} happenings`);
    if (limits.bound > BOUND_MAX) throw new RangeError(`a bound of more than ${BOUND_MAX}`);
    if (limits.turn > TURN_MAX) throw new RangeError(`a turn of more than ${TURN_MAX} steps`);
    this.checkpoints = new Checkpoints(core);
    this.hashed = { places: [], pending: 0, hash: hashPlaces([], 0) };
    this.ending = new Ending(core, moves, toolstacks, limits, judge);
  }

  get states(): number {
    return this.seen.size;
  }

  private get over(): boolean {
    return this.cut || this.failure !== undefined;
  }

  /** Goes through all schedules, those with fewer preemptions first. */
  run(): void {
    const start = this.checkpoints.take();
    const pending = (1 << this.limits.happenings.length) - 1;
    for (let left = 0; left <= this.limits.bound && !this.over; left++) {
      this.explore(this.beginning({ left, pending, schedule: [] }));
      if (!this.failure) this.checkpoints.rollback(start);
    }
  }

  /** Follows one schedule. */
  replay(schedule: Schedule, onStep: (step: Step) => void): void {
    const path = this.beginning({ left: 0, pending: 0, schedule });
    while (this.goesOn(path)) {
      const choice = schedule.find(({ step }) => step === path.step);
      const { step } = path;
      if (choice && "happens" in choice) {
        this.happen(path, choice.happens);
        onStep({ step, cpu: choice.happens.cpu, why: 0, happens: choice.happens });
      } else {
        const cpu = choice?.cpu ?? this.candidates(path)[0] ?? NOBODY;
        const why = this.take(path, cpu);
        if (cpu !== NOBODY) onStep({ step, cpu, why });
      }
      if (this.isBroken(path)) return;
    }
    this.finish(path);
  }

  private beginning(how: Pick<Path, "left" | "pending" | "schedule">): Path {
    const places = this.toolstacks.start();
    return { ...how, places, cpu: NOBODY, yields: false, turn: 0, step: 0 };
  }

  private goesOn(path: Path): boolean {
    path.places = this.toolstacks.advance(path.places);
    return !this.toolstacks.isOver(path.places) && path.step < this.limits.steps;
  }

  /** Who could take the next step, the default first. */
  private candidates({ cpu, yields }: Path): number[] {
    const { cpus } = this.limits;
    const order = Array.from({ length: cpus }, (_, i) => (cpu + 1 + i) % cpus);
    const able = order.filter((id) => this.moves.canStep(id));
    if (yields && able.length > 1) return able.filter((id) => id !== cpu);
    return able.includes(cpu) ? [cpu, ...able.filter((id) => id !== cpu)] : able;
  }

  /** One step, or a leap of the time when nobody can run. Returns VISIBLE_*. */
  private take(path: Path, cpu: number): number {
    this.current = path.schedule;
    path.step += 1;
    if (cpu === NOBODY) {
      this.core.invoke("hv_skip");
      return 0;
    }
    const why = this.moves.stepVisibly(cpu, this.limits.stepInstructions);
    path.turn = path.cpu === cpu ? path.turn + 1 : 1;
    path.cpu = cpu;
    path.yields = why === abi.VISIBLE_PAUSE || path.turn >= this.limits.turn;
    return why;
  }

  private happen(path: Path, happening: Happening): void {
    path.step += 1;
    happen(this.core, this.checkpoints, happening, this.limits.timeMs);
  }

  private fail({ schedule }: Path, violation: Violation): void {
    this.failure = { invariant: violation.invariant, violation, schedule };
  }

  private isBroken(path: Path): boolean {
    const violation = this.moves.violation() ?? lostWork(path.places);
    if (violation) this.fail(path, violation);
    return violation !== undefined;
  }

  private key({ places, pending }: Path): bigint {
    if (places !== this.hashed.places || pending !== this.hashed.pending) {
      this.hashed = { places, pending, hash: hashPlaces(places, pending) };
    }
    return this.moves.hash() ^ this.hashed.hash;
  }

  /** Notes where the path is; `opened` gets the state when it is a new one. */
  private see(path: Path, opened: bigint[]): Seen {
    const turn = path.yields ? this.limits.turn : path.turn;
    const key = this.key(path) ^ BigInt(65536 * (path.cpu + 1) + turn);
    const seen = this.seen.note(key, path.left);
    if (seen === "new") opened.push(key);
    if (this.seen.full) this.cut = true;
    return seen;
  }

  /** Follows a path by its default from here on, and branches off it. */
  private explore(path: Path): void {
    const opened: bigint[] = [];
    let seen: Seen = "new";
    while (this.goesOn(path)) {
      seen = this.see(path, opened);
      if (seen !== "new") break;
      const [cpu = NOBODY, ...others] = this.candidates(path);
      this.branch(path, cpu, others);
      if (this.over) return;
      this.take(path, cpu);
      if (this.isBroken(path)) return;
    }
    for (const key of opened) this.seen.close(key);
    this.schedules += 1;
    if (seen !== "known") this.finish(path);
    if (this.schedules % 64 === 0) this.onProgress(this);
    if (this.schedules >= this.limits.schedules) this.cut = true;
  }

  private branch(path: Path, byDefault: number, others: readonly number[]): void {
    // Who cannot go on is followed by any other; else the order is the default's but for `left`.
    const waits = !path.yields && path.cpu !== byDefault;
    const left = waits ? path.left : path.left - 1;
    const able = left < 0 ? [] : others;
    if (able.length === 0 && path.pending === 0) return;
    const here = this.checkpoints.take();
    for (const cpu of able) {
      const schedule = [...path.schedule, { step: path.step, cpu }];
      this.follow({ ...path, left, schedule }, here, (other) => this.take(other, cpu));
      if (this.over) return;
    }
    for (const [i, happens] of this.limits.happenings.entries()) {
      const pending = path.pending & ~(1 << i);
      if (pending === path.pending) continue;
      const schedule = [...path.schedule, { step: path.step, happens }];
      this.follow({ ...path, pending, schedule }, here, (other) => this.happen(other, happens));
      if (this.over) return;
    }
  }

  /** Goes another way, and comes back unless it breaks something. */
  private follow(path: Path, here: Checkpoint, go: (path: Path) => void): void {
    go(path);
    if (!this.isBroken(path)) this.explore(path);
    if (!this.failure) this.checkpoints.rollback(here);
  }

  /** The end of a schedule, if it is not one that was seen before. */
  private finish(path: Path): void {
    if (this.ends.note(this.key(path), 0) !== "new") return;
    if (this.toolstacks.isOver(path.places)) {
      const outcome = outcomeOf(path.places);
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    } else this.unfinished += 1;
    const violation = this.ending.judgement(path.places);
    if (violation) this.fail(path, violation);
  }
}
