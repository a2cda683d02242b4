// `serve`: keeps a machine alive for many clients: programs linked with Xen's own libraries, run
// with the shim preloaded. Ends at SIGINT or SIGTERM, and saves the machine then.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileRefusal } from "../file_error.js";
import { optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";
import { buildShim } from "./shim.js";

/** Resolves at the first signal that asks for the end. */
function untilAsked(): Promise<string> {
  return new Promise((resolveSignal) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => resolveSignal(signal));
    }
  });
}

export const command: Command = {
  usage: "serve",
  options: [["--socket <path>", "where clients connect"]],
  async run(ctx, _args, options) {
    const chosen = optionText(options.socket, "--socket");
    if (!chosen) throw new UsageError("serve needs --socket PATH");
    const socket = resolve(chosen);
    if (existsSync(socket)) throw fileRefusal("EEXIST", socket);
    const shim = buildShim(ctx.io.env);
    const machine = await ctx.changing();
    const { serve } = await import("../serve/server.js");
    const ended = untilAsked();
    const serving = await serve(machine, socket, (error) => ctx.say(`serve: ${error.message}`));
    ctx.say(`xen-xsplice: serving ${machine.label} at ${socket}; a client is run as`);
    ctx.say(`  XSPLICE_SOCKET=${socket} LD_PRELOAD=${shim} xen-livepatch list`);
    await ended;
    await serving.close();
    ctx.result({ socket, image: machine.label });
    return 0;
  },
};
