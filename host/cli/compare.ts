// `compare`: a function before and after a payload, on the same state and for the same domain: what
// it returns, which functions it enters, what it writes to the hypervisor's and to the domain's
// memory. The machine is left as it is.

import { basename } from "node:path";
import { type Behaviour, type Comparison, compare } from "../compare.js";
import { createMachine } from "../create.js";
import type { Machine } from "../machine.js";
import { optionNumber, optionText, requireNumber } from "./arguments.js";
import { argumentValue } from "./call.js";
import { type Command, type Options, UsageError } from "./command.js";
import type { Context } from "./context.js";
import { bufferArgument } from "./hypercall.js";

const SAMPLES_MAX = 1_000_000;
const SHOWN = 10;

async function machineOf(ctx: Context, options: Options): Promise<Machine> {
  const image = optionText(options.image, "--image");
  if (image === undefined) return ctx.machine();
  const cpuFeatures = optionText(options.cpuFeatures, "--cpu-features");
  return createMachine({
    image: await ctx.readFile(image),
    label: basename(image),
    ...(cpuFeatures === undefined ? {} : { cpuFeatures }),
  });
}

/** A number, the address of a symbol, or `@N`: a buffer in the domain's memory. */
function argumentOf(machine: Machine, text: string): bigint | Uint8Array {
  return text.startsWith("@") ? bufferArgument(text) : argumentValue(machine, text);
}

function side(ctx: Context, name: string, what: Behaviour): void {
  const { stop, rax, fault, instructions, calls, memory, guest } = what;
  const result = stop === "return" ? rax : `${stop}${fault ? ` (${fault})` : ""}`;
  ctx.print(`  ${name}: ${result}, ${instructions} instructions`);
  if (calls.length > 0) ctx.print(`    enters ${calls.slice(0, SHOWN).join(", ")}`);
  for (const { va, symbol, value } of memory.slice(0, SHOWN)) {
    ctx.print(`    writes ${value} to ${symbol || va}`);
  }
  for (const { va, value } of guest.slice(0, SHOWN)) {
    ctx.print(`    writes ${value} to ${va} of the domain`);
  }
}

function print(ctx: Context, name: string, found: Comparison): void {
  const { samples, same, differences, changes, touched } = found;
  if (!touched) {
    const what = changes.length > SHOWN ? [...changes.slice(0, SHOWN), "…"] : changes;
    ctx.print(`The payload does not change ${name} itself, but ${what.join(", ") || "nothing"}.`);
  }
  for (const { args, differs, old, new: now } of differences.slice(0, SHOWN)) {
    ctx.print(`(${args.join(", ")}): ${differs.join(", ")}`);
    side(ctx, "old", old);
    side(ctx, "new", now);
  }
  if (differences.length > SHOWN) ctx.print(`… ${differences.length - SHOWN} more`);
  ctx.print(`${same} of ${samples} the same`);
}

export const command: Command = {
  usage: "compare <function> [...args]",
  options: [
    ["--payload <file>", "what replaces the function"],
    ["--image <elf>", "the hypervisor; without it the machine"],
    ["--cpu-features <list>", "the CPU that the image is booted on"],
    ["--samples <n>", "calls, all but the first with generated arguments"],
    ["--seed <n>", "of the generated arguments"],
    ["--budget <n>", "instructions of one call at most"],
  ],
  async run(ctx, [name = "", ...args], options) {
    const file = optionText(options.payload, "--payload");
    if (!file) throw new UsageError("compare needs --payload FILE");
    const seed = optionText(options.seed, "--seed");
    const budget = optionNumber(options.budget, "--budget", 0x7fffffff, 0);
    const samples = optionNumber(options.samples, "--samples", SAMPLES_MAX, 1);
    if (samples === 0) throw new UsageError("--samples: 0 calls compare nothing");
    const payload = await ctx.readFile(file);
    const machine = await machineOf(ctx, options);
    const values = args.map((arg) => argumentOf(machine, arg));
    const found = await compare(machine, payload, name, values, {
      samples,
      domain: ctx.domain,
      seed: seed === undefined ? 0n : requireNumber(seed, "--seed"),
      ...(budget === 0 ? {} : { budget }),
    });
    print(ctx, name, found);
    ctx.result(found);
    return 0;
  },
};
