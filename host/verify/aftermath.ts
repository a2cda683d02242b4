// What a payload has left behind in the hypervisor after it was reverted and unloaded: its hooks may
// have stored pointers to itself, or changed variables.

import type { Machine } from "../machine.js";
import type { Checkpoint } from "./checkpoint.js";
import { type Finding, hex } from "./row.js";

const PAGE = 4096n;
const TOLD = 8;

interface Range {
  readonly va: bigint;
  readonly bytes: Uint8Array;
}

/** The image's mapped memory, in pieces. */
function readImage(machine: Machine): Range[] {
  const { imageStart, imageEnd } = machine.info();
  const mapped = (va: bigint): boolean =>
    machine.inside((core) => core.invoke("hv_read", -1, va, 1) >= 0);
  const spans: { va: bigint; end: bigint }[] = [];
  for (let va = imageStart - (imageStart % PAGE); va < imageEnd; va += PAGE) {
    if (!mapped(va)) continue;
    const last = spans.at(-1);
    if (last?.end === va) last.end += PAGE;
    else spans.push({ va, end: va + PAGE });
  }
  return spans.map(({ va, end }) => ({ va, bytes: machine.read(va, Number(end - va)) }));
}

interface Change {
  readonly va: bigint;
  readonly now: bigint;
}

/** Aligned words that differ. */
function changes(before: readonly Range[], after: readonly Range[]): Change[] {
  const found: Change[] = [];
  for (const [i, { va, bytes }] of after.entries()) {
    const old = before[i]?.bytes;
    if (!old || Buffer.compare(old, bytes) === 0) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const then = new DataView(old.buffer, old.byteOffset, old.byteLength);
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const now = view.getBigUint64(at, true);
      if (now !== then.getBigUint64(at, true)) found.push({ va: va + BigInt(at), now });
    }
  }
  return found;
}

function word(
  machine: Machine,
  { va, now }: Change,
  payload: { start: bigint; end: bigint },
): Finding {
  const name = machine.symbols.nameOf(va) ?? "";
  const place = name === "" ? hex(va) : `${name} (${hex(va)})`;
  const { textStart, textEnd } = machine.info();
  if (now >= payload.start && now < payload.end) {
    return {
      id: "pointer-survives-unload",
      severity: "error",
      place,
      message: `${name || hex(va)} still points into the payload (${hex(now)}) after it is unloaded.`,
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

/** Puts the machine back, and tells what was different. */
export function aftermath(
  machine: Machine,
  checkpoint: Checkpoint,
  payload: { readonly start: bigint; readonly end: bigint },
): Finding[] {
  const after = readImage(machine);
  checkpoint.restore();
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
