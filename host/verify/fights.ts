// Payloads of one call that get into each other's way: findings, not verdicts, because each is
// judged alone. Everything is looked up by key, so that a thousand payloads take no longer than
// they are.

import { limit } from "./file_findings.js";
import type { Finding, Judged } from "./row.js";

const NAMED = 3;

/** Files that share a key, by key. */
function groups(judged: readonly Judged[], keys: (one: Judged) => readonly string[]) {
  const found = new Map<string, number[]>();
  for (const [i, one] of judged.entries()) {
    for (const key of new Set(keys(one))) {
      const group = found.get(key);
      if (group) group.push(i);
      else found.set(key, [i]);
    }
  }
  return found;
}

/** `a.livepatch, b.livepatch and 3 others` without the payload itself. */
function others(judged: readonly Judged[], group: readonly number[], self: number): string {
  const names: string[] = [];
  for (const i of group) {
    if (i !== self && names.length < NAMED) names.push(judged[i]?.row.file ?? "");
  }
  const more = group.length - 1 - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Whether one of two payloads is made to be applied on top of the other. */
function stacked(judged: readonly Judged[], group: readonly number[]): boolean {
  if (group.length !== 2) return false;
  const [a, b] = group.map((i) => judged[i]?.row.payload);
  const onTop = (upper = "", lower = ""): boolean => upper !== "" && upper === lower;
  return onTop(a?.depends, b?.build_id) || onTop(b?.depends, a?.build_id);
}

interface Range {
  readonly payload: number;
  readonly va: bigint;
  readonly end: bigint;
}

/** Sets of payloads whose patched ranges touch, with the place. */
function overlaps(judged: readonly Judged[]): Map<string, number[]> {
  const ranges: Range[] = judged.flatMap(({ claims }, payload) =>
    claims.patched.map(({ va, end }) => ({ payload, va, end })),
  );
  ranges.sort((a, b) => (a.va < b.va ? -1 : a.va > b.va ? 1 : 0));
  const found = new Map<string, number[]>();
  let group = new Set<number>();
  let start = 0n;
  let end = 0n;
  const close = (): void => {
    if (group.size > 1) found.set(`0x${start.toString(16)}`, [...group]);
  };
  for (const range of ranges) {
    if (range.va >= end) {
      close();
      group = new Set();
      start = range.va;
    }
    group.add(range.payload);
    if (range.end > end) end = range.end;
  }
  close();
  return found;
}

/** Findings about pairs, by index of the payload. */
function fights(judged: readonly Judged[]): Finding[][] {
  const found: Finding[][] = judged.map(() => []);
  const tell = (
    all: ReadonlyMap<string, readonly number[]>,
    word: (key: string, others: string) => Finding,
  ): void => {
    for (const [key, group] of all) {
      if (group.length < 2) continue;
      for (const i of group) found[i]?.push(word(key, others(judged, group, i)));
    }
  };
  const sameId = groups(judged, ({ row }) => (row.payload.build_id ? [row.payload.build_id] : []));
  tell(sameId, (key, files) => ({
    id: "same-build-id",
    severity: "warning",
    place: key,
    message: `It has the same build-id as ${files}: Xen takes only one of them (EEXIST).`,
    hint: "Link each payload with a build-id of its own; two names for one file are one payload.",
  }));
  tell(
    groups(judged, ({ claims }) => claims.names),
    (key, files) => ({
      id: "symbol-clash",
      severity: "warning",
      place: key,
      message: `It defines ${key}, and so does ${files}: the second is refused (EEXIST).`,
      hint: "Give local symbols names of their own, or strip them.",
    }),
  );
  const free = [...overlaps(judged)].filter(([, group]) => !stacked(judged, group));
  tell(new Map(free), (key, files) => ({
    id: "patches-same-code",
    severity: "warning",
    place: key,
    message: `It patches the same code as ${files}, and neither depends on the other.`,
    hint: "Make the later one depend on the build-id of the earlier one, or apply it by replace.",
  }));
  return found;
}

/** Each payload's findings, those about pairs included. */
export function withFights(judged: readonly Judged[]): Finding[][] {
  const pairs = fights(judged);
  return judged.map(({ row }, i) => limit([...row.findings, ...(pairs[i] ?? [])]));
}
