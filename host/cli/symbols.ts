// `symbols`: the image's symbol table, and the RFC's report of functions that are too small for a
// trampoline (R186-R188). A pattern with * or ? must match the whole name, one without anywhere.

import type { ImageSymbol } from "../symbols.js";
import { optionText, requireNumber } from "./arguments.js";
import type { Command } from "./command.js";
import { columns, hex } from "./format.js";

/** Whether a name matches, as the shell has * and ?. */
export function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  if (!/[*?]/.test(pattern)) return (name) => name.includes(pattern);
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const whole = new RegExp(`^${escaped.replace(/\*/g, ".*").replace(/\?/g, ".")}$`);
  return (name) => whole.test(name);
}

const qualified = ({ name, file }: ImageSymbol): string => (file ? `${file}#${name}` : name);

export const command: Command = {
  usage: "symbols [pattern]",
  options: [["--smaller-than <n>", "only functions of fewer bytes"]],
  async run(ctx, [pattern], options) {
    const limit = optionText(options.smallerThan, "--smaller-than");
    const smaller = limit === undefined ? undefined : requireNumber(limit, "--smaller-than");
    const matches = matcher(pattern);
    const machine = await ctx.machine();
    const found = [...machine.symbols].filter((symbol) => {
      if (smaller !== undefined && (symbol.type !== "func" || symbol.size >= smaller)) return false;
      return matches(symbol.name) || (pattern?.includes("#") && matches(qualified(symbol)));
    });
    const rows = found.map((symbol) => [
      hex(symbol.va),
      `${symbol.size}`.padStart(6),
      `${symbol.room}`.padStart(6),
      symbol.type,
      symbol.bind,
      qualified(symbol),
    ]);
    const head = ["address", "  size", "  room", "type", "bind", "name"];
    for (const line of columns([head, ...rows])) ctx.print(line);
    ctx.result(
      found.map(({ name, va, size, type, file, room }) => ({
        name,
        va: hex(va),
        size: Number(size),
        type,
        ...(file === undefined ? {} : { file }),
        room: Number(room),
      })),
    );
    return 0;
  },
};
