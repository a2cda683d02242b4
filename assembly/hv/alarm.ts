// Work that waits for something else and has a bound of its own: at the alarm whoever set it looks
// at what is late, and sets the next one. One time is kept, the earliest, as part of the machine.

import { header } from "./header";
import { run_alarm_hook } from "./hooks";
import { keep_refusal_of_call, restore_refusal_of_call } from "./refusal";

/** Somebody has to be woken at `ns` at the latest. */
export function set_alarm(ns: u64): void {
  const h = header();
  if (h.alarm_ns == 0 || ns < h.alarm_ns) h.alarm_ns = ns;
}

/** Wakes who is to be woken by now. False: nobody is. */
export function ring_alarm(): bool {
  const h = header();
  if (h.alarm_ns == 0 || h.time_ns < h.alarm_ns) return false;
  h.alarm_ns = 0;
  keep_refusal_of_call();
  run_alarm_hook();
  restore_refusal_of_call();
  return true;
}
