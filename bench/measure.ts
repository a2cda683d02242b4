// Measuring: ours and the native counterpart alternately in one run, so that a machine that slows
// down slows both; the median of each.

/** A row of the result; the names and units are a contract (see README). */
export interface Row {
  readonly name: string;
  readonly ours: number;
  readonly native?: number;
  /** Our speed by native speed: above 1 we are faster. */
  readonly ratio?: number;
  readonly unit: "ms" | "M/s" | "MIPS";
  readonly note?: string;
}

/** Nanoseconds that one sample took. */
export type Sample = () => number | Promise<number>;

/** The time that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const begin = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - begin);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? high)) / 2;
}

/** Medians of `count` samples each, taken in turns; what comes before them warms up. */
export async function alternate(
  count: number,
  ours: Sample,
  native?: Sample,
): Promise<{ ours: number; native?: number }> {
  const times: { ours: number[]; native: number[] } = { ours: [], native: [] };
  for (let i = -2; i < count; i++) {
    const a = await ours();
    const b = native ? await native() : 0;
    if (i < 0) continue;
    times.ours.push(a);
    times.native.push(b);
  }
  const medians = { ours: median(times.ours) };
  return native ? { ...medians, native: median(times.native) } : medians;
}

/** A row of times in milliseconds. */
export function milliseconds(
  name: string,
  times: { ours: number; native?: number },
  note?: string,
): Row {
  const row = { name, ours: times.ours / 1e6, unit: "ms" as const, ...(note ? { note } : {}) };
  if (times.native === undefined) return row;
  return { ...row, native: times.native / 1e6, ratio: times.native / times.ours };
}

/** A row of rates: `count` things per sample, in millions a second. */
export function rate(
  name: string,
  unit: "M/s" | "MIPS",
  count: number,
  times: { ours: number; native?: number },
  note?: string,
): Row {
  const row = { name, ours: (count * 1e3) / times.ours, unit, ...(note ? { note } : {}) };
  if (times.native === undefined) return row;
  const native = (count * 1e3) / times.native;
  return { ...row, native, ratio: times.native / times.ours };
}
