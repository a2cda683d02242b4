// `verify`: judges payloads against hypervisor images without a hypervisor: would each upload,
// apply, revert and unload, what would it change, and what would nobody notice. The library's side
// of the command; rows are in the order of the arguments, image by image.

import { availableParallelism } from "node:os";
import { fileError } from "../file_error.js";
import { type FileSource, readSource } from "../image.js";
import type { Candidate } from "./candidate.js";
import type { Judged, VerifyRow } from "./row.js";

/** A payload: its path, or its bytes with what they shall be called. */
export type PayloadSource = string | { readonly file: string; readonly bytes: Uint8Array };

export interface VerifyOptions {
  /** The CPU that the images are booted on: a preset's name, or feature bits. */
  readonly cpuFeatures?: string;
  /** Payloads that are applied before each, in this order. */
  readonly stack?: readonly PayloadSource[];
  /** Threads; by default one, and more for many payloads. */
  readonly jobs?: number;
  /** Part `index` (from 1) of `count` parts of the work: every `count`-th row. */
  readonly shard?: { readonly index: number; readonly count: number };
  readonly onProgress?: (done: number, all: number) => void;
}

/** Fewer payloads are judged before another thread has booted. */
const WORTH_A_THREAD = 250;

async function candidateOf(source: PayloadSource): Promise<Candidate> {
  if (typeof source !== "string") return source;
  const { readWhole } = await import("../read_file.js");
  try {
    return { file: source, bytes: readWhole(source) };
  } catch (error) {
    return { file: source, unreadable: fileError(error, source).operands };
  }
}

/** The rows of one image, with what its payloads do to each other. */
async function finished(
  judged: readonly Judged[],
  image: string | undefined,
): Promise<VerifyRow[]> {
  const pairs = judged.length > 1 ? await import("./fights.js") : undefined;
  const findings = pairs?.withFights(judged) ?? judged.map(({ row }) => row.findings);
  return judged.map(({ row: { file, ...row } }, i) => ({
    file,
    ...(image === undefined ? {} : { image }),
    ...row,
    findings: findings[i] ?? [],
  }));
}

function nameOf(image: FileSource): string {
  return image instanceof Uint8Array ? "(bytes)" : String(image);
}

/**
 * Judges payloads.
 * @param image an image, several, or none for the embedded mini-Xen
 * @returns a row per payload, image by image; rows carry `image` when there are several
 * @throws XenError when an image or a payload of the stack cannot be used
 */
export async function verify(
  image: FileSource | readonly FileSource[] | undefined,
  payloads: readonly PayloadSource[],
  options: VerifyOptions = {},
): Promise<VerifyRow[]> {
  const images: readonly (FileSource | undefined)[] = Array.isArray(image) ? image : [image];
  const { shard = { index: 1, count: 1 }, cpuFeatures, onProgress } = options;
  const stack = await Promise.all((options.stack ?? []).map(candidateOf));
  const all = Math.ceil((images.length * payloads.length - shard.index + 1) / shard.count);
  let done = 0;
  const rows: VerifyRow[] = [];
  for (const [i, source] of images.entries()) {
    const mine = payloads.filter(
      (_, k) => (i * payloads.length + k) % shard.count === shard.index - 1,
    );
    if (mine.length === 0) continue;
    // Files are read while the code that judges them is loaded.
    const [candidates, bytes, { judgeAll }] = await Promise.all([
      Promise.all(mine.map(candidateOf)),
      source === undefined ? undefined : readSource(source),
      import("./pool.js"),
    ]);
    const threads = Math.min(availableParallelism(), Math.ceil(candidates.length / WORTH_A_THREAD));
    const assignment = {
      image: bytes,
      options: { stack, ...(cpuFeatures === undefined ? {} : { cpuFeatures }) },
    };
    const judged = await judgeAll(assignment, candidates, options.jobs ?? threads, () => {
      done++;
      onProgress?.(done, all);
    });
    const several = images.length > 1 && source !== undefined;
    rows.push(...(await finished(judged, several ? nameOf(source) : undefined)));
  }
  return rows;
}
