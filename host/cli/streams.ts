// The process's streams. A reader that has seen enough (`| head`) must not keep a command from
// finishing its work; output that cannot be written for any other reason, as on a full disk, is a
// failure, and said where that is still possible.

import { EXIT_REFUSED } from "./command.js";
import type { Io } from "./context.js";

/** The outside world of this process. */
export function processIo(program: string): Io {
  let failed = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", ({ code, message }: NodeJS.ErrnoException) => {
      if (code === "EPIPE" || failed) return;
      failed = true;
      const what = `the output could not be written: ${message}`;
      process.stderr.write(`${program}: ${what} [${code}, output]\n`);
    });
  }
  process.on("exit", () => {
    if (failed && !process.exitCode) process.exitCode = EXIT_REFUSED;
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
  };
}
