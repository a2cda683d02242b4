// `call`: runs a function of the hypervisor on a CPU and prints what it returns.

import type { CallResult } from "../call.js";
import type { Machine } from "../machine.js";
import { optionNumber, optionText, requireNumber } from "./arguments.js";
import type { Command, Options } from "./command.js";
import type { Context } from "./context.js";
import { hex } from "./format.js";
import { describeFault, faultRecord } from "./place.js";

/** `--cpu` and `--budget` as the library wants them. */
export function callOptions(options: Options): { cpu?: number; budget?: bigint } {
  const budget = optionText(options.budget, "--budget");
  return {
    ...(options.cpu === undefined ? {} : { cpu: optionNumber(options.cpu, "--cpu", 255, 0) }),
    ...(budget === undefined ? {} : { budget: requireNumber(budget, "--budget") }),
  };
}

/** Prints how a call ended; 1 when the function did not return. */
export async function showResult(
  ctx: Context,
  machine: Machine,
  result: CallResult,
  text?: string,
): Promise<number> {
  const { stop, rax, instructions, fault } = result;
  const more = fault ? { fault: faultRecord(fault) } : {};
  const string = text === undefined ? {} : { string: text };
  ctx.result({ stop, rax: hex(rax), ...string, instructions: hex(instructions), ...more });
  if (stop === "return") {
    ctx.print(text ?? hex(rax));
    return 0;
  }
  if (fault) {
    ctx.say(`xen-xsplice: ${await describeFault(machine, fault)}`);
    ctx.say("  Nothing catches this fault of the hypervisor: a real one would stop here.");
  } else {
    ctx.say(`xen-xsplice: stopped by ${stop} after ${instructions} instructions`);
    if (stop === "budget") ctx.say("  `--budget N` allows it more of them.");
  }
  return 1;
}

export const command: Command = {
  usage: "call <symbol> [...args]",
  options: [
    ["--cpu <n>", "on this CPU"],
    ["--budget <n>", "instructions at most"],
    ["--string", "print the C string that the result points to"],
  ],
  async run(ctx, [symbol = "", ...args], options) {
    const machine = await ctx.changing();
    const values = args.map((arg) => argumentValue(machine, arg));
    const result = machine.call(symbol, values, callOptions(options));
    const wanted = options.string === true && result.stop === "return";
    const text = wanted ? machine.readString(result.rax) : undefined;
    return showResult(ctx, machine, result, text);
  },
};

/** An argument: a number, or the address of a symbol. */
export function argumentValue(machine: Machine, text: string): bigint {
  return /^[-\d]/.test(text) ? requireNumber(text, "argument") : machine.symbols.resolve(text);
}
