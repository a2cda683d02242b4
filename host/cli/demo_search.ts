// The tour's end: not one run of the machine but all orders in which two CPUs can go through an
// apply, and one of them told, with a guard of the hypervisor taken out.

import { GUARD_BARRIER } from "../abi.js";
import { createMachine } from "../create.js";
import { replay, search } from "../search/search.js";
import type { Guide } from "./demo_load.js";
import { Story, tellTrouble } from "./search_story.js";

const boot = () => createMachine({ cpus: 2, workload: "storm" });

/** Searches with every guard in place, and without the one that makes CPUs wait for each other. */
export async function everyOrder(tour: Guide, payload: Uint8Array): Promise<void> {
  tour.title("Every order: 2 CPUs under load around the apply, one preemption at any moment");
  const { schedules, states, failure } = await search(await boot(), payload, { bound: 1 });
  tour.show(`${schedules} schedules, ${states} states`);
  tour.verdict("none of them breaks an invariant", failure === undefined && schedules > 1);
  const without = { bound: 1, withoutGuards: GUARD_BARRIER };
  const broken = await search(await boot(), payload, without);
  const machine = await boot();
  const story = new Story(machine);
  const onStep = story.note.bind(story);
  const again = await replay(machine, payload, broken.failure?.schedule ?? [], {
    ...without,
    onStep,
  });
  tour.show("if CPUs did not wait for each other:", ...story.lines());
  if (again) tour.show(tellTrouble(machine, again));
  tour.verdict("one is about to execute half an instruction", again?.invariant === "half-written");
}
