// `search`: enumerates CPU schedules around what toolstacks ask for, on a machine of its own, and
// checks after each step that patching is safe. What it finds, `--replay` shows step by step.

import { GUARDS } from "../abi.js";
import { createMachine } from "../create.js";
import type { Machine } from "../machine.js";
import { own } from "../own.js";
import { HAPPENINGS_MAX } from "../search/explorer.js";
import { formatSchedule, parseHappening, parseSchedule } from "../search/schedule.js";
import { ACTIONS, type Action } from "../search/scripts.js";
import { replay, type SearchOptions, search } from "../search/search.js";
import { optionList, optionNumber, optionText } from "./arguments.js";
import { MACHINE_OPTIONS, machineOptions } from "./boot_options.js";
import { type Command, type Options, UsageError } from "./command.js";
import type { Context } from "./context.js";
import { hex } from "./format.js";
import { symbolOf } from "./place.js";
import { Story, type Trouble, tellTrouble } from "./search_story.js";

const PROGRESS_MS = 1000;
const CPUS_MAX = 8;
const CPUS = 2;

/** The words of an option, each of which means something. */
function words<T>(
  value: Options[string],
  flag: string,
  means: (word: string) => T | undefined,
  known: string,
): T[] | undefined {
  const text = optionText(value, flag);
  return text?.split(",").map((word) => {
    const meant = means(word.trim());
    if (meant === undefined) throw new UsageError(`${flag}: "${word}" is none of ${known}`);
    return meant;
  });
}

function actionsOf(value: Options[string], flag: string): Action[] | undefined {
  const isAction = (word: string) => ACTIONS.find((action) => action === word);
  return words(value, flag, isAction, ACTIONS.join(", "));
}

/** With what the absence of a guard shows; that of the others shows in no search. */
const SHOWS: Readonly<Record<string, string>> = {
  barrier: "any apply",
  serialise: "any apply",
  busy: "--meanwhile unload",
  stack: "--quiesce rendezvous --action revert,unload",
  release: "--happens late with two payloads",
};

function hints(mask: number): string[] {
  const out = [...GUARDS].filter(([, bit]) => (mask & bit) !== 0);
  return out.map(([name]) =>
    own(SHOWS, name)
      ? `That \`${name}\` is out shows with ${SHOWS[name]}.`
      : `That \`${name}\` is out shows in no search of actions; the project's tests show it.`,
  );
}

/** Says how far it is, when it takes long. */
function progress(ctx: Context): SearchOptions["onProgress"] {
  let last = performance.now();
  return ({ schedules, states }) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    ctx.say(`xen-xsplice: ${schedules} schedules, ${states} states`);
  };
}

async function searchOptions(
  ctx: Context,
  options: Options,
  other: string | undefined,
): Promise<SearchOptions> {
  const guards = words(
    options.without,
    "--without",
    (w) => GUARDS.get(w),
    [...GUARDS.keys()].join(),
  );
  const events = "nmi-N, offline-N, online-N, late";
  const happenings = words(options.happens, "--happens", parseHappening, events);
  if ((happenings?.length ?? 0) > HAPPENINGS_MAX)
    throw new UsageError(`--happens: more than ${HAPPENINGS_MAX}`);
  const theirs = actionsOf(options.meanwhile, "--meanwhile") ?? (other ? ["apply"] : undefined);
  const files = optionList(options.stack, "--stack");
  const payload = other === undefined ? {} : { payload: await ctx.readFile(other) };
  return {
    actions: actionsOf(options.action, "--action") ?? ["apply"],
    ...(theirs && { meanwhile: { ...payload, actions: theirs as Action[] } }),
    ...(happenings && { happenings }),
    stack: await Promise.all(files.map((file) => ctx.readFile(file))),
    bound: optionNumber(options.bound, "--bound", 8, 2),
    stepInstructions: optionNumber(options.step, "--step", 1_000_000, 512) || 1,
    turn: optionNumber(options.turn, "--turn", 10_000, 48) || 1,
    steps: optionNumber(options.steps, "--steps", 1_000_000, 4_000),
    schedules: optionNumber(options.schedules, "--schedules", 1_000_000_000, 20_000) || 1,
    timeMs: optionNumber(options.time, "--time", 1_000_000, 2),
    withoutGuards: (guards ?? []).reduce((mask, guard) => mask | guard, 0),
    onProgress: progress(ctx),
  };
}

async function boot(ctx: Context, options: Options, needed: number): Promise<Machine> {
  const how = await machineOptions(ctx, options);
  const cpus = how.cpus ?? CPUS;
  if (cpus < needed || cpus > CPUS_MAX)
    throw new UsageError(`--cpus: ${cpus} is not between ${needed} and ${CPUS_MAX}`);
  const workload = how.workload ?? "storm";
  if (workload === "none") throw new UsageError("--workload: without guests nothing is concurrent");
  return createMachine({ ...how, cpus, workload });
}

/** A CPU that is not there can neither execute nor have anything happen to it. */
function checkCpus(flag: string, cpus: readonly number[], machine: Machine): void {
  const missing = cpus.find((cpu) => cpu >= machine.info().cpus);
  if (missing !== undefined) throw new UsageError(`${flag}: there is no CPU ${missing}`);
}

const troubleRecord = (machine: Machine, { invariant, cpu, va }: Trouble) => ({
  invariant,
  cpu,
  va: hex(va),
  symbol: symbolOf(machine, va),
});

/** Follows one schedule. */
async function follow(
  ctx: Context,
  machine: Machine,
  payload: Uint8Array,
  schedule: string,
  options: SearchOptions,
): Promise<number> {
  const parsed = parseSchedule(schedule);
  if (!parsed) throw new UsageError(`--replay: "${schedule}" is no schedule, as "12:1 30:0" is`);
  const cpus = parsed.map((choice) => ("cpu" in choice ? choice.cpu : choice.happens.cpu));
  checkCpus("--replay", cpus, machine);
  const story = new Story(machine);
  const onStep = story.note.bind(story);
  const broken = await replay(machine, payload, parsed, { ...options, onStep });
  for (const line of story.lines()) ctx.print(line);
  ctx.print(broken ? tellTrouble(machine, broken) : "No invariant was broken.");
  const late = parsed.filter(({ step }) => step >= story.steps);
  if (!broken && late.length > 0) {
    const steps = `${story.steps} steps`;
    ctx.say(`xen-xsplice: all was over after ${steps}: ${formatSchedule(late)} came too late`);
  }
  const failure = broken && { ...troubleRecord(machine, broken), schedule: parsed };
  ctx.result({ steps: story.steps, turns: story.turns, ...(failure && { failure }) });
  return broken || late.length > 0 ? 1 : 0;
}

export const command: Command = {
  usage: "search <payload> [other]",
  options: [
    ["--action <list>", "check, apply, revert, unload, replace: what a toolstack asks for (apply)"],
    ["--meanwhile <list>", "what a second one asks for, of the other payload or the same"],
    ["--stack <file>", "payload that is applied already; repeatable, in order"],
    [
      "--happens <list>",
      "nmi-N, offline-N, online-N: to CPU N at any moment; late: its time is over",
    ],
    ["--bound <n>", "preemptions in one schedule (2)"],
    ["--step <n>", "instructions of one step at the most, however little others see of it (512)"],
    ["--schedules <n>", "ends the search after so many (20000)"],
    ["--steps <n>", "steps of one schedule (4000)"],
    ["--turn <n>", "steps after which the next CPU goes on for nothing (48)"],
    ["--replay <schedule>", "follows one schedule and tells what happens"],
    ["--without <list>", "takes guards out, to see what they are for"],
    ...MACHINE_OPTIONS,
  ],
  async run(ctx, [file = "", other], options) {
    const schedule = optionText(options.replay, "--replay");
    const how = await searchOptions(ctx, options, other);
    const payload = await ctx.readFile(file);
    const machine = await boot(ctx, options, how.meanwhile ? 2 : 1);
    const happenings = how.happenings?.map(({ cpu }) => cpu) ?? [];
    checkCpus("--happens", happenings, machine);
    if (schedule !== undefined) return follow(ctx, machine, payload, schedule, how);
    const found = await search(machine, payload, how);
    const { failure, schedules, states, seconds, outcomes, cut, unfinished } = found;
    const ended = cut ? " (ended before all within the bound was seen)" : "";
    ctx.print(`${schedules} schedules, ${states} states, ${seconds.toFixed(1)} s${ended}`);
    const ends = Object.entries(outcomes).map(([what, count]) => `${what} (${count})`);
    if (ends.length > 0) ctx.print(`It ends with ${ends.join("; ")}.`);
    if (unfinished > 0) {
      const why = `were not over after ${how.steps} steps, or went round in a circle`;
      ctx.print(`${unfinished} ${why}; the machine ran them on until their time was over.`);
    }
    const numbers = { schedules, states, seconds, outcomes, cut, unfinished };
    if (!failure) {
      ctx.print("No invariant was broken.");
      for (const line of hints(how.withoutGuards ?? 0)) ctx.print(line);
      ctx.result(numbers);
      return 0;
    }
    ctx.print(tellTrouble(machine, failure.violation));
    const text = formatSchedule(failure.schedule);
    ctx.print(`The same options and --replay "${text}" tell how.`);
    const broken = troubleRecord(machine, failure.violation);
    ctx.result({ ...numbers, failure: { ...broken, schedule: failure.schedule, replay: text } });
    return 1;
  },
};
