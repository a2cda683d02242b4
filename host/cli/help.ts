// `help`: the RFC's usage text, on stderr (R153, R154), then the other commands.

import { RFC_COMMANDS } from "./arguments.js";
import type { Command } from "./command.js";
import { COMMANDS } from "./registry.js";

/** The RFC's own, its one misprint mended (`upload file <cpuid>`). */
const USAGE = `xen-xsplice: Xsplice test tool
Usage: xen-xsplice <command> [args]
 <id> An unique name of payload. Up to 40 characters.
Commands:
  help                   display this help
  upload <id> <file>     upload file <file> with <id> name
  list                   list payloads uploaded.
  apply <id>             apply <id> patch.
  revert <id>            revert id <id> patch.
  unload <id>            unload id <id> patch.
  check <id>             check id <id> patch.`;

export function showUsage(say: (line: string) => void): void {
  say(USAGE);
  say("More commands (each has --help and --json):");
  for (const [name, { summary }] of COMMANDS) {
    if (!(RFC_COMMANDS as readonly string[]).includes(name)) say(`  ${name.padEnd(22)} ${summary}`);
  }
}

export const command: Command = {
  usage: "help [...args]",
  async run(ctx) {
    showUsage((line) => ctx.say(line));
    ctx.result([...COMMANDS].map(([name, { summary }]) => ({ name, summary })));
    return 0;
  },
};
