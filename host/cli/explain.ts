// `explain <id>`: why the last action on a payload failed, or an upload under that id: the reason
// code, the place in the payload, and what to do.

import { errnoNumber } from "../errno.js";
import { readLivepatches } from "../livepatch_map.js";
import type { Command } from "./command.js";
import { columns } from "./format.js";

export const command: Command = {
  usage: "explain <id>",
  async run(ctx, [id = ""]) {
    const machine = await ctx.machine();
    const refusal = machine.refusalOf(id);
    if (!refusal) {
      // An id that was never heard of is a mistake; one without a failure is not.
      const today = machine.inside(readLivepatches).find(({ name }) => name === id);
      const status = today?.rc ?? (await (await ctx.control(machine)).get(id)).status;
      ctx.print(`${id}: nothing failed`);
      ctx.result({
        id,
        step: "",
        errno: "",
        code: status,
        reason: "none",
        message: "",
        place: "",
        hint: "",
      });
      return 0;
    }
    const { step, errno, reason, message, place, hint } = machine.errorOf(refusal);
    const code = -(errnoNumber(errno) ?? 0);
    const rows = [
      ["payload", id],
      ["step", step],
      ["error", `${errno} (${code})`],
      ["reason", reason],
      ["place", place],
      ["what", message],
      ["do", hint],
    ].filter(([, text]) => text !== "");
    for (const line of columns(rows)) ctx.print(line);
    ctx.result({ id, step, errno, code, reason, message, place, hint });
    return 0;
  },
};
