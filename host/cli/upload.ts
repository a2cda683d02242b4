// `upload <id> <file>`: hands a payload file to the hypervisor. R160, R164, K38, K57.

import { readFileSync, statSync } from "node:fs";
import { EINVAL, ENOENT, XEN_XSPLICE_ID_SIZE } from "../../assembly/abi.js";
import { errnoNumber } from "../errno.js";
import { XenError as Refused, type XenError } from "../error.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { errorObject } from "./failure.js";
import { errnoText, stateName } from "./format.js";
import { showUsage } from "./help.js";

/** R160: at most 40 bytes; the message is the RFC's. */
export function acceptId(ctx: Context, id: string): boolean {
  if (Buffer.byteLength(id) <= XEN_XSPLICE_ID_SIZE) return true;
  ctx.say(`ID MUST be ${XEN_XSPLICE_ID_SIZE} characters!`);
  const message = `the id has ${Buffer.byteLength(id)} bytes; at most ${XEN_XSPLICE_ID_SIZE} fit`;
  ctx.result({ error: { errno: "EINVAL", code: -EINVAL, reason: "id-noncanonical", message } });
  return false;
}

/** R159: a wrong number of arguments shows the usage and fails. */
export function acceptCount(ctx: Context, args: readonly string[], count: number): boolean {
  if (args.length === count) return true;
  showUsage((line) => ctx.say(line));
  const message = `${count} argument${count === 1 ? "" : "s"} wanted, ${args.length} given`;
  ctx.result({ error: { errno: "EINVAL", code: -EINVAL, reason: "usage", message } });
  return false;
}

function readPayload(ctx: Context, file: string): Uint8Array | undefined {
  let bytes: Uint8Array;
  try {
    // A directory can be opened but not read: the RFC's tool sees that at mmap.
    if (statSync(file).isDirectory()) {
      ctx.say(`Could not map: ${file}, error: 21(Is a directory)`);
      ctx.result({ error: errorObject(Refused.because(EINVAL, `${file} is a directory`)) });
      return undefined;
    }
    bytes = readFileSync(file);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const errno = errnoNumber(code) ?? ENOENT;
    ctx.say(`Could not open ${file}, error: ${errnoText(errno)}`);
    ctx.result({ error: errorObject(Refused.because(errno, message)) });
    return undefined;
  }
  if (bytes.length > 0) return bytes;
  ctx.say(`Could not map: ${file}, error: ${errnoText(EINVAL)}: the file is empty`);
  const message = `${file} is empty`;
  ctx.result({ error: { errno: "EINVAL", code: -EINVAL, reason: "size-zero", message } });
  return undefined;
}

export const command: Command = {
  usage: "upload [...args]",
  async run(ctx, args) {
    const [id, file] = args;
    if (!acceptCount(ctx, args, 2) || id === undefined || file === undefined) return 1;
    if (!acceptId(ctx, id)) return 1;
    const payload = readPayload(ctx, file);
    if (!payload) return 1;
    const control = await ctx.control(await ctx.changing());
    ctx.print(`Uploading ${file} (${payload.length} bytes)`);
    try {
      await control.upload(id, payload);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const refused: XenError = error;
      ctx.say(`Upload failed: ${file}, error: ${errnoText(refused.code)}!`);
      ctx.say(`xen-xsplice: ${refused.message} [${refused.errno}, ${refused.reason}]`);
      if (refused.hint) ctx.say(`  ${refused.hint}`);
      ctx.result({ error: errorObject(refused) });
      return 1;
    }
    const { status } = await control.get(id);
    ctx.result({ id, bytes: payload.length, status: stateName(status) });
    return 0;
  },
};
