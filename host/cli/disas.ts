// `disas`: disassembly. What a payload has changed is marked, with what stood there before; the
// rest of an instruction that a trampoline has cut is shown as the stale bytes that it is; and the
// code that the trampolines lead to follows.

import { disassemble, type Instruction, type Readable } from "../disasm.js";
import type { Machine } from "../machine.js";
import type { Patched } from "../map.js";
import { optionNumber } from "./arguments.js";
import type { Command } from "./command.js";
import { columns, hex, hexBytes, spacedBytes } from "./format.js";
import { describe, payloadAt } from "./place.js";

const COUNT = 16;
const COUNT_MAX = 100_000;
/** Instructions shown behind a trampoline. */
const BEHIND = 4;
/** Bytes of the longest instruction. */
const LONGEST = 15;

const touches = ({ va, size }: Patched, at: bigint, length: number): boolean =>
  at < va + BigInt(size) && va < at + BigInt(length);

/** Lines of instructions: address, bytes, text. */
export function codeLines(
  code: readonly Instruction[],
  mark: (i: Instruction) => string,
): string[] {
  return columns(
    code.map((i) => {
      const note = mark(i);
      const where = i.symbol === undefined ? "" : `<${i.symbol}>`;
      const text = note === "" ? i.text : `${i.text}    # ${note}`;
      return [hex(i.va), where, spacedBytes(i.bytes), text];
    }),
  );
}

/** The memory as it was before some patches, given in order of application. */
function unpatched(machine: Machine, patches: readonly Patched[]): Readable {
  const read = (at: bigint, length: number): Uint8Array => {
    const bytes = machine.read(at, length);
    for (const { va, old } of [...patches].reverse()) {
      for (let i = 0; i < old.length; i++) {
        const to = Number(va - at) + i;
        if (to >= 0 && to < length) bytes[to] = old[i] ?? 0;
      }
    }
    return bytes;
  };
  return { read, symbols: machine.symbols };
}

/** Instructions from `va` on until `size` bytes are covered. */
async function covering(source: Readable, va: bigint, size: number): Promise<Instruction[]> {
  const found: Instruction[] = [];
  for (let at = va; at < va + BigInt(size); ) {
    const [i] = await disassemble(source, at, 1);
    if (!i) break;
    found.push(i);
    at += BigInt(i.bytes.length);
  }
  return found;
}

/** Old instructions that are shown beside a patch. */
const WAS = 8;

/** The instructions that a patch has overwritten, in whole or in part, as they were. */
export async function before(machine: Machine, patch: Patched): Promise<string> {
  const code = await covering(unpatched(machine, [patch]), patch.va, patch.old.length);
  return code
    .slice(0, WAS)
    .map(({ text }) => text)
    .join("; ");
}

/** Bytes behind a trampoline that are no instruction: the rest of the one that it cut (K22). */
interface Stale {
  readonly va: bigint;
  readonly size: number;
  /** The instruction that they belonged to. */
  readonly of: string;
}

/** @param from a place that is disassembled, and `length` how far it may reach */
async function staleBytes(
  machine: Machine,
  map: readonly Patched[],
  from: bigint,
  length: number,
): Promise<Stale[]> {
  const stale: Stale[] = [];
  for (const patch of map) {
    const { va, size } = patch;
    const end = va + BigInt(size);
    if (patch.kind !== "trampoline" || end < from || va > from + BigInt(length)) continue;
    const since = map.filter(({ order }) => order >= patch.order);
    const last = (await covering(unpatched(machine, since), va, size)).at(-1);
    const rest = last ? Number(last.va + BigInt(last.bytes.length) - end) : 0;
    if (!last || rest <= 0 || map.some((other) => touches(other, end, rest))) continue;
    if (!stale.some((known) => known.va === end))
      stale.push({ va: end, size: rest, of: last.text });
  }
  return stale;
}

/** Disassembles with stale bytes as what they are. */
async function decodeAround(
  machine: Machine,
  start: bigint,
  count: number,
  stale: readonly Stale[],
): Promise<Instruction[]> {
  const code: Instruction[] = [];
  for (let at = start; code.length < count; ) {
    const rest = stale.find(({ va }) => va === at);
    const ahead = stale.map(({ va }) => va).filter((va) => va > at);
    const bytes = rest && machine.read(at, rest.size);
    const next = bytes
      ? [{ va: at, bytes, text: byteText(bytes), symbol: machine.symbols.nameOf(at) }]
      : await machine.decode(at, ahead.length === 0 ? count - code.length : 1);
    code.push(...next);
    const last = next.at(-1);
    if (!last) break;
    at = last.va + BigInt(last.bytes.length);
  }
  return code;
}

const byteText = (bytes: Uint8Array): string =>
  `.byte ${[...bytes].map((byte) => hex(byte)).join(", ")}`;

export const command: Command = {
  usage: "disas <symbol> [count]",
  async run(ctx, [place = "", wanted]) {
    const count = optionNumber(wanted, "count", COUNT_MAX, COUNT);
    const machine = await ctx.machine();
    const map = machine.map();
    const start = machine.symbols.resolve(place);
    const stale = await staleBytes(machine, map, start, LONGEST * count);
    const code = await decodeAround(machine, start, count, stale);
    const staleAt = (i: Instruction): Stale | undefined => stale.find(({ va }) => va === i.va);
    const patchOf = (i: Instruction): Patched | undefined =>
      map.findLast((patch) => touches(patch, i.va, i.bytes.length));
    const marks = new Map<Instruction, string>();
    for (const i of code) {
      const rest = staleAt(i);
      if (rest) marks.set(i, `stale: the rest of ${rest.of}`);
      const patch = patchOf(i);
      if (!patch) continue;
      const first = touches(patch, i.va, 1) && i.va === patch.va;
      const was = first ? `, was: ${await before(machine, patch)}` : "";
      marks.set(i, `${patch.kind} of ${patch.owner}${was}`);
    }
    for (const line of codeLines(code, (i) => marks.get(i) ?? "")) ctx.print(line);
    for (const { va, target, owner } of map.filter((patch) =>
      code.some((i) => i.va === patch.va && patchOf(i) === patch),
    )) {
      if (target === undefined) continue;
      ctx.print(`\nbehind ${describe(machine, va)}, in payload ${owner}:`);
      for (const line of codeLines(await machine.decode(target, BEHIND), () => "")) ctx.print(line);
    }
    ctx.result(
      code.map((i) => {
        const owner = patchOf(i)?.owner ?? payloadAt(machine, i.va);
        return {
          va: hex(i.va),
          bytes: hexBytes(i.bytes),
          text: i.text,
          symbol: i.symbol ?? "",
          ...(owner === undefined ? {} : { owner }),
          ...(staleAt(i) ? { stale: true } : {}),
        };
      }),
    );
    return 0;
  },
};
