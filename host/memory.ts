// Memory of the hypervisor or of a domain, piece by piece through the window of the border.

import * as abi from "./abi.js";
import type { Core } from "./core.js";

/** Whose memory, and how it is reached. */
export interface Access {
  readonly core: Core;
  /** -1 for the hypervisor. */
  readonly domain: number;
  /** Throws when the core refuses. */
  demand(rc: number): number;
}

const PAGE = 4096;

/** Calls `work` for the pieces of a range that fit the window. */
function inPieces(
  va: bigint,
  length: number,
  work: (va: bigint, done: number, size: number) => void,
): void {
  for (let done = 0; done < length; done += abi.IO_WINDOW_SIZE) {
    const size = Math.min(length - done, abi.IO_WINDOW_SIZE);
    work(BigInt.asUintN(64, va + BigInt(done)), done, size);
  }
}

export function readMemory(
  { core, domain, demand }: Access,
  va: bigint,
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(length);
  inPieces(va, length, (at, done, size) => {
    demand(core.invoke("hv_read", domain, at, size));
    bytes.set(core.window(size), done);
  });
  return bytes;
}

export function writeMemory({ core, domain, demand }: Access, va: bigint, bytes: Uint8Array): void {
  inPieces(va, bytes.length, (at, done, size) => {
    core.window(size).set(bytes.subarray(done, done + size));
    demand(core.invoke("hv_write", domain, at, size));
  });
}

/** Up to a NUL or `limit` bytes; reads no page that the string does not reach. */
export function readCString(access: Access, va: bigint, limit: number): string {
  const bytes: number[] = [];
  while (bytes.length < limit) {
    const at = va + BigInt(bytes.length);
    const piece = Math.min(limit - bytes.length, PAGE - Number(at % BigInt(PAGE)));
    const chunk = readMemory(access, at, piece);
    const end = chunk.indexOf(0);
    bytes.push(...(end < 0 ? chunk : chunk.subarray(0, end)));
    if (end >= 0) break;
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
