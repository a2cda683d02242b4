// What went wrong, as words on stderr, as the JSON error object, and as an exit code: the only
// place where the command line turns an exception into any of them. Spec: cli.md "Rules".

import { errnoName, errnoNumber } from "../errno.js";
import { EXIT_BUG, EXIT_MACHINE, EXIT_REFUSED, EXIT_USAGE } from "./command.js";
import type { Context } from "./context.js";
import type { MachineFileError } from "./machine_file.js";

export interface Failure {
  readonly exit: number;
  /** Whether the machine may be saved: never after a failure of its own. */
  readonly save: boolean;
}

/** The `error` of a JSON answer. */
export interface ErrorObject {
  readonly errno: string;
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly place?: string;
  readonly hint?: string;
}

/** What XenError and FileError have in common, and what only one of them has. */
interface Known {
  readonly errno: string | number;
  readonly reason: string;
  readonly message: string;
  readonly place?: string;
  readonly hint?: string;
}

/** The error object of a refusal. */
export function errorObject({ errno, reason, message, place, hint }: Known): ErrorObject {
  const number = typeof errno === "number" ? errno : (errnoNumber(errno) ?? 0);
  const more = { ...(place ? { place } : {}), ...(hint ? { hint } : {}) };
  return { errno: errnoName(number), code: -number, reason, message, ...more };
}

/** Says a refusal. @returns its error object */
export function sayRefusal(ctx: Context, refused: Known): ErrorObject {
  const error = errorObject(refused);
  ctx.say(`xen-xsplice: ${error.message} [${error.errno}, ${error.reason}]`);
  if (error.hint) ctx.say(`  ${error.hint}`);
  return error;
}

function sayMachineFile(ctx: Context, { path, why }: MachineFileError): ErrorObject {
  const { errno, reason, message, hint } = why;
  const named = message.includes(path) ? message : `${path}: ${message}`;
  return sayRefusal(ctx, { errno, reason, message: named, hint, place: path });
}

function bug(ctx: Context, error: Error): Failure {
  const tail = "consoleTail" in error ? (error.consoleTail as readonly string[]) : [];
  ctx.say(`xen-xsplice: this is a bug of xen-xsplice: ${error.message}`);
  ctx.say("  Please report the command line, the machine file, and what follows:");
  for (const line of (error.stack ?? "").split("\n").slice(1, 9)) ctx.say(`  ${line.trim()}`);
  if (tail.length > 0) ctx.say(`  console: ${tail.join("\n           ")}`);
  const { message } = error;
  ctx.result({ error: { errno: "EIO", code: -5, reason: "bug", message, stack: error.stack } });
  return { exit: EXIT_BUG, save: false };
}

/** Says what went wrong and how the command ends. */
export function report(ctx: Context, thrown: unknown, rfcCommand: boolean): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const simple = (errno: string, code: number, reason: string): void => {
    ctx.say(`xen-xsplice: ${error.message}`);
    ctx.result({ error: { errno, code, reason, message: error.message } });
  };
  switch (error.name) {
    case "UsageError":
    case "CACError":
      simple("EINVAL", -22, "usage");
      return { exit: EXIT_USAGE, save: false };
    case "MachineFileError":
      if (rfcCommand) ctx.say("failed to get the handler"); // R157, K46
      ctx.result({ error: sayMachineFile(ctx, error as MachineFileError) });
      return { exit: EXIT_MACHINE, save: false };
    case "XenError":
    case "FileError": {
      ctx.result({ error: sayRefusal(ctx, error as unknown as Known) });
      return { exit: EXIT_REFUSED, save: true };
    }
    default:
      return bug(ctx, error);
  }
}
