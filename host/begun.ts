// Hypercalls that are begun and not waited for: a toolstack of a domain makes one on a CPU, and its
// instructions are executed in the machine's normal turns, interleaved with everybody else's. The
// machine keeps the result until it is collected; buffers stay in the domain's memory until then.

import * as abi from "./abi.js";
import {
  type Argument,
  type CallResult,
  checkCount,
  cpuNumber,
  domainNumber,
  type HypercallOptions,
  readResult,
} from "./call.js";
import type { Core } from "./core.js";
import type { GuestMemories, HeldBuffer } from "./guest.js";

type Buffers = ReadonlyMap<Uint8Array, HeldBuffer>;

/** A hypercall under way. */
export class Begun {
  private result: CallResult | undefined;

  constructor(
    private readonly core: Core,
    /** The CPU that executes it. */
    readonly cpu: number,
    private readonly buffers: Buffers,
  ) {}

  /** Its result, undefined while it is under way. Buffers have been copied back then. */
  collect(): CallResult | undefined {
    if (this.result || this.core.invoke("hv_collect", this.cpu) !== 1) return this.result;
    this.result = readResult(this.core.record());
    for (const [bytes, buffer] of this.buffers) bytes.set(buffer.read());
    release(this.buffers);
    return this.result;
  }
}

export interface BeginRequest {
  readonly nr: number;
  readonly args: readonly Argument[];
  readonly options: HypercallOptions;
  /** Throws the error of a refusal. */
  demand(rc: number): number;
}

function release(buffers: Buffers): void {
  for (const buffer of buffers.values()) buffer.release();
}

/** Used by `Machine.begin`. @returns undefined when the CPU is not free for it now */
export function beginHypercall(
  core: Core,
  memories: GuestMemories,
  { nr, args, options, demand }: BeginRequest,
): Begun | undefined {
  const domain = domainNumber(options.domain ?? 0);
  const cpu = cpuNumber(options.cpu ?? 0);
  checkCount(args);
  const buffers = new Map<Uint8Array, HeldBuffer>();
  let begun = false;
  try {
    for (const arg of args) {
      if (arg instanceof Uint8Array) buffers.set(arg, memories.of(domain).hold(arg));
    }
    const record = core.record();
    args.forEach((arg, i) => {
      const value = arg instanceof Uint8Array ? (buffers.get(arg)?.va ?? 0n) : BigInt(arg);
      record.setBigUint64(8 * i, BigInt.asUintN(64, value), true);
    });
    const rc = core.invoke("hv_begin", domain, cpu, BigInt(nr), args.length);
    begun = rc === 0;
    if (rc === -abi.EBUSY) return undefined;
    demand(rc);
    return new Begun(core, cpu, buffers);
  } finally {
    if (!begun) release(buffers);
  }
}
