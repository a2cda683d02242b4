// `console`: what the hypervisor has printed, as far as its ring reaches back.

import type { Command } from "./command.js";

export const command: Command = {
  usage: "console",
  async run(ctx) {
    const lines = (await ctx.machine()).console();
    for (const line of lines) ctx.print(line);
    ctx.result(lines);
    return 0;
  },
};
