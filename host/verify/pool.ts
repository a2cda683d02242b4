// Candidates spread over threads, each with a machine of its own. Results come back in the order of
// the candidates, whoever judged them.

import { Worker } from "node:worker_threads";
import { XenError } from "../error.js";
import type { Refusal } from "../refusal.js";
import { type Candidate, Judge, type JudgeOptions } from "./judge.js";
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

const WORKER = new URL("./worker.js", import.meta.url);

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

function refusedBy({ operands, message }: Extract<Report, { kind: "refused" }>): XenError {
  const error = new XenError(operands);
  error.message = message;
  return error;
}

/** One thread; takes candidates until none is left. */
function employ(
  assignment: Assignment,
  take: () => Task | undefined,
  done: (index: number, judged: Judged) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, { workerData: assignment });
    const end = (settle: () => void): void => {
      worker.removeAllListeners();
      void worker.terminate().then(settle);
    };
    worker.on("error", (error) => end(() => reject(error)));
    worker.on("exit", () => reject(new Error("a thread of verify ended by itself")));
    worker.on("message", (report: Report) => {
      if (report.kind === "refused") return end(() => reject(refusedBy(report)));
      if (report.kind === "failed") return end(() => reject(new Error(report.message)));
      if (report.kind === "judged") done(report.index, report.judged);
      const task = take();
      if (task) worker.postMessage(task);
      else end(resolve);
    });
  });
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
  await Promise.all(Array.from({ length: threads }, () => employ(assignment, take, done)));
  return judged;
}
