// What is asked at the end of a schedule, one question after the other until one is answered badly:
// that everything came to an end, that everybody meets what has changed and goes on, and that the
// machine's records fit together.

import type { Core } from "../core.js";
import type { Schedules, Violation } from "../schedules.js";
import { leftBehind, whoStays } from "./liveness.js";
import { type Places, stuckWork, type Toolstacks } from "./toolstack.js";

/** Steps of each CPU that are still taken when all is over: it meets what has changed. */
const GRACE = 40;
const NS_PER_MS = 1_000_000n;

/** What a search asks at the end of each schedule of its own, beyond that. */
export type Judge = (places: Places) => Violation | undefined;

interface Limits {
  readonly cpus: number;
  readonly stepInstructions: number;
  readonly timeMs: number;
}

export class Ending {
  /** Every CPU has come by after an end. */
  private came = false;

  constructor(
    private readonly core: Core,
    private readonly moves: Schedules,
    private readonly toolstacks: Toolstacks,
    private readonly limits: Limits,
    private readonly judge: Judge,
  ) {}

  /** What is wrong at the end of a schedule; the machine has gone on afterwards. */
  judgement(places: Places): Violation | undefined {
    const over = this.toolstacks.isOver(places);
    const first = over ? this.judge(places) : this.progress(places);
    return (
      first ??
      this.grace() ??
      (over ? (this.waiting() ?? this.staying()) : undefined) ??
      this.audit()
    );
  }

  /** The machine's own scheduler, until whatever has a time must be over. */
  private runOn(): Violation | undefined {
    const ms = Math.max(this.limits.timeMs, 1);
    this.core.invoke("hv_run", 0n, BigInt(ms) * NS_PER_MS * 2n);
    return this.moves.violation();
  }

  /** What had not ended, or went round in a circle, has to be over then, if it has a time. */
  private progress(places: Places): Violation | undefined {
    const broken = this.runOn();
    if (broken || this.limits.timeMs === 0) return broken;
    return stuckWork(places, this.toolstacks.advance(places));
  }

  private grace(): Violation | undefined {
    const { cpus, stepInstructions } = this.limits;
    for (let i = 0; i < GRACE * cpus; i++) {
      this.moves.stepVisibly(i % cpus, stepInstructions);
      const broken = this.moves.violation();
      if (broken) return broken;
    }
    return undefined;
  }

  /** When nothing is under way any more, nobody stands at a gate for it. */
  private waiting(): Violation | undefined {
    const { cpus } = this.limits;
    if (!leftBehind(this.core, cpus)) return undefined;
    return this.runOn() ?? leftBehind(this.core, cpus); // a CPU may just be coming or going
  }

  /** Asked once, of the first schedule that ends: no CPU stays for ever in what is new. */
  private staying(): Violation | undefined {
    if (this.came) return undefined;
    this.came = true;
    return this.runOn() ?? whoStays(this.core, this.limits.cpus);
  }

  /** The look through the machine that one from a file gets. */
  private audit(): Violation | undefined {
    if (this.core.invoke("hv_audit") >= 0) return undefined;
    return { invariant: "audit", cpu: 0, va: 0n };
  }
}
