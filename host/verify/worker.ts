// A thread of verify: boots its own machine once, then judges what it is sent.

import { parentPort, workerData } from "node:worker_threads";
import { XenError } from "../error.js";
import { Judge } from "./judge.js";
import type { Assignment, Report, Task } from "./pool.js";

function report(what: Report): void {
  parentPort?.postMessage(what);
}

function fail(error: unknown): void {
  if (error instanceof XenError) {
    report({ kind: "refused", operands: error.operands, message: error.message });
  } else {
    report({ kind: "failed", message: error instanceof Error ? (error.stack ?? "") : `${error}` });
  }
}

const { image, options } = workerData as Assignment;
try {
  const judge = await Judge.boot(image, options);
  parentPort?.on("message", ({ index, candidate }: Task) => {
    judge.judge(candidate).then((judged) => report({ kind: "judged", index, judged }), fail);
  });
  report({ kind: "ready" });
} catch (error) {
  fail(error);
}
