// `stacks`: every CPU: what it does, where it is, what ended it or its guest, and the frames of its
// stack, numbered as refusals number them. Without `--stack-walk` they are found as the machine's
// own stack check finds them.

import type { CpuStack, Frame } from "../inspect.js";
import type { Machine } from "../machine.js";
import { optionStackWalk } from "./arguments.js";
import type { Command } from "./command.js";
import { hex } from "./format.js";
import { describe, describeFault, faultRecord } from "./place.js";

const KINDS: Readonly<Record<Frame["kind"], string>> = {
  return: "",
  interrupted: ", interrupted",
  maybe: ", maybe",
};

/** The frames as lines; a function that calls itself again and again takes one. */
function frameLines(machine: Machine, frames: readonly Frame[]): string[] {
  const lines: string[] = [];
  for (let first = 0, next = 0; first < frames.length; first = next) {
    const { va, kind } = frames[first] as Frame;
    while (frames[next]?.va === va && frames[next]?.kind === kind) next++;
    const numbers = next === first + 1 ? `#${next}` : `#${first + 1}-${next}`;
    lines.push(`  ${numbers.padEnd(3)} ${describe(machine, va)}${KINDS[kind]}`);
  }
  return lines;
}

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
  frames: frames.map((frame) => ({
    va: hex(frame.va),
    symbol: frame.symbol ?? "",
    at: hex(frame.at),
    kind: frame.kind,
  })),
  ...(fault && { fault: faultRecord(fault) }),
  ...(guestCrash && { guest_crash: { domain: guestCrash.domain, ...faultRecord(guestCrash) } }),
});

export const command: Command = {
  usage: "stacks",
  options: [["--stack-walk <how>", "scan: every word that points into code; or frames"]],
  async run(ctx, _args, options) {
    const walk = optionStackWalk(options.stackWalk);
    const machine = await ctx.machine();
    const stacks = machine.stacks(walk);
    for (const stack of stacks) {
      ctx.print(await line(machine, stack));
      for (const frame of frameLines(machine, stack.frames)) ctx.print(frame);
    }
    ctx.result(stacks.map(record));
    return 0;
  },
};
