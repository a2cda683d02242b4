// A thread of verify, seen from the pool: it gets candidates one after the other until none is
// left. Its other side is worker.ts.

import { Worker } from "node:worker_threads";
import { XenError } from "../error.js";
import type { Assignment, Report, Task } from "./pool.js";
import type { Judged } from "./row.js";

const WORKER = new URL("./worker.js", import.meta.url);

function refusedBy({ operands, message }: Extract<Report, { kind: "refused" }>): XenError {
  const error = new XenError(operands);
  error.message = message;
  return error;
}

/** One thread; takes candidates until none is left. */
export function employ(
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
