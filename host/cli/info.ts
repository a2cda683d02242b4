// `info`: what the machine is and has.

import { readLivepatches } from "../livepatch_map.js";
import type { Machine } from "../machine.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { columns, hex, hexBytes } from "./format.js";

export function showInfo(ctx: Context, machine: Machine): void {
  const info = machine.info();
  const buildId = hexBytes(info.buildId);
  const today = machine.inside(readLivepatches).length;
  const payloads = today === 0 ? "" : `, and ${today} of today's format`;
  const { workload, entries, lostGuests, quiesce, stackWalk } = info;
  const crashed = lostGuests === 0 ? "" : `, ${lostGuests} of them crashed`;
  const entered = entries === "machine" ? ", entering by the machine's code" : "";
  const guests = workload === "none" ? [] : [["guests", `${workload}${crashed}${entered}`]];
  const kib = (frames: number): string => `${frames * 4} KiB`;
  const rows = [
    ["image", machine.label],
    ["build-id", buildId || "(none)"],
    ["version", info.version || "(unknown)"],
    ["memory", `${hex(info.imageStart)}-${hex(info.imageEnd)}`],
    ["payload area", `${hex(info.payloadStart)}-${hex(info.payloadEnd)}`],
    ["CPUs", `${info.cpus}`],
    ...guests,
    ["patch point", `${quiesce}, stacks by ${stackWalk}`],
    ["seed", `${info.seed}`],
    ["symbols", `${info.symbols}`],
    ["payloads", `${info.payloads}${payloads}`],
    ["virtual time", `${info.timeNs} ns`],
    ["RAM used", `${kib(info.framesUsed)}, ${kib(info.framesFree)} free`],
  ];
  for (const line of columns(rows)) ctx.print(line);
  ctx.result({
    image: machine.label,
    build_id: buildId,
    version: info.version,
    cpus: info.cpus,
    symbols: info.symbols,
    ...(workload !== "none" && { workload, entries, crashed_guests: lostGuests }),
    seed: hex(info.seed),
    quiesce,
    stack_walk: stackWalk,
    payloads: info.payloads,
    livepatches: today,
    time_ns: hex(info.timeNs),
    frames_used: info.framesUsed,
    frames_free: info.framesFree,
  });
}

export const command: Command = {
  usage: "info",
  async run(ctx) {
    showInfo(ctx, await ctx.machine());
    return 0;
  },
};
