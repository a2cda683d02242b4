// The command line: finds the command (the RFC's prefix rule), loads it, lets cac check the
// arguments against the command's own usage line, runs it, saves the machine, and turns whatever
// went wrong into words and an exit code, in one place. Spec: cli.md "Rules"; R152-R159, K46,
// K50.

import { cac } from "cac";
import { matchCommand, protect, RFC_COMMANDS, splitCommand, unprotect } from "./arguments.js";
import { type Command, EXIT_REFUSED, EXIT_USAGE, type Options, UsageError } from "./command.js";
import { Context, type Io } from "./context.js";
import { report } from "./failure.js";
import { COMMANDS } from "./registry.js";

export const PROGRAM = "xen-xsplice";

/** Options of every command. */
const COMMON: readonly (readonly [string, string])[] = [
  ["-m, --machine <file>", "the machine's file"],
  ["--json", "print one JSON value"],
  ["--no-color", "no colour"],
  ["--domain <n>", "the domain that makes the sysctl (0)"],
  ["--time <ms>", "upper bound of the action, 0 = none"],
  ["--exact", "no prefixes of commands"],
  ["-h, --help", "show this"],
];

function showHelp(ctx: Context, { usage, options = [] }: Command, summary: string): void {
  const rows = [...options, ...COMMON];
  const width = Math.max(...rows.map(([flags]) => flags.length));
  ctx.say(`Usage: ${PROGRAM} ${usage}`);
  ctx.say(summary);
  for (const [flags, text] of rows) ctx.say(`  ${flags.padEnd(width)}  ${text}`);
}

async function execute(
  ctx: Context,
  command: Command,
  name: string,
  rest: readonly string[],
): Promise<number> {
  const summary = COMMANDS.get(name)?.summary ?? "";
  const program = cac(PROGRAM);
  const registered = program.command(command.usage, "");
  for (const [flags, text] of [...(command.options ?? []), ...COMMON])
    registered.option(flags, text);
  let code: number | undefined;
  registered.action(async (...values: unknown[]) => {
    const options = unprotect(values.at(-1)) as Options;
    ctx.configure(options);
    if (options.help === true) {
      showHelp(ctx, command, summary);
      return;
    }
    const args = unprotect(values.slice(0, -1).flat()) as (string | undefined)[];
    code = await command.run(
      ctx,
      args.filter((value) => value !== undefined),
      options,
    );
  });
  program.parse(["node", PROGRAM, name, ...protect(rest)], { run: false });
  if (program.options.help === true) showHelp(ctx, command, summary);
  else await program.runMatchedCommand();
  return code ?? 0;
}

async function dispatch(ctx: Context, argv: readonly string[]): Promise<number> {
  const { word, rest } = splitCommand(argv);
  const usage = async (): Promise<Command> => (await import("./help.js")).command;
  if (word === undefined) {
    // R154: nothing at all is a question; options alone are a mistake.
    const asked = argv.length === 0 || argv.some((text) => text === "-h" || text === "--help");
    await (await usage()).run(ctx, [], {});
    return asked ? 0 : EXIT_USAGE;
  }
  const match = matchCommand(word, new Set(COMMANDS.keys()), argv.includes("--exact"));
  if (!match) {
    const message = `Unrecognised command '${word}' -- try '${PROGRAM} help'`;
    ctx.say(message);
    const error = { errno: "EINVAL", code: -22, reason: "unknown-command", message };
    ctx.result({ error });
    return EXIT_REFUSED;
  }
  const { name, others } = match;
  if (others.length > 0)
    ctx.say(`${PROGRAM}: '${word}' taken as '${name}'; it could be ${others.join(" or ")}`);
  const entry = COMMANDS.get(name);
  if (!entry) throw new UsageError(`no command ${name}`);
  return execute(ctx, (await entry.load()).command, name, rest);
}

/** Runs one command line and returns its exit code. Never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const end = argv.indexOf("--");
  const json = (end < 0 ? argv : argv.slice(0, end)).includes("--json");
  const ctx = new Context(io, json);
  const rfc = (RFC_COMMANDS as readonly string[]).some((name) => argv.includes(name));
  let code: number;
  try {
    try {
      code = await dispatch(ctx, argv);
    } catch (error) {
      const known = report(ctx, error, rfc);
      await ctx.close(known.save);
      ctx.flush();
      return known.exit;
    }
    await ctx.close(true);
  } catch (error) {
    code = report(ctx, error, rfc).exit;
  }
  ctx.flush();
  return code;
}
