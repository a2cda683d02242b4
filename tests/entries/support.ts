// Machines whose guests enter by the machine's own code, and what is asked of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { XenError } from "../../host/error.js";
import type { Machine } from "../../host/machine.js";
import type { XenControl } from "../../host/xc.js";
import { buildPayload, hex, type Place, trampoline } from "../engine/payload.js";
import { findImage } from "../livepatch/corpus.js";
import { inRoot } from "../support/root.js";

export const XEN_SYMS = findImage();
export const skip =
  !XEN_SYMS && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";
let image: Uint8Array | undefined;
export function xenSyms(): Uint8Array {
  image ??= new Uint8Array(readFileSync(XEN_SYMS ?? ""));
  return image;
}

export interface Loaded {
  readonly machine: Machine;
  readonly control: XenControl;
}

/** mini-Xen as it is, or with `from` (ASCII) overwritten by `to` wherever it stands. */
export function miniXen(from = "", to = ""): Uint8Array {
  const bytes = Buffer.from(readFileSync(inRoot("images/mini-xen/mini-xen")));
  assert.equal(from.length, to.length);
  for (let at = bytes.indexOf(from); from && at >= 0; at = bytes.indexOf(from, at + 1))
    bytes.write(to, at, "latin1");
  return new Uint8Array(bytes);
}

/** Owner of the contract's note, and one that the machine does not know. */
export const NOTE = ["xsplice\0", "another\0"] as const;

export const CPUS = [0, 1, 2, 3] as const;
const GUEST_TEXT = 0x400000n;
const GUEST_DATA = 0x600000n;
/** Where guests.S has its programs for any Xen. */
const XEN_STORM = 0x120n;

/** Field of a CPU's counters: 8 NMIs, 12 ticks (entries.S). */
export function counter(machine: Machine, cpu: number, field: 8 | 12): number {
  const va = machine.info().entryStart + 0x2000n + BigInt(16 * cpu + field);
  const bytes = machine.read(va, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** What the storm of a CPU was told last as the extra version. */
export function extraVersion(machine: Machine, cpu: number): string {
  const bytes = machine.read(GUEST_DATA + BigInt(4096 * cpu), 16, { domain: 1 });
  return Buffer.from(bytes).toString("latin1").replace(/\0.*$/s, "");
}

/** The storm's program is `code` from now on, for everybody. */
export function rewriteStorm(machine: Machine, code: string): void {
  machine.write(GUEST_TEXT + XEN_STORM, hex(code), { domain: 1 });
}

/** `mov $nr,%eax; mov $arg,%edi; mov %rbx,%rsi; syscall; jmp` to its beginning. */
export function callForever(nr: number, arg: number): string {
  const byte = (value: number) => value.toString(16).padStart(2, "0");
  return `b8 ${byte(nr)} 000000 bf ${byte(arg)} 000000 4889de 0f05 ebef`;
}

/** A payload that replaces a function, or whatever lies at `va`, by `code`, in the RFC's format. */
export function replacing(
  machine: Machine,
  name: string,
  code: Uint8Array,
  va?: bigint,
): Uint8Array {
  const [symbol] = machine.symbols.find(name);
  assert.ok(symbol, name);
  const place: Place = {
    ...trampoline(name, Number(symbol.size), code),
    ...(va !== undefined && { symbol: undefined, address: va, relocAddr: va }),
  };
  const id = Buffer.from(machine.info().buildId).toString("hex");
  return buildPayload({ name: `new ${name}`, id, places: [place] });
}

/** `lea text(%rip),%rax; ret`, and the text. */
export const returning = (text: string): Uint8Array =>
  Buffer.concat([hex("488d0501000000c3"), Buffer.from(`${text}\0`)]);

/** Unloads a payload as soon as no word of a stack looks like a pointer into it. */
export async function unloadWhenFree({ machine, control }: Loaded, id: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      return await control.unload(id);
    } catch (error) {
      assert.equal((error as XenError).reason, "still-referenced", String(error));
      machine.run({ ns: 10_000n });
    }
  }
  assert.fail(`${id} is still referenced`);
}

/** The image's code, all of it. */
export function code(machine: Machine): Buffer {
  const parts = machine.textRanges().map(({ start, end }) => {
    return machine.read(start, Number(end - start)).slice();
  });
  return Buffer.concat(parts);
}
