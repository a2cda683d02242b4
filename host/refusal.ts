// The core's record of why an operation was refused (assembly/hv/refusal.ts), as an object. Which
// operand means what depends on the reason; `explain.ts` knows.

import * as abi from "./abi.js";
import { decodeId } from "./sysctl.js";

/** Operands of a refusal. An address or number that the reason does not use is 0. */
export interface Refusal {
  /** Positive error number. */
  readonly errno: number;
  readonly reason: number;
  readonly step: number;
  readonly place: number;
  readonly index: number;
  readonly index2: number;
  readonly cpu: number;
  /** The virtual address it is about. */
  readonly va: bigint;
  /** A second one: expected, target, conflicting. */
  readonly va2: bigint;
  /** What was found. */
  readonly value: bigint;
  /** What was allowed or expected. */
  readonly limit: bigint;
  /** Payload that was refused. */
  readonly id: string;
  /** The other payload involved. */
  readonly other: string;
  /** Symbol or section. */
  readonly name: string;
  /** Bytes found in memory. */
  readonly found: Uint8Array;
  /** Bytes expected there. */
  readonly expected: Uint8Array;
  /** Addresses that an ambiguous symbol could mean; `candidateCount` may be larger. */
  readonly candidates: readonly bigint[];
  readonly candidateCount: number;
}

const ID = abi.XEN_XSPLICE_ID_SIZE;
const BYTES_MAX = abi.REFUSAL_EXPECTED - abi.REFUSAL_FOUND;
const CANDIDATES_MAX = 16;

const NOTHING = new Uint8Array(abi.REFUSAL_RECORD_SIZE);

/**
 * Reads a record.
 * @param record at least REFUSAL_RECORD_SIZE bytes; what is returned does not refer to them
 */
export function decodeRefusal(record: Uint8Array): Refusal {
  const view = new DataView(record.buffer, record.byteOffset, abi.REFUSAL_RECORD_SIZE);
  const number = (offset: number): number => view.getUint32(offset, true);
  const wide = (offset: number): bigint => view.getBigUint64(offset, true);
  const slice = (offset: number, size: number): Uint8Array => record.slice(offset, offset + size);
  const count = Math.min(number(abi.REFUSAL_BYTES), BYTES_MAX);
  const candidates = number(abi.REFUSAL_CANDIDATE_COUNT);
  return {
    errno: view.getInt32(abi.REFUSAL_ERRNO, true),
    reason: number(abi.REFUSAL_REASON),
    step: number(abi.REFUSAL_STEP),
    place: number(abi.REFUSAL_PLACE),
    index: number(abi.REFUSAL_INDEX),
    index2: number(abi.REFUSAL_INDEX2),
    cpu: number(abi.REFUSAL_CPU),
    va: wide(abi.REFUSAL_VA),
    va2: wide(abi.REFUSAL_VA2),
    value: wide(abi.REFUSAL_VALUE),
    limit: wide(abi.REFUSAL_LIMIT),
    id: decodeId(slice(abi.REFUSAL_ID, ID)),
    other: decodeId(slice(abi.REFUSAL_OTHER, ID)),
    name: decodeId(slice(abi.REFUSAL_NAME, abi.REFUSAL_FOUND - abi.REFUSAL_NAME)),
    found: slice(abi.REFUSAL_FOUND, count),
    expected: slice(abi.REFUSAL_EXPECTED, count),
    candidates: Array.from({ length: Math.min(candidates, CANDIDATES_MAX) }, (_, i) =>
      wide(abi.REFUSAL_CANDIDATES + 8 * i),
    ),
    candidateCount: candidates,
  };
}

/** A refusal that the host itself found, before the core was asked. */
export function hostRefusal(
  errno: number,
  reason: number,
  operands: Partial<Refusal> = {},
): Refusal {
  return { ...decodeRefusal(NOTHING), errno, reason, ...operands };
}
