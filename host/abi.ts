// The numbers of the border, from the one file that both compilers read, and the printed names that
// follow from the constants' own: REASON_OLD_CODE is `old-code`, PLACE_ELF_RELA is `elf-rela`,
// XSPLICE_STATUS_LOADED is `LOADED`, STOP_RETURN is `return`.

import * as numbers from "../assembly/abi.js";
import * as schedules from "../assembly/abi_schedules.js";
import * as reasons from "../assembly/reasons.js";

export * from "../assembly/abi.js";
export * from "../assembly/abi_schedules.js";
export * from "../assembly/abi_stacks.js";
export * from "../assembly/abi_today.js";
export * from "../assembly/reasons.js";

type Names = ReadonlyMap<number, string>;

/** Names of all constants with a prefix, the prefix left out. */
function namesOf(constants: object, prefix: string, shape: (word: string) => string): Names {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(constants)) {
    if (name.startsWith(prefix) && typeof value === "number") {
      names.set(value, shape(name.slice(prefix.length)));
    }
  }
  return names;
}

const kebab = (word: string): string => word.toLowerCase().replaceAll("_", "-");
const same = (word: string): string => word;

const REASONS = namesOf(reasons, "REASON_", kebab);
const PLACES = namesOf(reasons, "PLACE_", kebab);
const STEPS = namesOf(reasons, "STEP_", kebab);
const STATUSES = namesOf(numbers, "XSPLICE_STATUS_", same);
const STOPS = namesOf(numbers, "STOP_", kebab);
const VECTORS = namesOf(numbers, "VECTOR_", (word) => `#${word}`);

/** `barrier`, `stack` …: guards that a search may take out, and their bits. */
export const GUARDS: ReadonlyMap<string, number> = new Map(
  [...namesOf(schedules, "GUARD_", kebab)].map(([bit, name]) => [name, bit]),
);

/** Every reason code, `none` included. */
export const REASON_CODES: readonly number[] = [...REASONS.keys()];

/** `old-code` of REASON_OLD_CODE; `reason-999` of a number that this host does not know. */
export function reasonName(reason: number): string {
  return REASONS.get(reason) ?? `reason-${reason}`;
}

export function placeName(place: number): string {
  return PLACES.get(place) ?? `place-${place}`;
}

/** The operation that was refused: `upload`, `check`, `apply` … */
export function stepName(step: number): string {
  return STEPS.get(step) ?? `step-${step}`;
}

/** `LOADED` … of a status that is not negative; `unknown` of the holes (R139). */
export function statusName(status: number): string {
  return STATUSES.get(status) ?? "unknown";
}

/** `return`, `fault`, `budget`, `halt`. */
export function stopName(stop: number): string {
  return STOPS.get(stop) ?? `stop-${stop}`;
}

/** `#PF` … of an Intel SDM vector number. */
export function vectorName(vector: number): string {
  return VECTORS.get(vector) ?? `#${vector}`;
}
