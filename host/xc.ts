// The client library: every call of the RFC's libxc (R141-R151), with its defects mended (K32-K38),
// over anything that takes a struct xen_sysctl, normally a Machine. A refusal is a XenError.

import * as abi from "./abi.js";
import { XenError } from "./error.js";
import type { Allocate } from "./guest.js";
import type { Refusal } from "./refusal.js";
import { decode } from "./struct.js";
import {
  decodeId,
  encodeId,
  type ListOp,
  marshal,
  summaryCodec,
  unmarshal,
  type XspliceOp,
} from "./sysctl.js";

/** What the client needs of a hypervisor. `Machine` is one. */
export interface Hypervisor {
  /**
   * The sysctl hypercall.
   * @param bytes struct xen_sysctl, 136 bytes; overwritten with what the hypervisor copied back
   * @returns what the hypercall returned: 0, a count, or -errno
   */
  sysctl(bytes: Uint8Array, options?: { readonly domain?: number }): number;
  /** Runs `work` with an allocator of memory of the domain. */
  withBuffers<T>(work: (allocate: Allocate) => T, domain?: number): T;
  /** Why the last sysctl was refused; undefined when nothing is recorded. */
  lastRefusal(): Refusal | undefined;
  /** Why the last action on a payload failed; undefined when nothing is recorded. */
  refusalOf(id: string): Refusal | undefined;
  /** The error of a refusal, with symbols for its addresses. */
  errorOf(refusal: Refusal): XenError;
  /** Lets the hypervisor work, at most `ns` of its time; what of it was used. */
  run(options: { readonly ns: bigint }): { readonly instructions: bigint; readonly timeNs: bigint };
  /** Resolves when the firmware has answered everything it was asked. */
  settled(): Promise<void>;
}

/** A payload and what GET says about it. */
export interface Summary {
  readonly id: string;
  /** XSPLICE_STATUS_*, or -errno of the action that failed. */
  readonly status: number;
}

export interface ListResult {
  readonly payloads: readonly Summary[];
  /** How many there are behind these. */
  readonly left: number;
}

export interface ActionOptions {
  /** Upper bound in milliseconds of virtual time, 0 for none (R116). */
  readonly timeMs?: number | bigint;
}

/** How a waited-for action ended. */
export interface Completion extends Summary {
  /** Instructions that the machine retired meanwhile. */
  readonly instructions: bigint;
  /** Virtual time that passed, in nanoseconds. */
  readonly timeNs: bigint;
}

export interface XenControlOptions {
  /** The domain that makes the sysctls, 0 by default. */
  readonly domain?: number;
  /** Virtual milliseconds to wait for an action at most, 30,000 by default (R168). */
  readonly waitMs?: number;
}

/** R148: a list that changes under the caller is read anew this often. */
const LIST_RESTARTS = 4;
/** K38: UPLOAD is repeated this often before -EAGAIN is passed on. */
const UPLOAD_RETRIES = 64;
const NS_PER_MS = 1_000_000n;

export class XenControl {
  private readonly domain: number;
  private readonly waitMs: number;

  constructor(
    private readonly hypervisor: Hypervisor,
    options: XenControlOptions = {},
  ) {
    this.domain = options.domain ?? 0;
    this.waitMs = options.waitMs ?? 30_000;
  }

  /**
   * Uploads a payload file under an id; it is LOADED afterwards, not applied (R95). Repeats the
   * call while the hypervisor waits for its firmware (K38).
   * @throws XenError why it was refused; nothing has changed then
   */
  async upload(id: string, payload: Uint8Array): Promise<void> {
    const wire = wireId(id);
    if (!(payload instanceof Uint8Array)) throw XenError.of(abi.EINVAL, abi.REASON_ARG_FAULT);
    for (let tries = 0; ; tries++) {
      const rc = this.uploadOnce(wire, payload);
      if (rc >= 0) return;
      if (rc !== -abi.EAGAIN || tries === UPLOAD_RETRIES) throw this.refused(rc);
      await this.hypervisor.settled();
      this.hypervisor.run({ ns: NS_PER_MS });
    }
  }

  private uploadOnce(id: Uint8Array, payload: Uint8Array): number {
    const op = { op: "upload", id, size: BigInt(payload.length) } as const;
    return this.hypervisor.withBuffers((allocate) => {
      // Too long a file does not fit the domain: the hypervisor looks at the size first (K37).
      const fits = payload.length <= abi.XSPLICE_PAYLOAD_MAX;
      const { va } = allocate(fits ? payload : 1);
      return this.issue({ ...op, payload: va }).rc;
    }, this.domain);
  }

  /** Status of a payload: XSPLICE_STATUS_*, or -errno of the action that failed (R105). */
  async get(id: string): Promise<Summary> {
    return { id, status: this.status(wireId(id)) };
  }

  private status(id: Uint8Array): number {
    const { rc, op } = this.issue({ op: "get", id, status: 0 });
    if (rc < 0) throw this.refused(rc);
    return (op as { status: number }).status;
  }

  /**
   * Payloads in upload order. A list that changes meanwhile is read anew from `start`.
   * @param max how many at most
   * @param start index of the first
   */
  async list(max: number, start = 0): Promise<ListResult> {
    if (!Number.isInteger(max) || max <= 0 || !Number.isInteger(start) || start < 0) {
      throw XenError.of(abi.EINVAL, abi.REASON_LIST_INDEX, {
        value: BigInt(Math.trunc(start) || 0),
      });
    }
    let payloads: Summary[] = [];
    let left = 0;
    let batch = max;
    let version: number | undefined;
    for (let restarts = 0; ; ) {
      const wanted = Math.min(max - payloads.length, batch);
      const { rc, op, rows } = this.listOnce(wanted, start + payloads.length); // K32
      if (rc === -abi.E2BIG && batch > 1) {
        batch >>= 1;
        continue;
      }
      if (rc < 0) throw this.refused(rc);
      if (version !== undefined && version !== op.version) {
        if (++restarts > LIST_RESTARTS) {
          const value = BigInt(restarts);
          throw XenError.of(abi.EBUSY, abi.REASON_LIST_CHANGES, { value });
        }
        payloads = []; // K33: the index follows from what was read
        version = op.version;
        continue;
      }
      version = op.version;
      if (rc > wanted) {
        const operands = { value: BigInt(rc), limit: BigInt(wanted) };
        throw XenError.of(abi.EINVAL, abi.REASON_LIST_OVERFLOW, operands);
      }
      payloads.push(...rows.slice(0, rc));
      left = op.nr;
      if (payloads.length === max || left === 0 || rc === 0) return { payloads, left };
    }
  }

  /** Every payload. */
  async listAll(): Promise<readonly Summary[]> {
    for (let room = abi.XSPLICE_LIST_MAX; ; room *= 2) {
      const { payloads, left } = await this.list(room);
      if (left === 0) return payloads;
    }
  }

  private listOnce(nr: number, idx: number): { rc: number; op: ListOp; rows: Summary[] } {
    return this.hypervisor.withBuffers((allocate) => {
      const buffer = allocate(nr * summaryCodec.size);
      const { rc, op } = this.issue({ op: "list", version: 0, idx, nr, summary: buffer.va });
      const count = Math.min(Math.max(rc, 0), nr);
      const bytes = count === 0 ? new Uint8Array() : buffer.read();
      const rows = Array.from({ length: count }, (_, i) => {
        const { id, status } = decode(summaryCodec, bytes, i * summaryCodec.size);
        return { id: decodeId(id), status };
      });
      return { rc, op: op as ListOp, rows };
    }, this.domain);
  }

  /** The build-id of the hypervisor (R91); empty when it has none. */
  async buildId(): Promise<Uint8Array> {
    const { rc, op } = this.issue({ op: "info", len: 0n, buffer: 0n });
    if (rc === -abi.ENODATA) return new Uint8Array();
    if (rc < 0) throw this.refused(rc);
    const { len } = op as { len: bigint };
    return this.hypervisor.withBuffers((allocate) => {
      const buffer = allocate(Number(len));
      const answer = this.issue({ op: "info", len, buffer: buffer.va });
      if (answer.rc < 0) throw this.refused(answer.rc);
      return buffer.read();
    }, this.domain);
  }

  /** Asks for a CHECK; it is done when the machine runs (R92). */
  async check(id: string, options: ActionOptions = {}): Promise<void> {
    this.action(id, abi.XSPLICE_ACTION_CHECK, options);
  }

  /** Asks for an APPLY; it is done when the machine runs. */
  async apply(id: string, options: ActionOptions = {}): Promise<void> {
    this.action(id, abi.XSPLICE_ACTION_APPLY, options);
  }

  /** Asks for a REVERT; it is done when the machine runs. */
  async revert(id: string, options: ActionOptions = {}): Promise<void> {
    this.action(id, abi.XSPLICE_ACTION_REVERT, options);
  }

  /** Unloads a payload at once (R123). */
  async unload(id: string, options: ActionOptions = {}): Promise<void> {
    this.action(id, abi.XSPLICE_ACTION_UNLOAD, options);
  }

  private action(id: string, cmd: number, { timeMs = 0 }: ActionOptions): void {
    const time = BigInt(timeMs);
    const { rc } = this.issue({ op: "action", id: wireId(id), cmd, time });
    if (rc < 0) throw this.refused(rc);
  }

  /** `check`, then lets the machine run until it is done. @throws XenError when it failed */
  async checkAndWait(id: string, options: ActionOptions = {}): Promise<Completion> {
    await this.check(id, options);
    return this.wait(id);
  }

  /** `apply`, then lets the machine run until it is done. @throws XenError when it failed */
  async applyAndWait(id: string, options: ActionOptions = {}): Promise<Completion> {
    await this.apply(id, options);
    return this.wait(id);
  }

  /** `revert`, then lets the machine run until it is done. @throws XenError when it failed */
  async revertAndWait(id: string, options: ActionOptions = {}): Promise<Completion> {
    await this.revert(id, options);
    return this.wait(id);
  }

  /**
   * Lets the machine run until a payload is no longer in PROGRESS.
   * @throws XenError with the failure of the action, or ETIMEDOUT after `waitMs`
   */
  async wait(id: string): Promise<Completion> {
    const wire = wireId(id);
    let instructions = 0n;
    let timeNs = 0n;
    for (let ms = 0; ; ms++) {
      const status = this.status(wire);
      if (status < 0) throw this.failed(id, status);
      if (status !== abi.XSPLICE_STATUS_PROGRESS) return { id, status, instructions, timeNs };
      if (ms >= this.waitMs) {
        throw XenError.of(abi.ETIMEDOUT, abi.REASON_WAITED, { id, value: BigInt(ms) });
      }
      const ran = this.hypervisor.run({ ns: NS_PER_MS });
      instructions += ran.instructions;
      timeNs += ran.timeNs;
      if (ms % 64 === 63) await undefined;
    }
  }

  /** The error of a status: what the hypervisor recorded for the payload, else the number alone. */
  failed(id: string, status: number): XenError {
    return this.error(status, this.hypervisor.refusalOf(id));
  }

  private refused(rc: number): XenError {
    return this.error(rc, this.hypervisor.lastRefusal());
  }

  private error(code: number, refusal: Refusal | undefined): XenError {
    if (refusal?.errno === -code) return this.hypervisor.errorOf(refusal);
    return XenError.of(-code, abi.REASON_NONE);
  }

  private issue(op: XspliceOp): { rc: number; op: XspliceOp } {
    const bytes = marshal(op);
    const rc = this.hypervisor.sysctl(bytes, { domain: this.domain });
    return { rc, op: unmarshal(bytes) };
  }
}

/** K35, K36: an id that cannot be sent is -EINVAL; the rest is for the hypervisor to judge. */
function wireId(id: string): Uint8Array {
  const wire = typeof id === "string" ? encodeId(id) : undefined;
  if (wire) return wire;
  throw XenError.of(abi.EINVAL, abi.REASON_ID_NONCANONICAL, { id: String(id) });
}
