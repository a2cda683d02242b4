// `upload <id> <file>`: hands a payload file to the hypervisor. R160, R164, K38, K57.

import { EINVAL, XEN_XSPLICE_ID_SIZE } from "../../assembly/abi.js";
import { PLACE_FILE, REASON_SIZE_ZERO } from "../../assembly/reasons.js";
import { XenError } from "../error.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { sayRefusal } from "./failure.js";
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

/** What the RFC's tool meets at mmap: it can open a directory, and map neither that nor nothing. */
const AT_MMAP = new Set(["file-is-directory", "size-zero"]);

async function readPayload(ctx: Context, file: string): Promise<Uint8Array> {
  const bytes = await ctx.readFile(file);
  if (bytes.length > 0) return bytes;
  throw XenError.of(EINVAL, REASON_SIZE_ZERO, { place: PLACE_FILE, name: file });
}

export const command: Command = {
  usage: "upload [...args]",
  async run(ctx, args) {
    const [id, file] = args;
    if (!acceptCount(ctx, args, 2) || id === undefined || file === undefined) return 1;
    if (!acceptId(ctx, id)) return 1;
    const fail = (error: unknown, words: (number: string) => string): number => {
      if (!(error instanceof XenError)) throw error;
      ctx.say(words(errnoText(error.code)));
      ctx.result({ error: sayRefusal(ctx, error) });
      return 1;
    };
    let payload: Uint8Array;
    try {
      payload = await readPayload(ctx, file);
    } catch (error) {
      const mapped = error instanceof XenError && AT_MMAP.has(error.reason);
      const what = mapped ? `Could not map: ${file}` : `Could not open ${file}`;
      return fail(error, (number) => `${what}, error: ${number}`);
    }
    const control = await ctx.control(await ctx.changing());
    ctx.print(`Uploading ${file} (${payload.length} bytes)`);
    try {
      await control.upload(id, payload);
    } catch (error) {
      return fail(error, (number) => `Upload failed: ${file}, error: ${number}!`);
    }
    const { status } = await control.get(id);
    ctx.result({ id, bytes: payload.length, status: stateName(status) });
    return 0;
  },
};
