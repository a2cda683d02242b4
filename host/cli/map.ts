// `map`: what is patched now, in the order of addresses: where, by whom, how, what was there and
// what is.

import type { Command } from "./command.js";
import { hex, hexBytes, spacedBytes } from "./format.js";
import { describe } from "./place.js";

const SHOWN = 16;

/** The first bytes of a range, for people. */
function some(bytes: Uint8Array): string {
  const text = spacedBytes(bytes.subarray(0, SHOWN));
  return bytes.length > SHOWN ? `${text} … (${bytes.length} bytes)` : text;
}

export const command: Command = {
  usage: "map",
  async run(ctx) {
    const machine = await ctx.machine();
    const patched = machine.map();
    if (patched.length === 0) ctx.print("Nothing is patched.");
    for (const { va, size, owner, kind, order, old, new: now, target } of patched) {
      const to = target === undefined ? "" : ` -> ${describe(machine, target)}`;
      ctx.print(
        `${describe(machine, va)}: ${size} bytes, ${kind} by ${owner}, order ${order}${to}`,
      );
      ctx.print(`  old ${some(old)}`);
      ctx.print(`  new ${some(now)}`);
    }
    ctx.result(
      patched.map(({ va, size, owner, kind, order, old, new: now, target }) => ({
        va: hex(va),
        size,
        owner,
        kind,
        old: hexBytes(old),
        new: hexBytes(now),
        ...(target === undefined ? {} : { target: hex(target) }),
        order: Number(order),
        symbol: machine.symbols.nameOf(va) ?? "",
      })),
    );
    return 0;
  },
};
