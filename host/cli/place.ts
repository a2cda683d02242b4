// Places in the hypervisor as people write and read them: `do_xen_version+0x10`.

import type { Machine } from "../machine.js";
import { hex } from "./format.js";

/** `name+0x10` of an address, or the empty string when no symbol is near. */
export function symbolOf(machine: Machine, va: bigint): string {
  return machine.symbols.nameOf(va) ?? "";
}

/** `0xffff82d080112f9e (do_xen_version)`. */
export function describe(machine: Machine, va: bigint): string {
  const symbol = symbolOf(machine, va);
  return symbol === "" ? hex(va) : `${hex(va)} (${symbol})`;
}

/** Id of the payload whose memory an address lies in; undefined for the image. */
export function payloadAt(machine: Machine, va: bigint): string | undefined {
  const page = 4096n;
  return machine
    .payloads()
    .find((payload) => va >= payload.baseVa && va < payload.baseVa + BigInt(payload.pages) * page)
    ?.id;
}
