// `peek`: memory as hex, 16 bytes to a line, with the letters beside them.

import { optionNumber } from "./arguments.js";
import type { Command } from "./command.js";
import { hex, hexBytes, spacedBytes } from "./format.js";
import { symbolOf } from "./place.js";

const LENGTH = 64;
const LENGTH_MAX = 1 << 24;
const ROW = 16;

/** The lines of a dump; `va` is the address of the first byte. */
export function dumpLines(bytes: Uint8Array, va: bigint): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = bytes.subarray(at, at + ROW);
    const letters = [...row].map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
    );
    const cells = spacedBytes(row).padEnd(3 * ROW - 1);
    lines.push(`${hex(va + BigInt(at))}  ${cells}  ${letters.join("")}`);
  }
  return lines;
}

export const command: Command = {
  usage: "peek <symbol> [len]",
  async run(ctx, [place = "", length]) {
    const size = optionNumber(length, "len", LENGTH_MAX, LENGTH);
    const machine = await ctx.machine();
    const va = machine.symbols.resolve(place);
    const bytes = machine.read(va, size);
    const symbol = symbolOf(machine, va);
    if (symbol !== "") ctx.print(`${symbol}:`);
    for (const line of dumpLines(bytes, va)) ctx.print(line);
    ctx.result({ va: hex(va), symbol, bytes: hexBytes(bytes) });
    return 0;
  },
};
