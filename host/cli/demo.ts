// `demo`: the guided tour, on machines of its own, in memory. A guest reads stale bytes of a
// hypervisor stack, the fix is uploaded, checked and applied into the running code, the same
// hypercall gives zeros, and the patch is reverted to the last byte; then the same under load, and
// in every order of two CPUs. Every number and every line of code shown is read from the machine at
// that moment; a step that does not turn out as promised ends the tour with exit 1.

import { createColors } from "picocolors";
import { HYPERVISOR_XEN_VERSION } from "../../assembly/abi.js";
import { createMachine } from "../create.js";
import { readSource } from "../image.js";
import type { Machine } from "../machine.js";
import { XenControl } from "../xc.js";
import { optionNumber } from "./arguments.js";
import type { Command } from "./command.js";
import type { Context } from "./context.js";
import { underLoad } from "./demo_load.js";
import { everyOrder } from "./demo_search.js";
import { codeLines } from "./disas.js";
import { hex, spacedBytes, stateName } from "./format.js";
import { dumpLines } from "./peek.js";
import { describe } from "./place.js";

const PAYLOAD = new URL("../../../images/payloads/xsa125.xsplice", import.meta.url);
const ID = "xsa125";
const FUNCTION = "do_xen_version";
const GUEST = 1;
/** XENVER_commandline: a string in a structure of 1024 bytes. */
const COMMANDLINE = 9;
const COMMANDLINE_BYTES = 1024;
const SHOWN = 5;

interface Leak {
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Bytes behind the string that are not zero. */
  readonly stale: number;
}

/** The hypercall of an ordinary guest, and what came back behind the string. */
function ask(machine: Machine): Leak {
  const buffer = new Uint8Array(COMMANDLINE_BYTES);
  const args = [COMMANDLINE, buffer];
  const { stop, rax } = machine.hypercall(HYPERVISOR_XEN_VERSION, args, { domain: GUEST });
  if (stop !== "return" || rax !== 0n) throw new Error(`xen_version: ${stop}, rax ${hex(rax)}`);
  const end = buffer.indexOf(0);
  const stale = buffer.subarray(end).filter((byte) => byte !== 0).length;
  return { text: Buffer.from(buffer.subarray(0, end)).toString("latin1"), bytes: buffer, stale };
}

/** Addresses of the hypervisor among the stale bytes, with what they point to. */
function pointers(machine: Machine, { bytes, text }: Leak): string[] {
  const { textStart, textEnd } = machine.info();
  const view = new DataView(bytes.buffer);
  const found = new Set<string>();
  for (let at = Math.ceil((text.length + 1) / 8) * 8; at + 8 <= bytes.length; at += 8) {
    const va = view.getBigUint64(at, true);
    if (va >= textStart && va < textEnd) found.add(describe(machine, va));
  }
  return [...found];
}

class Tour {
  private number = 0;
  private readonly colour: ReturnType<typeof createColors>;
  readonly steps: { step: string; ok: boolean }[] = [];

  constructor(
    private readonly ctx: Context,
    readonly machine: Machine,
    readonly control: XenControl,
  ) {
    this.colour = createColors(ctx.colour);
  }

  title(text: string): void {
    this.number += 1;
    this.ctx.print("");
    this.ctx.print(this.colour.bold(`${this.number}. ${text}`));
  }

  show(...lines: readonly string[]): void {
    for (const line of lines) this.ctx.print(`   ${line}`);
  }

  /** Says what must hold, and whether it does. */
  verdict(step: string, ok: boolean): void {
    this.steps.push({ step, ok });
    const { green, red } = this.colour;
    this.ctx.print(`   ${ok ? green("✓") : red("✗")} ${step}`);
  }

  async code(count: number): Promise<void> {
    const code = await this.machine.decode(FUNCTION, count);
    const patched = this.machine.map();
    const mark = (va: bigint): string => {
      const patch = patched.find((one) => one.va === va);
      return patch ? `${patch.kind} of ${patch.owner}` : "";
    };
    this.show(...codeLines(code, ({ va }) => mark(va)));
  }

  leak(what: Leak): void {
    this.show(
      `the command line "${what.text}", and behind it ${what.stale} bytes that are not zero`,
    );
    const from = Math.floor((what.text.length + 1) / 16) * 16;
    const first = what.bytes.findIndex((byte, at) => at > what.text.length && byte !== 0);
    const start = first < 0 ? from : Math.floor(first / 16) * 16;
    const rows = what.bytes.subarray(start, start + 16 * SHOWN);
    this.show(...dumpLines(rows, BigInt(start)));
  }
}

/** What any busy hypervisor has on its stack: calls of dom0 that leave their frames behind. */
function useTheStack(machine: Machine): void {
  machine.hypercall("xen_version", [2, new Uint8Array(144)]);
  machine.hypercall("domctl", [new Uint8Array(128)]);
}

async function steal(tour: Tour): Promise<void> {
  const { machine } = tour;
  tour.title(`A guest calls xen_version (hypercall ${HYPERVISOR_XEN_VERSION}) and gets too much`);
  useTheStack(machine);
  const leak = ask(machine);
  tour.leak(leak);
  const named = pointers(machine, leak);
  for (const place of named.slice(0, SHOWN)) tour.show(`a return address: ${place}`);
  tour.verdict(
    "an unprivileged guest has read stale bytes of the hypervisor's stack",
    leak.stale > 0,
  );
}

async function prepare(tour: Tour, payload: Uint8Array): Promise<void> {
  const { control } = tour;
  const state = async (): Promise<string> => stateName((await control.get(ID)).status);
  tour.title("The fix arrives as a payload, and is checked against this very build");
  await control.upload(ID, payload);
  tour.show(`upload ${ID}: ${payload.length} bytes, ${await state()}`);
  await control.check(ID);
  tour.show(`check ${ID}: ${await state()}, the hypervisor is working`);
  await control.wait(ID);
  tour.show(`check ${ID}: ${await state()}`);
  tour.show(`${FUNCTION} now:`);
  await tour.code(3);
  tour.verdict("nothing is patched yet", tour.machine.map().length === 0);
}

async function patch(tour: Tour): Promise<void> {
  const { machine, control } = tour;
  tour.title("Apply: the running code changes");
  const { timeNs } = await control.applyAndWait(ID);
  const [place] = machine.map();
  if (place) {
    tour.show(`old ${spacedBytes(place.old)}`, `new ${spacedBytes(place.new)}`);
    tour.show(`${FUNCTION} now:`);
    await tour.code(3);
    tour.show("and behind the trampoline:");
    const behind = await machine.decode(place.target ?? place.va, 4);
    tour.show(...codeLines(behind, () => ""));
  }
  tour.show(`done after ${timeNs} ns of virtual time`);
  tour.verdict(`a trampoline leads from ${FUNCTION} to the new code`, place?.kind === "trampoline");
  tour.title("The same hypercall again");
  useTheStack(machine);
  const leak = ask(machine);
  tour.leak(leak);
  tour.verdict("the guest gets the command line and zeros", leak.stale === 0 && leak.text !== "");
}

async function takeBack(tour: Tour, before: { hash: bigint; text: Uint8Array }): Promise<void> {
  const { machine, control } = tour;
  tour.title("Revert and unload: as if nothing had happened");
  await control.revertAndWait(ID);
  await tour.code(3);
  const text = machine.read(FUNCTION, before.text.length);
  const same = Buffer.from(text).equals(before.text);
  tour.verdict(`all ${text.length} bytes of ${FUNCTION} are the old ones`, same);
  useTheStack(machine);
  tour.verdict("and the old code leaks again", ask(machine).stale > 0);
  await control.unload(ID);
  const hash = machine.stateHash();
  tour.show(`state before the upload ${hex(before.hash)}`, `state after the unload  ${hex(hash)}`);
  tour.verdict(
    "image, page tables, frames and payload list are the same bytes",
    hash === before.hash,
  );
}

export const command: Command = {
  usage: "demo",
  options: [["--cpus <n>", "number of CPUs (4)"]],
  async run(ctx, _args, options) {
    const cpus = optionNumber(options.cpus, "--cpus", 256, 4) || 4;
    const payload = await readSource(PAYLOAD);
    const machine = await createMachine({ cpus });
    const { version, symbols } = machine.info();
    ctx.print(`A machine of ${cpus} CPUs runs ${machine.label}: ${version}, ${symbols} symbols.`);
    const tour = new Tour(ctx, machine, new XenControl(machine));
    await steal(tour);
    const { symbol } = machine.symbols.at(machine.symbols.resolve(FUNCTION)) ?? {};
    const text = machine.read(FUNCTION, Number(symbol?.size ?? 5n));
    const before = { hash: machine.stateHash(), text };
    await prepare(tour, payload);
    await patch(tour);
    await takeBack(tour, before);
    await underLoad(tour, payload, cpus);
    await everyOrder(tour, payload);
    const failed = tour.steps.filter(({ ok }) => !ok);
    ctx.print("");
    ctx.print(failed.length === 0 ? "All of it held." : `${failed.length} steps did not hold.`);
    ctx.result({ steps: tour.steps });
    return failed.length === 0 ? 0 : 1;
  },
};
