// `list`: every payload and its state, in the RFC's table. R161-R163, K47-K49, K58, K59.

import { errnoNumber } from "../errno.js";
import type { XenError } from "../error.js";
import type { Summary } from "../xc.js";
import type { Command } from "./command.js";
import { errorObject } from "./failure.js";
import { errnoText, ID_COLUMNS, LIST_HEADER, stateName, stateText } from "./format.js";
import { showUsage } from "./help.js";

/** R162: the tool asks for this many at once. */
const MAX = 11;

export const command: Command = {
  usage: "list [...args]",
  async run(ctx, args) {
    if (args.length > 0) {
      showUsage((line) => ctx.say(line));
      ctx.result({
        error: { errno: "EINVAL", code: -22, reason: "usage", message: "list takes no argument" },
      });
      return 1;
    }
    const control = await ctx.control(await ctx.machine());
    const all: Summary[] = [];
    for (let left = 1; left > 0; ) {
      let batch: Awaited<ReturnType<typeof control.list>>;
      try {
        batch = await control.list(MAX, all.length);
      } catch (error) {
        const { errno, message, reason } = error as XenError;
        const text = errnoText(errnoNumber(errno) ?? 0);
        ctx.say(`Failed to list ${all.length}/${all.length === 0 ? 0 : left}: ${text}!`);
        ctx.say(`xen-xsplice: ${message} [${errno}, ${reason}]`);
        ctx.result({ error: errorObject(error as XenError) });
        return 1;
      }
      if (all.length === 0) ctx.print(LIST_HEADER); // K58: not before the first success
      for (const { id, status } of batch.payloads)
        ctx.print(`${id.padEnd(ID_COLUMNS)}| ${stateText(status)}`);
      all.push(...batch.payloads);
      left = batch.payloads.length === 0 ? 0 : batch.left; // K59
    }
    ctx.result(all.map(({ id, status }) => ({ id, status: stateName(status), code: status })));
    return 0;
  },
};
