// A schedule: where it is not the default who goes on. The default is the CPU that ran last, and
// when that cannot go on, or has had its turn, the next one that can. `12:1 20:nmi-1 30:0` as text:
// from step 12 on CPU 1, an NMI of CPU 1 as step 20, from step 30 on CPU 0.

/** What may happen at any moment: to a CPU an NMI, it is taken away, or brought back; or the time
 *  of what is under way is over (`late`, of no CPU: 0). */
export interface Happening {
  readonly kind: "nmi" | "offline" | "online" | "late";
  readonly cpu: number;
}

/** As step number `step` this CPU executes, or this happens. */
export type Choice =
  | { readonly step: number; readonly cpu: number }
  | { readonly step: number; readonly happens: Happening };

export type Schedule = readonly Choice[];

export const formatHappening = ({ kind, cpu }: Happening): string =>
  kind === "late" ? kind : `${kind}-${cpu}`;

/** Undefined when this is nothing that can happen. */
export function parseHappening(text: string): Happening | undefined {
  if (text === "late") return { kind: "late", cpu: 0 };
  const [, kind, cpu] = /^(nmi|offline|online)-(\d{1,3})$/.exec(text) ?? [];
  return kind === undefined ? undefined : { kind: kind as Happening["kind"], cpu: Number(cpu) };
}

export function formatSchedule(schedule: Schedule): string {
  const word = (choice: Choice): string =>
    "cpu" in choice ? String(choice.cpu) : formatHappening(choice.happens);
  return schedule.map((choice) => `${choice.step}:${word(choice)}`).join(" ");
}

function parseChoice(text: string): Choice | undefined {
  const [, step, what = ""] = /^(\d{1,9}):(.+)$/.exec(text) ?? [];
  if (step === undefined) return undefined;
  if (/^\d{1,3}$/.test(what)) return { step: Number(step), cpu: Number(what) };
  const happens = parseHappening(what);
  return happens && { step: Number(step), happens };
}

/** Undefined when this is no schedule, or its steps do not ascend. */
export function parseSchedule(text: string): Schedule | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const schedule = words.map(parseChoice).filter((choice) => choice !== undefined);
  const ascends = schedule.every(({ step }, i) => i === 0 || step > (schedule[i - 1]?.step ?? 0));
  return ascends && schedule.length === words.length ? schedule : undefined;
}
