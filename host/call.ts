// What goes into a call of image code and what comes out of it.

import * as abi from "./abi.js";
import { XenError } from "./error.js";

/** An address: a symbol (`name`, `file.c#name`, `name+0x10`), or a number. */
export type Target = string | bigint | number;

/** An argument: a number, or a buffer that is copied into the domain and back after the call. */
export type Argument = bigint | number | Uint8Array;

export interface CallOptions {
  /** CPU that executes it: CPU 0 by default, for a hypercall any idle one. */
  readonly cpu?: number;
  /** Instructions it may take, 100 million by default. */
  readonly budget?: bigint | number;
  /** On whose behalf: its memory can be reached, its vcpu is current. Nobody's by default; of a
   *  hypercall domain 0's. */
  readonly domain?: number;
}

export type HypercallOptions = CallOptions;

/** An exception that nothing in the image handled. */
export interface Fault {
  /** `#PF` … */
  readonly vector: string;
  /** Error code of the exception. */
  readonly error: number;
  /** The instruction. */
  readonly rip: bigint;
  /** The address that it could not access (#PF). */
  readonly va: bigint;
}

export interface CallResult {
  readonly stop: "return" | "fault" | "budget" | "halt";
  /** Unsigned; see `BigInt.asIntN(64, rax)` for a negative errno. */
  readonly rax: bigint;
  readonly cpu: number;
  readonly instructions: bigint;
  /** Present when `stop` is `fault`. */
  readonly fault?: Fault;
}

export interface RunOptions {
  /** Instructions to retire at most; no limit by default. */
  readonly instructions?: bigint | number;
  /** Virtual nanoseconds to pass at most; no limit by default. */
  readonly ns?: bigint | number;
}

export interface RunResult {
  readonly instructions: bigint;
  readonly timeNs: bigint;
  /** Why it stopped: `idle`, `time`, `budget`, `fault` … */
  readonly stop: string;
}

/** One for each register of the psABI. */
const ARGUMENTS_MAX = 6;

/** @throws XenError `arguments` */
export function checkCount(args: readonly Argument[]): void {
  if (args.length <= ARGUMENTS_MAX) return;
  const operands = { value: BigInt(args.length), limit: BigInt(ARGUMENTS_MAX) };
  throw XenError.of(abi.E2BIG, abi.REASON_ARGUMENTS, operands);
}

/** A number that the border takes as it is: the core judges what it counts, and has -1 for any. */
function countable(number: number, reason: number): number {
  if (Number.isInteger(number) && number >= 0 && number <= 0x7fff_ffff) return number;
  throw XenError.of(abi.EINVAL, reason, { name: String(number) });
}

/** @throws XenError `no-such-cpu` for what is no number of a CPU in any machine */
export const cpuNumber = (cpu: number): number => countable(cpu, abi.REASON_NO_SUCH_CPU);

/** @throws XenError `no-such-domain` */
export const domainNumber = (id: number): number => countable(id, abi.REASON_NO_SUCH_DOMAIN);

/** Reads RESULT_*. */
export function readResult(record: DataView): CallResult {
  const wide = (offset: number): bigint => record.getBigUint64(offset, true);
  const stop = record.getUint32(abi.RESULT_STOP, true);
  const result = {
    stop: abi.stopName(stop) as CallResult["stop"],
    rax: wide(abi.RESULT_RAX),
    cpu: record.getUint32(abi.RESULT_CPU, true),
    instructions: wide(abi.RESULT_INSTRUCTIONS),
  };
  if (stop !== abi.STOP_FAULT) return result;
  const fault = {
    vector: abi.vectorName(record.getUint32(abi.RESULT_VECTOR, true)),
    error: record.getUint32(abi.RESULT_ERROR, true),
    rip: wide(abi.RESULT_FAULT_RIP),
    va: wide(abi.RESULT_FAULT_VA),
  };
  return { ...result, fault };
}

/** The image did not come back from a hypercall. */
export function stopped(
  { fault, stop }: CallResult,
  nameOf: (va: bigint) => string | undefined,
): XenError {
  const at = fault && (nameOf(fault.rip) ?? `0x${fault.rip.toString(16)}`);
  const name = fault ? `${fault.vector} at ${at}` : stop;
  return XenError.of(abi.EIO, abi.REASON_STOPPED, { name });
}

/** Reads RUN_*. */
export function readRun(record: DataView): RunResult {
  return {
    instructions: record.getBigUint64(abi.RUN_INSTRUCTIONS, true),
    timeNs: record.getBigUint64(abi.RUN_TIME_NS, true),
    stop: abi.stopName(record.getUint32(abi.RUN_STOP, true)),
  };
}
