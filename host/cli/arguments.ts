// From argv to values. Two things that cac cannot be left alone with: it turns whatever looks
// like a number into a JavaScript number (0xffff82d040200000 loses bits, 007 becomes 7), and it
// takes -1 for an option. So numbers are marked before it parses and unmarked behind it. The
// RFC's prefix rule for its seven commands is here too (R155, K50, A14).

import type { StackWalk } from "../inspect.js";
import { UsageError } from "./command.js";

/** No argument can contain it. */
const MARK = "\0";

/** What JavaScript takes for a number, the empty text included. */
const looksNumeric = (text: string): boolean => Number(text) * 0 === 0;

/** Marks what cac would convert. Everything behind `--` is left as it is. */
export function protect(argv: readonly string[]): string[] {
  const end = argv.indexOf("--");
  return argv.map((text, index) => {
    if (end >= 0 && index >= end) return text;
    if (/^-\d/.test(text)) return MARK + text;
    const option = /^(--?[^=]+=)(.*)$/s.exec(text);
    if (option) return looksNumeric(option[2] ?? "") ? `${option[1]}${MARK}${option[2]}` : text;
    return !text.startsWith("-") && looksNumeric(text) ? MARK + text : text;
  });
}

/** Removes the marks from a string, or from every string of a list or an object. */
export function unprotect<T>(value: T): T {
  if (typeof value === "string") return value.replaceAll(MARK, "") as T;
  if (Array.isArray(value)) return value.map(unprotect) as T;
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, part]) => [key, unprotect(part)]);
  return Object.fromEntries(entries) as T;
}

/** Options that may stand before the command, and whether a value follows. */
const LEADING: ReadonlyMap<string, boolean> = new Map([
  ["-m", true],
  ["--machine", true],
  ["--time", true],
  ["--domain", true],
  ["--json", false],
  ["--exact", false],
  ["--no-color", false],
]);

export interface Split {
  /** Undefined when there is no word that could be a command. */
  readonly word: string | undefined;
  /** Everything else, in order. */
  readonly rest: readonly string[];
}

/** Finds the word that names the command. */
export function splitCommand(argv: readonly string[]): Split {
  for (let index = 0; index < argv.length; index++) {
    const text = argv[index] as string;
    if (!text.startsWith("-") || text === "-")
      return { word: text, rest: [...argv.slice(0, index), ...argv.slice(index + 1)] };
    if (text === "--") break;
    if (LEADING.get(text) === true) index += 1;
  }
  return { word: undefined, rest: argv };
}

/** The RFC's commands in the order in which it compares them: main commands, then actions. */
export const RFC_COMMANDS = [
  "help",
  "list",
  "upload",
  "apply",
  "revert",
  "unload",
  "check",
] as const;

/**
 * Which command a word means: an exact name of any, else the first of the RFC's seven that the word
 * is a prefix of. `others` are further ones that it would also be a prefix of.
 */
export function matchCommand(
  word: string,
  known: ReadonlySet<string>,
  exact: boolean,
): { name: string; others: readonly string[] } | undefined {
  if (known.has(word)) return { name: word, others: [] };
  if (exact || word === "") return undefined;
  const [name, ...others] = RFC_COMMANDS.filter((command) => command.startsWith(word));
  return name === undefined ? undefined : { name, others };
}

const NUMBER = /^(-)?(0x[0-9a-f]+|\d+)$/i;

/** A number of at most 64 bits, decimal or 0x; a negative one becomes its two's complement. */
export function parseNumber(text: string): bigint | undefined {
  const match = NUMBER.exec(text);
  if (!match) return undefined;
  const value = BigInt(match[2] as string);
  if (value > 0xffff_ffff_ffff_ffffn || (match[1] && value > 1n << 63n))
    throw new UsageError(`${text} does not fit in 64 bits`);
  return BigInt.asUintN(64, match[1] ? -value : value);
}

/** The same for a value that must be a number. */
export function requireNumber(text: string, what: string): bigint {
  const value = parseNumber(text);
  if (value === undefined) throw new UsageError(`${what}: "${text}" is not a number`);
  return value;
}

/** cac makes a list of an option that is given twice. */
function refuseTwice(value: unknown, flag: string): void {
  if (Array.isArray(value)) throw new UsageError(`${flag} is given ${value.length} times`);
}

/** A small number for an option, within limits. */
export function optionNumber(
  value: string | boolean | undefined,
  flag: string,
  max: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  refuseTwice(value, flag);
  if (typeof value === "boolean") throw new UsageError(`${flag} needs a number`);
  const number = requireNumber(value, flag);
  if (value.startsWith("-") || number > BigInt(max))
    throw new UsageError(`${flag}: ${value} is not between 0 and ${max}`);
  return Number(number);
}

/** The same for a large one. */
export function optionCount(
  value: string | boolean | undefined,
  flag: string,
  max: bigint,
): bigint | undefined {
  const text = optionText(value, flag);
  if (text === undefined) return undefined;
  const count = requireNumber(text, flag);
  if (text.startsWith("-") || count > max)
    throw new UsageError(`${flag}: ${text} is not between 0 and ${max}`);
  return count;
}

/** How to look at a stack, undefined when it is not given. */
export function optionStackWalk(value: string | boolean | undefined): StackWalk | undefined {
  const how = optionText(value, "--stack-walk");
  if (how === undefined || how === "scan" || how === "frames") return how;
  throw new UsageError(`--stack-walk: ${how} is neither scan nor frames`);
}

/** An option that is a text, undefined when it is not given. */
export function optionText(value: string | boolean | undefined, flag: string): string | undefined {
  refuseTwice(value, flag);
  if (typeof value === "boolean") throw new UsageError(`${flag} needs a value`);
  return value;
}

/** An option that may be given several times. */
export function optionList(value: unknown, flag: string): string[] {
  const all = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return all.map((one) => optionText(one as string | boolean, flag) ?? "");
}
