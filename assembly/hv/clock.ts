// Virtual time: one retired instruction is one nanosecond, and an idle machine jumps to its next
// event. No other clock exists, so that the same calls always see the same time.

import { header } from "./header";

/** Three centuries: no machine is that old, and no sum of times below it wraps. */
export const TIME_MAX: u64 = 1 << 63;


@inline
export function time_ns(): u64 {
  return header().time_ns;
}

/** Accounts for instructions that a CPU has retired. */
export function advance(instructions: u64): void {
  const h = header();
  h.retired += instructions;
  h.time_ns += instructions;
}

/** Nothing to run until `ns`: time goes there at once, never back. */
export function skip_to(ns: u64): void {
  const h = header();
  if (ns > h.time_ns) h.time_ns = ns;
}
