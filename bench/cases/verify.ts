// One payload judged in process, on a machine that is booted; in the note, many of them by the
// command's own way: threads, files, findings between payloads.

import { existsSync, readFileSync } from "node:fs";
import { verify } from "../../host/index.js";
import { Judge } from "../../host/verify/judge.js";
import { unpackPayloads } from "../../tests/livepatch/corpus.js";
import { alternate, milliseconds, type Row, timed } from "../measure.js";
import { findXenSyms } from "./machine.js";

const MANY = 1000;
const PAYLOAD = "base/hello.livepatch";

/** A payload of the corpus against xen-syms. */
export async function verifyPayload(): Promise<Row | undefined> {
  const path = findXenSyms();
  if (!path || !existsSync(path)) return undefined;
  const image = readFileSync(path);
  const payloads = unpackPayloads();
  try {
    const bytes = payloads.read(PAYLOAD);
    const judge = await Judge.boot(image, {});
    const judgeOne = async (): Promise<void> => {
      const { row } = await judge.judge({ file: PAYLOAD, bytes });
      if (row.verdict !== "ok") throw new Error(`verify: ${row.message}`);
    };
    const times = await alternate(101, () => timed(judgeOne));
    const many = Array.from({ length: MANY }, (_, i) => ({ file: `${i}.livepatch`, bytes }));
    const all = await timed(() => verify(image, many));
    const rate = Math.round(MANY / (all / 1e9));
    return milliseconds("verify", times, `xen-syms; ${MANY} payloads: ${rate}/s with booting`);
  } finally {
    payloads.remove();
  }
}
