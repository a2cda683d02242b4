// `stacks`: every CPU: what it does, where it is, what ended it or its guest, and the return
// addresses on its stack.

import type { CpuStack } from "../inspect.js";
import type { Machine } from "../machine.js";
import type { Command } from "./command.js";
import { hex } from "./format.js";
import { describe, describeFault, faultRecord } from "./place.js";

function line(machine: Machine, { cpu, state, rip, fault, guestCrash }: CpuStack): string {
  const where = state === "idle" ? "" : `, rip ${describe(machine, rip)}`;
  const stopped = fault ? `, stopped by ${describeFault(machine, fault)}` : "";
  const lost = guestCrash
    ? `, its guest of domain ${guestCrash.domain} crashed: ${describeFault(machine, guestCrash)}`
    : "";
  return `CPU ${cpu}: ${state}${where}${stopped}${lost}`;
}

const record = ({ cpu, state, rip, symbol, frames, fault, guestCrash }: CpuStack) => ({
  cpu,
  state,
  rip: hex(rip),
  symbol: symbol ?? "",
  frames: frames.map((frame) => ({ va: hex(frame.va), symbol: frame.symbol ?? "" })),
  ...(fault && { fault: faultRecord(fault) }),
  ...(guestCrash && { guest_crash: { domain: guestCrash.domain, ...faultRecord(guestCrash) } }),
});

export const command: Command = {
  usage: "stacks",
  async run(ctx) {
    const machine = await ctx.machine();
    const stacks = machine.stacks();
    for (const stack of stacks) {
      ctx.print(line(machine, stack));
      for (const { va } of stack.frames) ctx.print(`  ${describe(machine, va)}`);
    }
    ctx.result(stacks.map(record));
    return 0;
  },
};
