// What a command file exports, and the exit codes that all of them share.

import type { Context } from "./context.js";

/** Values as the user typed them: `arguments.ts` keeps cac from turning them into numbers. */
export type Options = Readonly<Record<string, string | boolean | undefined>>;

export interface Command {
  /** As cac wants it: `call <symbol> [...args]`. */
  readonly usage: string;
  /** [flags, description] in addition to the options that every command has. */
  readonly options?: readonly (readonly [string, string])[];
  /** Returns the exit code; nothing means 0. */
  run(ctx: Context, args: readonly string[], options: Options): Promise<number | undefined>;
}

export const EXIT_DONE = 0;
/** Refused or failed, as the RFC's tool has it. */
export const EXIT_REFUSED = 1;
/** Wrong usage of a new command or of an option. */
export const EXIT_USAGE = 2;
/** The machine file cannot be used. */
export const EXIT_MACHINE = 3;
/** Our own bug. */
export const EXIT_BUG = 70;

/** The command line itself is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
