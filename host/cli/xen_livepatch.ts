#!/usr/bin/env node
// The program `xen-livepatch`: the commands of Xen 4.17's tool on the machine in the file. In front
// of the command it takes what a machine in a file needs: -m FILE, --json, --domain N.

import { parseArgs } from "node:util";
import { EXIT_USAGE } from "./command.js";
import { Context, type Io } from "./context.js";
import { report } from "./failure.js";
import { runWords } from "./livepatch/commands.js";
import { processIo } from "./streams.js";

const OPTIONS = {
  machine: { type: "string", short: "m" },
  json: { type: "boolean" },
  domain: { type: "string" },
} as const;

/** Splits off our own options: those before the first word that is none. */
function split(argv: readonly string[]): { own: string[]; words: string[] } {
  let end = 0;
  while (argv[end]?.startsWith("-")) {
    end += /^(-m|--machine|--domain)$/.test(argv[end] as string) ? 2 : 1;
  }
  return { own: argv.slice(0, end), words: argv.slice(end) };
}

/** Runs one command line and returns its exit code. Never throws. */
export async function runLivepatch(argv: readonly string[], io: Io): Promise<number> {
  const { own, words } = split(argv);
  let values: { machine?: string; json?: boolean; domain?: string };
  try {
    ({ values } = parseArgs({ args: own, options: OPTIONS }));
  } catch (error) {
    io.err(`xen-livepatch: ${(error as Error).message}\n`);
    return EXIT_USAGE;
  }
  const ctx = new Context(io, values.json === true);
  ctx.configure({ machine: values.machine, domain: values.domain });
  let code: number;
  try {
    code = await runWords(ctx, words);
    await ctx.close(true);
  } catch (error) {
    const known = report(ctx, error, false);
    code = known.exit;
    await ctx.close(known.save);
  }
  ctx.flush();
  return code;
}

process.exitCode = await runLivepatch(process.argv.slice(2), processIo("xen-livepatch"));
