// `search`: enumerates CPU schedules around an apply or a revert, on a machine of its own, and
// checks after each step that patching is safe.

import { basename } from "node:path";
import { createMachine } from "../create.js";
import { search } from "../search/search.js";
import { optionNumber, optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";
import { hex } from "./format.js";

export const command: Command = {
  usage: "search <payload>",
  options: [
    ["--image <elf>", "the hypervisor; without it the embedded mini-Xen"],
    ["--cpus <n>", "number of CPUs, 2 or 3 (2)"],
    ["--bound <n>", "preemptions in one schedule (2)"],
    ["--action <name>", "apply or revert (apply)"],
    ["--workload <name>", "what the guests do meanwhile (storm)"],
    ["--quiesce <how>", "guest-entry or rendezvous"],
    ["--schedules <n>", "ends the search after so many (20000)"],
  ],
  async run(ctx, [file = ""], options) {
    const action = optionText(options.action, "--action") ?? "apply";
    if (action !== "apply" && action !== "revert")
      throw new UsageError(`--action: ${action} is neither apply nor revert`);
    const quiesce = optionText(options.quiesce, "--quiesce") ?? "guest-entry";
    if (quiesce !== "guest-entry" && quiesce !== "rendezvous")
      throw new UsageError(`--quiesce: ${quiesce} is neither guest-entry nor rendezvous`);
    const image = optionText(options.image, "--image");
    const payload = await ctx.readFile(file);
    const machine = await createMachine({
      ...(image === undefined ? {} : { image: await ctx.readFile(image), label: basename(image) }),
      cpus: optionNumber(options.cpus, "--cpus", 8, 2) || 2,
      workload: optionText(options.workload, "--workload") ?? "storm",
      quiesce,
    });
    const { failure, schedules, states, seconds, cut } = await search(machine, payload, {
      actions: [action],
      bound: optionNumber(options.bound, "--bound", 8, 2),
      schedules: optionNumber(options.schedules, "--schedules", 1_000_000_000, 20_000),
      onProgress: (so_far) =>
        process.stderr.write(`${so_far.schedules} schedules, ${so_far.states} states …\n`),
    });
    const took = `${schedules} schedules, ${states} states, ${seconds.toFixed(1)} s`;
    ctx.print(`${took}${cut ? " (ended by --schedules)" : ""}`);
    if (!failure) {
      ctx.print("No invariant was broken.");
      ctx.result({ schedules, states, seconds });
      return 0;
    }
    const { invariant, schedule, violation } = failure;
    ctx.print(`${invariant}: CPU ${violation.cpu} at ${hex(violation.va)}`);
    ctx.print(
      `schedule ${schedule.map(({ step, cpu }) => `${step}:${cpu}`).join(" ") || "(none)"}`,
    );
    ctx.result({ schedules, states, seconds, failure: { invariant, schedule } });
    return 1;
  },
};
