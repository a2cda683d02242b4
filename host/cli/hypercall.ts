// `hypercall`: what a guest asks of the hypervisor, through the image's own hypercall table.
// Arguments are numbers; `@N` is a zeroed buffer of N bytes in the guest's memory, and what the
// hypervisor left in it is shown afterwards, as the guest would see it.

import { parseNumber, requireNumber } from "./arguments.js";
import { callOptions, showResult } from "./call.js";
import { type Command, UsageError } from "./command.js";
import { hexBytes } from "./format.js";
import { dumpLines } from "./peek.js";

const BUFFER_MAX = 65536n;

/** `@N`: N bytes, zero. */
export function bufferArgument(text: string): Uint8Array {
  const size = requireNumber(text.slice(1), "buffer");
  if (size === 0n || size > BUFFER_MAX)
    throw new UsageError(`${text}: a buffer has 1 to ${BUFFER_MAX} bytes`);
  return new Uint8Array(Number(size));
}

function argument(text: string): bigint | Uint8Array {
  return text.startsWith("@") ? bufferArgument(text) : requireNumber(text, "argument");
}

export const command: Command = {
  usage: "hypercall <name> [...args]",
  options: [
    ["--cpu <n>", "on this CPU"],
    ["--budget <n>", "instructions at most"],
  ],
  async run(ctx, [name = "", ...texts], options) {
    const args = texts.map(argument);
    const number = parseNumber(name);
    const machine = await ctx.changing();
    const result = machine.hypercall(number ?? name, args, {
      ...callOptions(options),
      domain: ctx.domain,
    });
    const code = await showResult(ctx, machine, result);
    const buffers = args.filter((arg) => arg instanceof Uint8Array);
    for (const buffer of buffers) for (const line of dumpLines(buffer, 0n)) ctx.print(line);
    if (buffers.length > 0) ctx.extend({ buffers: buffers.map(hexBytes) });
    return code;
  },
};
