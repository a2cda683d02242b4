// `with -- <program> [arg…]`: runs an unmodified client of Xen's libraries against the machine in
// the file, and ends with the program's own exit code.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { ENOENT } from "../../assembly/abi.js";
import { REASON_PROGRAM } from "../../assembly/reasons.js";
import { errnoNumber, strerror } from "../errno.js";
import { XenError } from "../error.js";
import { type Command, UsageError } from "./command.js";
import { buildShim } from "./shim.js";

function runProgram(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [program = "", ...args] = words;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env });
    child.once("error", ({ code = "" }: NodeJS.ErrnoException) => {
      const errno = errnoNumber(code) ?? ENOENT;
      const operands = { name: program, other: strerror(errno) };
      reject(XenError.of(errno, REASON_PROGRAM, operands));
    });
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

export const command: Command = {
  usage: "with [...program]",
  async run(ctx, args, options) {
    const behind = (options as { readonly "--"?: readonly string[] })["--"] ?? [];
    const words = [...args, ...behind];
    if (words.length === 0)
      throw new UsageError("with needs a program: with -- xen-livepatch list");
    const { env } = ctx.io;
    const shim = buildShim(env);
    const machine = await ctx.changing();
    const directory = mkdtempSync(join(tmpdir(), "xen-xsplice-"));
    const socket = join(directory, "privcmd");
    const { serve } = await import("../serve/server.js");
    const serving = await serve(machine, socket, (error) => ctx.say(`with: ${error.message}`));
    try {
      const preload = env.LD_PRELOAD ? `${shim}:${env.LD_PRELOAD}` : shim;
      const exit = await runProgram(words, { ...env, LD_PRELOAD: preload, XSPLICE_SOCKET: socket });
      ctx.result({ program: words, exit });
      return exit;
    } finally {
      await serving.close();
      rmSync(directory, { recursive: true, force: true });
    }
  },
};
