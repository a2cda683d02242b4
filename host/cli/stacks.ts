// `stacks`: every CPU: what it does, where it is, what ended it or its guest, and the return
// addresses on its stack.

import type { CpuStack } from "../inspect.js";
import type { Machine } from "../machine.js";
import type { Command } from "./command.js";
import { hex } from "./format.js";
import { describe, describeFault, faultRecord } from "./place.js";

async function line(machine: Machine, stack: CpuStack): Promise<string> {
  const { cpu, state, rip, fault, guestCrash } = stack;
  const where = state === "idle" ? "" : `, rip ${describe(machine, rip)}`;
  const stopped = fault ? `, stopped by ${await describeFault(machine, fault)}` : "";
  if (!guestCrash) return `CPU ${cpu}: ${state}${where}${stopped}`;
  const { domain } = guestCrash;
  const how = await describeFault(machine, guestCrash, domain);
  return `CPU ${cpu}: ${state}${where}${stopped}, its guest of domain ${domain} crashed: ${how}`;
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
      ctx.print(await line(machine, stack));
      for (const { va } of stack.frames) ctx.print(`  ${describe(machine, va)}`);
    }
    ctx.result(stacks.map(record));
    return 0;
  },
};
