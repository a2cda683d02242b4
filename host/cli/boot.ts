// `boot`: a fresh machine in place of the one in the file.

import { createMachine } from "../create.js";
import {
  MACHINE_OPTIONS,
  machineOptions,
  SECURITY_OPTIONS,
  securityOptions,
} from "./boot_options.js";
import type { Command } from "./command.js";
import { showInfo } from "./info.js";

export const command: Command = {
  usage: "boot",
  options: [
    ...MACHINE_OPTIONS,
    ...SECURITY_OPTIONS,
    ["--bug-trampoline", "a trap in every body that a trampoline leaves behind"],
  ],
  async run(ctx, _args, options) {
    const machine = await createMachine({
      ...(await machineOptions(ctx, options)),
      ...(await securityOptions(ctx, options)),
      bugTrampoline: options.bugTrampoline === true,
    });
    await ctx.boot(machine);
    showInfo(ctx, machine);
    return 0;
  },
};
