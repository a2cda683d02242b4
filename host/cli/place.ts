// Places in the hypervisor as people write and read them: `do_xen_version+0x10`.

import type { Fault } from "../call.js";
import { disassemble } from "../disasm.js";
import { XenError } from "../error.js";
import { readLivepatches } from "../livepatch_map.js";
import type { Machine } from "../machine.js";
import { hex, spacedBytes } from "./format.js";

/** `name+0x10` of an address, or the empty string when no symbol is near. */
export function symbolOf(machine: Machine, va: bigint): string {
  return machine.symbols.nameOf(va) ?? "";
}

/** `0xffff82d080112f9e (do_xen_version)`. */
export function describe(machine: Machine, va: bigint): string {
  const symbol = symbolOf(machine, va);
  return symbol === "" ? hex(va) : `${hex(va)} (${symbol})`;
}

/** `: vpxor %xmm0,%xmm0,%xmm0 (c5 f9 ef c0)`: what the processor does not have. */
async function refused(machine: Machine, va: bigint, domain?: number): Promise<string> {
  const inside = domain === undefined ? {} : { domain };
  const read = (at: bigint, length: number) => machine.read(at, length, inside);
  try {
    const [found] = await disassemble({ read, symbols: machine.symbols }, va, 1);
    return found ? `: ${found.text} (${spacedBytes(found.bytes)})` : "";
  } catch (error) {
    if (error instanceof XenError) return ""; // what stood there is gone
    throw error;
  }
}

/** `#PF on 0x70 at 0xffff82d04024f99b (vcpu_yield+0x5b)`. `domain`: in a guest of it. */
export async function describeFault(
  machine: Machine,
  { vector, va, rip }: Fault,
  domain?: number,
): Promise<string> {
  const on = vector === "#PF" ? ` on ${hex(va)}` : "";
  const what = vector === "#UD" ? await refused(machine, rip, domain) : "";
  return `${vector}${on} at ${describe(machine, rip)}${what}`;
}

/** A fault in JSON. */
export const faultRecord = ({ vector, va, rip }: Fault): Record<string, string> => ({
  vector,
  va: hex(va),
  rip: hex(rip),
});

const PAGE = 4096n;

const pages = (bytes: bigint): bigint => (bytes + PAGE - 1n) / PAGE;

/** Id of the payload, of either format, that an address lies in; undefined for the image. */
export function payloadAt(machine: Machine, va: bigint): string | undefined {
  const payload = machine.payloads().find(({ baseVa, textSize, dataSize, rodataSize }) => {
    const size = pages(textSize) + pages(dataSize) + pages(rodataSize);
    return va >= baseVa && va < baseVa + size * PAGE;
  });
  if (payload) return payload.id;
  const today = machine.inside(readLivepatches);
  return today.find(({ textVa, textSize }) => va >= textVa && va < textVa + textSize)?.name;
}
