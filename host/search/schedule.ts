// A schedule: where it is not the default who goes on. The default is the CPU that ran last, and
// when that cannot go on, or spins, the next one that can. As text, `12:1 30:0`: from step 12 on
// CPU 1, from step 30 on CPU 0.

import { EINVAL, REASON_BAD_ADDRESS } from "../abi.js";
import { XenError } from "../error.js";

/** From this step on this CPU. */
export interface Choice {
  readonly step: number;
  readonly cpu: number;
}

export type Schedule = readonly Choice[];

export function formatSchedule(schedule: Schedule): string {
  return schedule.map(({ step, cpu }) => `${step}:${cpu}`).join(" ");
}

/** Undefined when this is no schedule, or its steps do not ascend. */
export function parseSchedule(text: string): Schedule | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const choices = words.map((word) => /^(\d{1,9}):(\d{1,3})$/.exec(word));
  const schedule = choices.map((match) => ({ step: Number(match?.[1]), cpu: Number(match?.[2]) }));
  const ascends = schedule.every(({ step }, i) => i === 0 || step > (schedule[i - 1]?.step ?? 0));
  return ascends && choices.every((match) => match !== null) ? schedule : undefined;
}
