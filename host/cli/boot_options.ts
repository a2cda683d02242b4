// How a machine is booted, as options of a command line: all of them for `boot`, those of a machine
// of its own for `search`.

import { basename } from "node:path";
import { CPU_PRESETS } from "../cpu_profile.js";
import type { MachineOptions } from "../create.js";
import { own } from "../own.js";
import { parsePolicy } from "../policy.js";
import { WORKLOADS } from "../workloads.js";
import { optionNumber, optionStackWalk, optionText, requireNumber } from "./arguments.js";
import { type Options, UsageError } from "./command.js";
import type { Context } from "./context.js";
import { readKeys } from "./keys.js";

type Row = readonly [string, string];

function optionCpus(value: Options[string]): number | undefined {
  if (value === undefined) return undefined;
  const cpus = optionNumber(value, "--cpus", 256, 0);
  if (cpus === 0) throw new UsageError("--cpus: 0 is not between 1 and 256");
  return cpus;
}

/** What the machine is and what its CPUs do. */
export const MACHINE_OPTIONS: readonly Row[] = [
  ["--image <elf>", "the hypervisor; without it the embedded mini-Xen"],
  ["--cpus <n>", "number of CPUs"],
  ["--seed <n>", "seed of the scheduler"],
  ["--workload <name>", `what the guests do: ${Object.keys(WORKLOADS).join(", ")}`],
  ["--entries <whose>", "image or machine: whose code guests enter by, if its note is wrong"],
  ["--quiesce <how>", "guest-entry or rendezvous: where CPUs wait for a patch"],
  ["--stack-walk <how>", "scan or frames: how stacks are searched for code that changes"],
  [
    "--cpu-features <list>",
    `the CPU it is booted on: ${Object.keys(CPU_PRESETS).join(", ")}, or feature bits`,
  ],
  ["--payload-base <addr>", "where payloads go"],
];

/** Who may do what with it. */
export const SECURITY_OPTIONS: readonly Row[] = [
  ["--require-signature", "upload signed payloads only"],
  ["--keys <dir>", "certificates and public keys that may sign payloads"],
  ["--policy <file>", "who may make which sysctl"],
];

/** The value of MACHINE_OPTIONS. */
export async function machineOptions(ctx: Context, options: Options): Promise<MachineOptions> {
  const image = optionText(options.image, "--image");
  const base = optionText(options.payloadBase, "--payload-base");
  const seed = optionText(options.seed, "--seed");
  const quiesce = optionText(options.quiesce, "--quiesce") ?? "guest-entry";
  if (quiesce !== "guest-entry" && quiesce !== "rendezvous")
    throw new UsageError(`--quiesce: ${quiesce} is neither guest-entry nor rendezvous`);
  const workload = optionText(options.workload, "--workload");
  if (workload !== undefined && own(WORKLOADS, workload) === undefined)
    throw new UsageError(
      `--workload: "${workload}" is none of ${Object.keys(WORKLOADS).join(", ")}`,
    );
  const entries = optionText(options.entries, "--entries");
  if (entries !== undefined && entries !== "image" && entries !== "machine")
    throw new UsageError(`--entries: ${entries} is neither image nor machine`);
  return {
    ...(image === undefined ? {} : { image: await ctx.readFile(image), label: basename(image) }),
    cpus: optionCpus(options.cpus),
    seed: seed === undefined ? undefined : requireNumber(seed, "--seed"),
    cpuFeatures: optionText(options.cpuFeatures, "--cpu-features"),
    payloadBase: base === undefined ? undefined : requireNumber(base, "--payload-base"),
    workload,
    entries,
    quiesce,
    stackWalk: optionStackWalk(options.stackWalk),
  };
}

/** The value of SECURITY_OPTIONS. */
export async function securityOptions(ctx: Context, options: Options): Promise<MachineOptions> {
  const policy = optionText(options.policy, "--policy");
  const keys = optionText(options.keys, "--keys");
  return {
    requireSignature: options.requireSignature === true,
    ...(keys === undefined ? {} : { keys: readKeys(keys).map(({ der }) => der) }),
    ...(policy === undefined
      ? {}
      : { policy: parsePolicy(Buffer.from(await ctx.readFile(policy)).toString("utf8")) }),
  };
}
