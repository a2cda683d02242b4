// The stack check's other way: from frame to frame, each proved from the code of its function.
// 64 CPUs of mini-Xen with frames in deep call chains; nothing that was worked out for one CPU is
// kept for the next. There is no native counterpart: Xen does not prove, it believes rbp.

import { createMachine, type Machine, MINI_XEN_FRAMES } from "../../host/index.js";
import { alternate, type Row, rate, timed } from "../measure.js";

const CPUS = 64;
const PASSES = 20;

function walkAll(machine: Machine): number {
  return machine.inside((core) => {
    let frames = 0;
    for (let cpu = 0; cpu < CPUS; cpu++) frames += core.invoke("hv_frames", cpu, 1);
    return frames;
  });
}

function countCertain(machine: Machine): number {
  const all = machine.stacks("frames").flatMap(({ frames }) => frames);
  return all.filter(({ kind }) => kind !== "maybe").length;
}

async function walk(workload: string): Promise<{ frames: number; ns: number }> {
  const machine = await createMachine({ image: MINI_XEN_FRAMES, cpus: CPUS, workload, seed: 7 });
  machine.run({ ns: 200_000n });
  const frames = walkAll(machine);
  const certain = countCertain(machine);
  if (certain < frames / 2) throw new Error(`only ${certain} of ${frames} frames were proved`);
  const sample = async (): Promise<number> =>
    (await timed(() => {
      for (let i = 0; i < PASSES; i++) walkAll(machine);
    })) / PASSES;
  return { frames, ns: (await alternate(7, sample)).ours };
}

export async function stackWalk(): Promise<Row> {
  const deep = await walk("deep");
  const mixed = await walk("mixed");
  const each = ({ ns, frames }: typeof deep): string =>
    `${(ns / 1e3 / CPUS).toPrecision(3)} µs for ${Math.round(frames / CPUS)} frames`;
  const note = `frames; a CPU's stack: deep ${each(deep)}, mixed ${each(mixed)}`;
  return rate("stack-walk", "M/s", deep.frames, { ours: deep.ns }, note);
}
