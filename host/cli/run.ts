// `run`: lets the machine run: so many instructions, so much of its own time, or until nothing is
// left to do.

import { optionCount } from "./arguments.js";
import type { Command } from "./command.js";
import { hex } from "./format.js";
import { describeFault } from "./place.js";

const NS_PER_MS = 1_000_000n;
/** A century: no machine gets so old that its clock ends. */
const LONGEST = 3_000_000_000_000_000_000n;

export const command: Command = {
  usage: "run",
  options: [
    ["--instructions <n>", "instructions of all CPUs together"],
    ["--ms <n>", "milliseconds of virtual time"],
  ],
  async run(ctx, _args, options) {
    const instructions = optionCount(options.instructions, "--instructions", LONGEST);
    const ms = optionCount(options.ms, "--ms", LONGEST / NS_PER_MS);
    const limits = {
      ...(instructions === undefined ? {} : { instructions }),
      ...(ms === undefined ? {} : { ns: ms * NS_PER_MS }),
    };
    const machine = await ctx.changing();
    const { instructions: retired, timeNs, stop } = machine.run(limits);
    ctx.print(`${retired} instructions, ${timeNs} ns of virtual time (${stop})`);
    const crashed = machine.stacks().flatMap(({ cpu, fault }) => (fault ? [{ cpu, fault }] : []));
    for (const { cpu, fault } of stop === "fault" ? crashed : [])
      ctx.say(`xen-xsplice: CPU ${cpu} has stopped: ${await describeFault(machine, fault)}`);
    ctx.result({ instructions: hex(retired), time_ns: hex(timeNs), stop });
    return 0;
  },
};
