// `load`: upload, check and apply in one. With several payloads each goes in as soon as what it
// builds on is there, whatever their order; if one cannot, everything that was done is undone
// (R14, R15, R198). Of a directory the files below `<build-id>/` are taken (R200).

import { basename, join } from "node:path";
import { ENODATA, ENOENT, XEN_XSPLICE_ID_SIZE } from "../../assembly/abi.js";
import {
  PLACE_FILE,
  REASON_NO_BUILD_ID,
  REASON_NO_PAYLOAD_FOR_BUILD,
} from "../../assembly/reasons.js";
import { payloadName } from "../elf/name.js";
import { XenError } from "../error.js";
import type { Machine } from "../machine.js";
import type { Completion, XenControl } from "../xc.js";
import { optionNumber, optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";
import type { Context } from "./context.js";
import { errorObject } from "./failure.js";
import { hex, hexBytes, stateName } from "./format.js";
import { isUserDirectory, listUserDirectory } from "./user_file.js";

interface Job {
  readonly file: string;
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** What another payload of the same call may still provide. */
const MAY_PASS_LATER = new Set(["dependency", "sym-missing", "build-id", "old-code"]);

/** The files meant by an argument. */
function expand(machine: Machine, path: string): string[] {
  if (!isUserDirectory(path)) return [path];
  const buildId = hexBytes(machine.info().buildId);
  if (buildId === "") throw XenError.of(ENODATA, REASON_NO_BUILD_ID);
  const directory = join(path, buildId);
  const here = listUserDirectory(path);
  const names = here.includes(buildId) ? listUserDirectory(directory) : [];
  if (names.length > 0) return names.map((name) => join(directory, name));
  const operands = { place: PLACE_FILE, name: path, other: buildId };
  throw XenError.of(ENOENT, REASON_NO_PAYLOAD_FOR_BUILD, operands);
}

/** The payload's own name, else the file's. */
function defaultId(file: string, bytes: Uint8Array): string {
  let name: string | undefined;
  try {
    name = payloadName(bytes);
  } catch {
    // The hypervisor will say what is wrong with the file.
  }
  const text = name ?? basename(file).replace(/\.[^.]*$/, "");
  return Buffer.from(text).subarray(0, XEN_XSPLICE_ID_SIZE).toString("utf8");
}

async function jobsOf(
  ctx: Context,
  machine: Machine,
  paths: readonly string[],
  id: string | undefined,
): Promise<Job[]> {
  const files = paths.flatMap((path) => expand(machine, path));
  if (id !== undefined && files.length !== 1) throw new UsageError("--id is for one payload");
  const jobs: Job[] = [];
  for (const file of files) {
    const bytes = await ctx.readFile(file);
    jobs.push({ file, bytes, id: id ?? defaultId(file, bytes) });
  }
  return jobs;
}

class Loader {
  readonly done: { id: string; completion: Completion; stopNs: bigint }[] = [];

  constructor(
    private readonly machine: Machine,
    private readonly control: XenControl,
    private readonly timeMs: number,
  ) {}

  /** One payload; nothing of it is left behind when it fails. */
  async one({ id, bytes }: Job): Promise<XenError | undefined> {
    const { timeMs } = this;
    let uploaded = false;
    try {
      await this.control.upload(id, bytes);
      uploaded = true;
      const checked = await this.control.checkAndWait(id, { timeMs });
      const { status, ...applied } = await this.control.applyAndWait(id, { timeMs });
      const instructions = checked.instructions + applied.instructions;
      const timeNs = checked.timeNs + applied.timeNs;
      const { stopNs } = this.machine.info();
      this.done.push({ id, completion: { id, status, instructions, timeNs }, stopNs });
      return undefined;
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      if (uploaded) await this.control.unload(id);
      return error;
    }
  }

  /** All, each as soon as it can be; the first error that nothing else can cure. */
  async all(jobs: readonly Job[]): Promise<{ job: Job; error: XenError } | undefined> {
    let waiting = [...jobs];
    while (waiting.length > 0) {
      const later: { job: Job; error: XenError }[] = [];
      for (const job of waiting) {
        const error = await this.one(job);
        if (!error) continue;
        if (!MAY_PASS_LATER.has(error.reason)) return { job, error };
        later.push({ job, error });
      }
      if (later.length === waiting.length) return later[0];
      waiting = later.map(({ job }) => job);
    }
    return undefined;
  }

  async undo(): Promise<void> {
    for (const { id } of this.done.splice(0).reverse()) {
      await this.control.revertAndWait(id);
      await this.control.unload(id);
    }
  }
}

export const command: Command = {
  usage: "load <...files>",
  options: [["--id <id>", "the id, for one payload; its own name by default"]],
  async run(ctx, paths, options) {
    const id = optionText(options.id, "--id");
    const timeMs = optionNumber(options.time, "--time", 0xffff_ffff, 0);
    const machine = await ctx.changing();
    const jobs = await jobsOf(ctx, machine, paths, id);
    const loader = new Loader(machine, await ctx.control(machine), timeMs);
    const failed = await loader.all(jobs);
    if (failed) {
      const undone = loader.done.map((done) => done.id);
      await loader.undo();
      const { job, error } = failed;
      const { code, reason, message, errno, hint } = error;
      ctx.say(`xen-xsplice: ${job.file}: ${message} [${errno}, ${reason}]`);
      if (hint) ctx.say(`  ${hint}`);
      if (undone.length > 0) ctx.say(`  undone: ${undone.join(" ")}`);
      const answer = { id: job.id, status: `-${errno}`, code, reason, message };
      ctx.result({ ...answer, error: errorObject(error) });
      return 1;
    }
    for (const done of loader.done) ctx.print(`${done.id}: ${stateName(done.completion.status)}`);
    const rows = loader.done.map(
      ({ completion: { id, status, instructions, timeNs }, stopNs }) => ({
        id,
        status: stateName(status),
        code: status,
        instructions: hex(instructions),
        time_ns: hex(timeNs),
        stop_ns: hex(stopNs),
      }),
    );
    ctx.result(jobs.length === 1 ? rows[0] : rows);
    return 0;
  },
};
