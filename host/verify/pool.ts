// Candidates spread over threads, each with a machine of its own. Results come back in the order of
// the candidates, whoever judged them.

import type { Refusal } from "../refusal.js";
import type { Candidate } from "./candidate.js";
import { Judge, type JudgeOptions } from "./judge.js";
import type { Judged } from "./row.js";

/** What a thread starts with. */
export interface Assignment {
  readonly image: Uint8Array | undefined;
  readonly options: JudgeOptions;
}

/** Thread to pool: ready, a result, or why there is none. */
export type Report =
  | { readonly kind: "ready" }
  | { readonly kind: "judged"; readonly index: number; readonly judged: Judged }
  | { readonly kind: "refused"; readonly operands: Refusal; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

/** Pool to thread. */
export interface Task {
  readonly index: number;
  readonly candidate: Candidate;
}

async function inThisThread(
  { image, options }: Assignment,
  candidates: readonly Candidate[],
  progress: () => void,
): Promise<Judged[]> {
  const judge = await Judge.boot(image, options);
  const judged: Judged[] = [];
  for (const candidate of candidates) {
    judged.push(await judge.judge(candidate));
    progress();
  }
  return judged;
}

/**
 * Judges all candidates.
 * @param jobs threads; 1 for this one
 * @throws XenError when the image or the stack cannot be used
 */
export async function judgeAll(
  assignment: Assignment,
  candidates: readonly Candidate[],
  jobs: number,
  progress: () => void,
): Promise<Judged[]> {
  const threads = Math.min(jobs, candidates.length);
  if (threads <= 1) return inThisThread(assignment, candidates, progress);
  const queue = candidates.map((candidate, index) => ({ index, candidate })).values();
  const judged = new Array<Judged>(candidates.length);
  const take = (): Task | undefined => queue.next().value;
  const done = (index: number, one: Judged): void => {
    judged[index] = one;
    progress();
  };
  const { employ } = await import("./thread.js");
  await Promise.all(Array.from({ length: threads }, () => employ(assignment, take, done)));
  return judged;
}
