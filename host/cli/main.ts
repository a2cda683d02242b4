#!/usr/bin/env node
// The program `xen-xsplice`: hands the process's arguments, streams and environment to the command
// line and ends with its exit code.

import { runCli } from "./cli.js";

// A reader that has seen enough (`| head`) must not keep a command from finishing its work.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
});
