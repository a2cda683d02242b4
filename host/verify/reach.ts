// Whether a patched function is reached at all, and whether something jumps into the bytes that are
// replaced. Found in the image alone; what is found by bytes is confirmed by decoding.

import type { Machine } from "../machine.js";
import type { Reference } from "./reference_search.js";
import type { References } from "./references.js";
import { type Finding, hex, type PatchRow } from "./row.js";

interface Place {
  readonly va: bigint;
  readonly end: bigint;
  readonly kind: string;
  readonly name: string;
  /** The function around it. */
  readonly start: bigint;
  readonly bodyEnd: bigint;
}

function placeOf(machine: Machine, patch: PatchRow): Place | undefined {
  const va = BigInt(patch.va);
  const near = machine.symbols.at(va);
  const { textStart, textEnd } = machine.info();
  if (!near || patch.size === 0 || va < textStart || va >= textEnd) return undefined;
  const { symbol } = near;
  return {
    va,
    end: va + BigInt(patch.size),
    kind: patch.kind,
    name: symbol.name,
    start: symbol.va,
    bodyEnd: symbol.va + symbol.size,
  };
}

function neverReached(
  machine: Machine,
  references: References,
  place: Place,
  into: readonly Reference[],
): Finding[] {
  const { start, bodyEnd, name } = place;
  if (place.kind !== "trampoline" || place.va - start > 4n) return [];
  if (into.some(({ to }) => to === start)) return [];
  const short = references.short(machine, start, start + 1n);
  if (short.some(({ from }) => from < start || from >= bodyEnd)) return [];
  return [
    {
      id: "never-reached",
      severity: "warning",
      place: `${name} (${hex(start)})`,
      message:
        `Nothing in the hypervisor calls, jumps to or points to ${name}: the compiler put its ` +
        "code into its callers, and the new function is never reached.",
      hint: "Patch the functions that it was inlined into.",
    },
  ];
}

/** Whether the byte at `at` is part of a branch to `to`, by decoding its function. */
function isBranch(machine: Machine, at: bigint, to: bigint): boolean {
  return machine.inside((core) => core.invoke("hv_branch_around", at, to)) !== 0n;
}

function enteredMidway(
  machine: Machine,
  references: References,
  place: Place,
  into: readonly Reference[],
): Finding[] {
  const { va, end, start, bodyEnd, name } = place;
  const inside = [...into.filter(({ to }) => to > va), ...references.short(machine, va + 1n, end)];
  for (const { from, to } of inside) {
    // The body behind a trampoline is dead.
    const dead = place.kind === "trampoline" && from >= start && from < bodyEnd;
    if (dead || (from >= va && from < end)) continue;
    if (!isBranch(machine, from, to)) continue;
    return [
      {
        id: "entered-midway",
        severity: "error",
        place: `${name} (${hex(to)})`,
        message:
          `${machine.symbols.nameOf(from) ?? hex(from)} jumps into the bytes that the patch ` +
          "replaces, behind their first one.",
        hint: "Patch the callers instead, or a place that nothing jumps into.",
      },
    ];
  }
  return [];
}

/** Findings about the places that a payload patches. */
export function reachFindings(
  machine: Machine,
  references: References,
  patches: readonly PatchRow[],
): Finding[] {
  const found: Finding[] = [];
  for (const patch of patches) {
    const place = placeOf(machine, patch);
    if (!place) continue;
    const near = place.va - place.start <= 4n ? place.start : place.va;
    const into = references.into(near, place.end);
    found.push(...neverReached(machine, references, place, into));
    found.push(...enteredMidway(machine, references, place, into));
  }
  return found;
}
