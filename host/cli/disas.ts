// `disas`: disassembly. What a payload has changed is marked, with what stood there before; a
// trampoline is followed by the code behind it.

import { disassemble, type Instruction } from "../disasm.js";
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

/** The instructions that a patch has overwritten, in whole or in part, as they were. */
export async function before(machine: Machine, { va, old }: Patched): Promise<string> {
  const read = (at: bigint, length: number): Uint8Array => {
    const bytes = machine.read(at, length);
    const from = Number(at - va);
    bytes.set(old.subarray(from, from + length));
    return bytes;
  };
  const texts: string[] = [];
  for (let at = 0; at < old.length && texts.length < 8; ) {
    const [i] = await disassemble({ read, symbols: machine.symbols }, va + BigInt(at), 1);
    if (!i) break;
    texts.push(i.text);
    at += i.bytes.length;
  }
  return texts.join("; ");
}

export const command: Command = {
  usage: "disas <symbol> [count]",
  async run(ctx, [place = "", wanted]) {
    const count = optionNumber(wanted, "count", COUNT_MAX, COUNT);
    const machine = await ctx.machine();
    const code = await machine.decode(place, count);
    const map = machine.map();
    const patchOf = (i: Instruction): Patched | undefined =>
      map.findLast((patch) => touches(patch, i.va, i.bytes.length));
    const marks = new Map<Instruction, string>();
    for (const i of code) {
      const patch = patchOf(i);
      if (!patch) continue;
      const first = touches(patch, i.va, 1) && i.va === patch.va;
      const was = first ? `, was: ${await before(machine, patch)}` : "";
      marks.set(i, `${patch.kind} of ${patch.owner}${was}`);
    }
    for (const line of codeLines(code, (i) => marks.get(i) ?? "")) ctx.print(line);
    for (const { va, target, owner } of map.filter((patch) =>
      code.some((i) => i.va === patch.va),
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
        };
      }),
    );
    return 0;
  },
};
