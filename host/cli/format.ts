// How values are printed: states as the RFC's tool has them, addresses, bytes, and the table of
// `list`.

import * as abi from "../../assembly/abi.js";
import { errnoName, strerror } from "../errno.js";

const STATES: ReadonlyMap<number, string> = new Map([
  [abi.XSPLICE_STATUS_LOADED, "LOADED"],
  [abi.XSPLICE_STATUS_PROGRESS, "PROGRESS"],
  [abi.XSPLICE_STATUS_CHECKED, "CHECKED"],
  [abi.XSPLICE_STATUS_APPLIED, "APPLIED"],
  [abi.XSPLICE_STATUS_REVERTED, "REVERTED"],
]);

/** `LOADED` …, `-EBUSY` for a failure, `unknown` for what is no state (R139, K47). */
export function stateName(status: number): string {
  if (status < 0) return `-${errnoName(status)}`;
  return STATES.get(status) ?? "unknown";
}

/** The same in the table of `list`, where the RFC has a failure's text (R162, K48). */
export function stateText(status: number): string {
  return status < 0 ? strerror(status) : stateName(status);
}

/** `22(Invalid argument)`, as the RFC's messages have it. */
export function errnoText(errno: number): string {
  return `${Math.abs(errno)}(${strerror(errno)})`;
}

export const ID_COLUMNS = abi.XEN_XSPLICE_ID_SIZE;

export const LIST_HEADER = [
  `${" ID".padEnd(ID_COLUMNS)}| status`,
  `${"-".repeat(ID_COLUMNS)}+${"-".repeat(12)}`,
].join("\n");

export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** Lower-case hex without blanks. */
export function hexBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The same for people: `e9 5d d0`. */
export function spacedBytes(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Rows of cells as aligned columns; the last one is not padded. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
