// The commands of `xen-livepatch`, with the output and exit codes of 4.17's tool.

import { basename } from "node:path";
import * as abi from "../../abi.js";
import { errnoName, strerror } from "../../errno.js";
import { XenError } from "../../error.js";
import { LivepatchControl } from "../../livepatch.js";
import type { Context } from "../context.js";
import { ACTIONS, exitOf, runAction, sayError } from "./actions.js";
import { USAGE } from "./usage.js";

/** In the order in which a prefix is compared. */
const WORDS = ["help", "list", "upload", "load", "apply", "revert", "unload", "replace"] as const;
const ID_COLUMNS = 40;

function usage(ctx: Context): number {
  ctx.io.err(USAGE);
  return 1;
}

/** 4.17 says this on its own; exactly 128 is the library's to refuse. */
function isTooLong(ctx: Context, name: string): boolean {
  if (Buffer.byteLength(name) <= abi.XEN_LIVEPATCH_NAME_SIZE) return false;
  ctx.say(`ID must be no more than ${abi.XEN_LIVEPATCH_NAME_SIZE} characters.`);
  return true;
}

async function list(ctx: Context): Promise<number> {
  const machine = await ctx.machine();
  try {
    const entries = new LivepatchControl(machine, ctx.domain).list();
    ctx.result(entries);
    if (entries.length === 0) {
      ctx.print("Nothing to list");
      return 0;
    }
    ctx.print(`${" ID".padEnd(ID_COLUMNS)}| status     | metadata`);
    ctx.print(`${"-".repeat(ID_COLUMNS)}+${"-".repeat(12)}+${"-".repeat(15)}`);
    for (const { name, state, rc, metadata } of entries) {
      // A hook may have left a positive number, which is nobody's errno.
      const text = rc > 0 ? `Unknown error ${-rc}` : strerror(rc);
      const trouble = rc === 0 ? "    | " : ` (${-rc}, ${text})    | `;
      const words = metadata.replace(/\0+$/, "").replaceAll("\0", ";");
      ctx.print(`${name.padEnd(ID_COLUMNS)}| ${state}${trouble}${words}`);
    }
    return 0;
  } catch (error) {
    ctx.say("Failed to list payloads.");
    return exitOf(sayError(ctx, error));
  }
}

async function upload(ctx: Context, name: string, file: string): Promise<number> {
  if (isTooLong(ctx, name)) return 1;
  let payload: Uint8Array;
  try {
    payload = await ctx.readFile(file);
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    ctx.say(`Could not open ${file}.`);
    ctx.say(`Error ${-error.code}: ${strerror(error.code)}`);
    return exitOf(error.code);
  }
  const machine = await ctx.changing();
  ctx.write(`Uploading ${file}... `);
  try {
    new LivepatchControl(machine, ctx.domain).upload(name, payload);
  } catch (error) {
    ctx.print("failed");
    return exitOf(await uploadError(ctx, payload, error));
  }
  ctx.print("completed");
  return 0;
}

/** A payload of the RFC's format lacks much of what this door wants: that is not what to say. */
async function uploadError(ctx: Context, payload: Uint8Array, error: unknown): Promise<number> {
  const code = sayError(ctx, error);
  const { isRfcPayload } = await import("../../elf/name.js");
  if (!isRfcPayload(payload)) return code;
  const message = "The payload is in the RFC's format, not in that of today's Xen.";
  const hint = "Upload it with `xen-xsplice`.";
  ctx.say(`xen-livepatch: ${message} ${hint}`);
  const errno = errnoName(code);
  ctx.result({ error: { errno, code, reason: "foreign-format", message, hint } });
  return code;
}

/** Upload and apply under the file's own name; undone when the apply fails. */
async function load(ctx: Context, file: string, nodeps: boolean): Promise<number> {
  const name = basename(file).replace(/\.[^.]*$/, "");
  const uploaded = await upload(ctx, name, file);
  if (uploaded !== 0) return uploaded;
  const applied = await runAction(ctx, "apply", name, nodeps);
  if (applied !== 0) await runAction(ctx, "unload", name, false);
  return applied;
}

/** The flags behind the arguments; undefined for one that is not known. */
function nodepsOf(ctx: Context, flags: readonly string[]): boolean | undefined {
  const unknown = flags.find((flag) => flag !== "--nodeps");
  if (unknown === undefined) return flags.length > 0;
  ctx.say(`Unsupported flag: ${unknown}.`);
  return undefined;
}

/** Runs one command line; returns its exit code. */
export async function runWords(ctx: Context, argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) return usage(ctx) - 1;
  const command = WORDS.find((known) => known.startsWith(word));
  if (command === undefined) {
    ctx.say(`Unrecognised command '${word}' -- try 'xen-livepatch help'`);
    return 1;
  }
  const [first = "", second = "", ...more] = rest;
  switch (command) {
    case "help":
      return usage(ctx) - 1;
    case "list":
      return rest.length === 0 ? list(ctx) : usage(ctx);
    case "upload":
      return rest.length === 2 ? upload(ctx, first, second) : usage(ctx);
    default: {
      const flagged = command === "load" || command === "apply";
      if (rest.length === 0 || (!flagged && rest.length > 1)) return usage(ctx);
      const nodeps = nodepsOf(ctx, rest.slice(1));
      if (nodeps === undefined || more.length > 0) return 1;
      if (command === "load") return load(ctx, first, nodeps);
      return isTooLong(ctx, first) || !ACTIONS.has(command)
        ? 1
        : runAction(ctx, command, first, nodeps);
    }
  }
}
