// `callers <symbol>`: every call and jump in the image that reaches a function's first byte, by
// disassembly. The memory is that of the boot: what patches have changed since is put back first.
// People are told about pointers to it, too, as they are now.

import { type CodeRange, findCallers } from "../elf/callers.js";
import { XenError } from "../error.js";
import type { Machine } from "../machine.js";
import type { Command } from "./command.js";
import { columns, hex } from "./format.js";
import { symbolOf } from "./place.js";

/** Memory of the hypervisor, or nothing where none is mapped, as where `.init` was dropped. */
function readIfMapped(machine: Machine, va: bigint, size: number): Uint8Array | undefined {
  try {
    return machine.read(va, size);
  } catch (error) {
    if (error instanceof XenError && error.reason === "bad-address") return undefined;
    throw error;
  }
}

const larger = (a: bigint, b: bigint): bigint => (a < b ? b : a);

/** Puts back what patches have changed in a range, the newest first. */
function unpatch(machine: Machine, { va, bytes }: CodeRange): void {
  const newestFirst = machine.map().sort((a, b) => Number(b.order - a.order));
  for (const patch of newestFirst) {
    const at = Number(patch.va - va);
    for (const [i, byte] of patch.old.entries())
      if (at + i >= 0 && at + i < bytes.length) bytes[at + i] = byte;
  }
}

/** The image's functions with the padding behind them, neighbours joined. */
function codeAsBooted(machine: Machine): { ranges: CodeRange[]; starts: bigint[] } {
  const { textStart, textEnd } = machine.info();
  const functions = [...machine.symbols].filter(
    ({ va, type }) => type !== "object" && va >= textStart && va < textEnd,
  );
  const spans: { va: bigint; end: bigint }[] = [];
  for (const { va, size, room } of functions) {
    const end = larger(va + size, va + room);
    const last = spans.at(-1);
    if (last && va <= last.end) last.end = larger(end, last.end);
    else spans.push({ va, end });
  }
  const ranges = spans.flatMap(({ va, end }) => {
    const bytes = readIfMapped(machine, va, Number(end - va));
    return bytes ? [{ va, bytes }] : [];
  });
  for (const range of ranges) unpatch(machine, range);
  return { ranges, starts: functions.map(({ va }) => va) };
}

const PAGE = 4096n;
const SHOWN = 8;

/** Words of the image's data that hold an address: branches that no disassembly sees go by them. */
function pointersTo(machine: Machine, target: bigint): string[] {
  const { imageStart, imageEnd } = machine.info();
  const found: string[] = [];
  for (let page = imageStart & ~(PAGE - 1n); page < imageEnd; page += PAGE) {
    const bytes = readIfMapped(machine, page, Number(PAGE));
    if (!bytes) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) {
      if (view.getBigUint64(at, true) !== target) continue;
      const va = page + BigInt(at);
      found.push(symbolOf(machine, va) || hex(va));
    }
  }
  return found.length > SHOWN ? [...found.slice(0, SHOWN), `${found.length - SHOWN} more`] : found;
}

export const command: Command = {
  usage: "callers <symbol>",
  async run(ctx, [place = ""]) {
    const machine = await ctx.machine();
    const target = machine.symbols.resolve(place);
    const { ranges, starts } = codeAsBooted(machine);
    const found = findCallers(ranges, starts, target);
    const rows = found.map(({ va, kind }) => [hex(va), kind, symbolOf(machine, va)]);
    for (const line of columns(rows)) ctx.print(line);
    if (found.length === 0) ctx.print(`Nothing branches to ${symbolOf(machine, target)}.`);
    const pointers = pointersTo(machine, target);
    if (pointers.length > 0) ctx.print(`Pointers to it: ${pointers.join(", ")}`);
    ctx.result(found.map(({ va, kind }) => ({ va: hex(va), symbol: symbolOf(machine, va), kind })));
    return 0;
  },
};
