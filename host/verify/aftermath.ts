// What a payload has left behind in the hypervisor after it was reverted and unloaded: its hooks
// may have stored pointers to itself, or changed variables.

import type { Machine } from "../machine.js";
import { type Change, changes, type Range, readImage } from "./image_memory.js";
import { type Finding, hex } from "./row.js";

const TOLD = 8;

function word(machine: Machine, change: Change, payload: { start: bigint; end: bigint }): Finding {
  const { now } = change;
  const inside = now >= payload.start && now < payload.end;
  const va = inside ? change.va : change.at;
  const name = machine.symbols.nameOf(va) ?? "";
  const place = name === "" ? hex(va) : `${name} (${hex(va)})`;
  const { textStart, textEnd } = machine.info();
  if (inside) {
    return {
      id: "pointer-survives-unload",
      severity: "error",
      place,
      message: `${name || hex(va)} still points into the payload (${hex(now)}) after unloading.`,
      hint: "Take the pointer back in an unload hook.",
    };
  }
  if (va >= textStart && va < textEnd) {
    return {
      id: "code-left-changed",
      severity: "error",
      place,
      message: `Code at ${name || hex(va)} is not what it was before, although all is reverted.`,
      hint: "Do not write to code in hooks; let .livepatch.funcs do it.",
    };
  }
  return {
    id: "data-left-changed",
    severity: "note",
    place,
    message: `${name || hex(va)} was changed by a hook and is not put back by reverting.`,
    hint: "Put the value back in an unload hook if it must not stay.",
  };
}

export { readImage } from "./image_memory.js";

/**
 * Tells what is different.
 * @param machine put back to what it was before the payload
 * @param after the image's memory as the payload left it
 */
export function aftermath(
  machine: Machine,
  after: readonly Range[],
  payload: { readonly start: bigint; readonly end: bigint },
): Finding[] {
  const different = changes(readImage(machine), after);
  const findings = different.map((change) => word(machine, change, payload));
  // A variable of many words is told once.
  const seen = new Set<string>();
  return findings
    .filter(({ id, place }) => {
      const key = `${id} ${place.replace(/\+0x[0-9a-f]+ .*/, "").replace(/ \(.*/, "")}`;
      return !seen.has(key) && seen.add(key).size <= TOLD;
    })
    .slice(0, TOLD);
}
