// A payload of 10,000 functions: how long APPLY takes, and for how long of that the CPUs are
// stopped.

import { createMachine, type Machine, XenControl } from "../../host/index.js";
import { compile } from "../compile.js";
import { CHANGE, functionName, image, payload } from "../generate.js";
import { median, milliseconds, type Row, timed } from "../measure.js";

const FUNCTIONS = 10_000;
const SAMPLES = 15;

/** The raw export of bench/assembly/stop.ts. */
interface Stamped {
  stamp_patch_point(): void;
}

/** Takes the two console bytes around the work at the patch point as time stamps. */
function stampsOf(machine: Machine): bigint[] {
  const stamps: bigint[] = [];
  const core = Reflect.get(machine, "core") as object;
  (Reflect.get(core, "exports") as Stamped).stamp_patch_point();
  // Where the machine collects what is printed: called while the core runs.
  const sink = { length: 0, push: () => stamps.push(process.hrtime.bigint()) };
  Reflect.set(machine, "printed", sink);
  return stamps;
}

/** Uploads and checks once; every sample applies and reverts. */
export async function applyMany(): Promise<Row[]> {
  const wasm = compile("stop");
  const machine = await createMachine({ wasm, image: image(FUNCTIONS), onConsole: () => {} });
  const xc = new XenControl(machine);
  await xc.upload("many", payload(FUNCTIONS));
  await xc.checkAndWait("many");
  const stamps = stampsOf(machine);
  const call = (i: number): bigint => machine.call(functionName(i)).rax;
  const times: number[] = [];
  const stops: number[] = [];
  for (let i = -2; i < SAMPLES; i++) {
    stamps.length = 0;
    const time = await timed(() => xc.applyAndWait("many"));
    const [begin, end] = stamps;
    if (begin === undefined || end === undefined) throw new Error("the patch point was not passed");
    if (i >= 0) times.push(time);
    if (i >= 0) stops.push(Number(end - begin));
    if (call(FUNCTIONS - 1) !== BigInt(FUNCTIONS - 1 + CHANGE)) throw new Error("not applied");
    await xc.revertAndWait("many");
    if (call(FUNCTIONS - 1) !== BigInt(FUNCTIONS - 1)) throw new Error("not reverted");
  }
  return [
    milliseconds("apply-10000", { ours: median(times) }, "checked before"),
    milliseconds(
      "stop-10000",
      { ours: median(stops) },
      "of apply-10000, all CPUs at the patch point",
    ),
  ];
}
