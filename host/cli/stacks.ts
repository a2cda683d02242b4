// `stacks`: every CPU: what it does, where it is, and the return addresses on its stack.

import type { Command } from "./command.js";
import { hex } from "./format.js";
import { describe } from "./place.js";

export const command: Command = {
  usage: "stacks",
  async run(ctx) {
    const machine = await ctx.machine();
    const stacks = machine.stacks();
    for (const { cpu, state, rip, frames } of stacks) {
      ctx.print(`CPU ${cpu}: ${state}${state === "idle" ? "" : `, rip ${describe(machine, rip)}`}`);
      for (const { va } of frames) ctx.print(`  ${describe(machine, va)}`);
    }
    ctx.result(
      stacks.map(({ cpu, state, rip, symbol, frames }) => ({
        cpu,
        state,
        rip: hex(rip),
        symbol: symbol ?? "",
        frames: frames.map((frame) => ({ va: hex(frame.va), symbol: frame.symbol ?? "" })),
      })),
    );
    return 0;
  },
};
