// `explain <id>`: why the last action on a payload failed, or an upload under that id: the reason
// code, the place in the payload, and what to do. Of a payload of today's format also what Xen
// accepts without a word and may regret.

import { errnoNumber } from "../errno.js";
import type { Machine } from "../machine.js";
import { hazardFindings } from "../verify/hazards.js";
import { findLivepatch } from "../verify/records.js";
import type { Finding } from "../verify/row.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { columns } from "./format.js";

/** What is the matter with a payload of today's format that nobody refuses; undefined for any other
 *  payload. */
function beware(ctx: Context, machine: Machine, id: string): readonly Finding[] | undefined {
  const today = findLivepatch(machine, id);
  const findings = today && hazardFindings(machine, today);
  for (const { severity, id: kind, place, message, hint } of findings ?? []) {
    ctx.print(`${severity} ${kind}${place === "" ? "" : ` in ${place}`}: ${message}`);
    ctx.print(`  ${hint}`);
  }
  return findings;
}

export const command: Command = {
  usage: "explain <id>",
  async run(ctx, [id = ""]) {
    const machine = await ctx.machine();
    const refusal = machine.refusalOf(id);
    if (!refusal) {
      // An id that was never heard of is a mistake; one without a failure is not.
      const today = findLivepatch(machine, id);
      // From the records: the hypervisor may be unable to answer.
      const known = machine.payloads().find((payload) => payload.id === id);
      const status =
        today?.rc ?? known?.status ?? (await (await ctx.control(machine)).get(id)).status;
      ctx.print(`${id}: nothing failed`);
      const findings = beware(ctx, machine, id);
      ctx.result({
        id,
        step: "",
        errno: "",
        code: status,
        reason: "none",
        message: "",
        place: "",
        hint: "",
        ...(findings ? { findings } : {}),
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
    const findings = beware(ctx, machine, id);
    const more = findings ? { findings } : {};
    ctx.result({ id, step, errno, code, reason, message, place, hint, ...more });
    return 0;
  },
};
