// The client library for today's live patching: the calls that libxenctrl 4.17 offers, over
// anything that takes a struct xen_sysctl, normally a Machine. A refusal is a XenError. Unlike the
// RFC's, an action asked for in the wrong state is answered with 0 and does nothing: look at the
// state.

import * as abi from "./abi.js";
import { XenError } from "./error.js";
import type { Allocate } from "./guest.js";
import { actionOp, getOp, listOp, type NameHandle, uploadOp } from "./livepatch_sysctl.js";
import type { Hypervisor } from "./xc.js";

export type LivepatchState = "CHECKED" | "APPLIED";

export interface LivepatchStatus {
  readonly name: string;
  readonly state: LivepatchState;
  /** 0, -EAGAIN while an action is under way, or -errno of the last one that was tried. */
  readonly rc: number;
}

export interface LivepatchEntry extends LivepatchStatus {
  /** `.modinfo` as it is in the payload; strings separated by NULs. */
  readonly metadata: string;
}

export interface LivepatchActionOptions {
  /** Upper bound in nanoseconds, 30 ms by default. */
  readonly timeoutNs?: number;
  /** APPLY only: do not look at the dependency on a build-id. */
  readonly nodeps?: boolean;
}

/** What the client of 4.17 asks for. */
export const TIMEOUT_NS = 30_000_000;
const RESTARTS = 4;
const STATUS_BYTES = 8;
const LENGTH_BYTES = 4;
const NS_PER_MS = 1_000_000n;
const WAIT_MS = 5_000;

export const stateName = (state: number): LivepatchState =>
  state === abi.LIVEPATCH_STATE_APPLIED ? "APPLIED" : "CHECKED";

const text = new TextDecoder();

export class LivepatchControl {
  constructor(
    private readonly hypervisor: Hypervisor,
    private readonly domain = 0,
  ) {}

  /** Uploads a payload; it is CHECKED afterwards, not applied. @throws XenError why not */
  upload(name: string, payload: Uint8Array): void {
    this.withName(name, (handle, allocate) => {
      const fits = payload.length > 0 && payload.length <= abi.LIVEPATCH_PAYLOAD_MAX;
      const { va } = allocate(fits ? payload : 1);
      this.issue(uploadOp(handle, BigInt(payload.length), va));
    });
  }

  /** @throws XenError -ENOENT for a name that is not there */
  get(name: string): LivepatchStatus {
    const op = this.withName(name, (handle) => {
      const bytes = getOp(handle);
      this.issue(bytes);
      return new DataView(bytes.buffer);
    });
    const state = stateName(op.getUint32(abi.LIVEPATCH_STATUS_STATE, true));
    return { name, state, rc: op.getInt32(abi.LIVEPATCH_STATUS_RC, true) };
  }

  apply(name: string, options: LivepatchActionOptions = {}): number {
    return this.action(name, abi.LIVEPATCH_ACTION_APPLY, options);
  }

  revert(name: string, options: LivepatchActionOptions = {}): number {
    return this.action(name, abi.LIVEPATCH_ACTION_REVERT, options);
  }

  unload(name: string, options: LivepatchActionOptions = {}): number {
    return this.action(name, abi.LIVEPATCH_ACTION_UNLOAD, options);
  }

  replace(name: string, options: LivepatchActionOptions = {}): number {
    return this.action(name, abi.LIVEPATCH_ACTION_REPLACE, options);
  }

  /** @returns 0: done or under way; what a preapply or prerevert hook said, if that is positive */
  action(name: string, cmd: number, options: LivepatchActionOptions = {}): number {
    const { timeoutNs = TIMEOUT_NS, nodeps = false } = options;
    const flags = nodeps ? abi.LIVEPATCH_ACTION_APPLY_NODEPS : 0;
    return this.withName(name, (handle) => this.issue(actionOp(handle, cmd, timeoutNs, flags)));
  }

  /**
   * Lets the machine run until no action on the payload is under way; undefined when it is gone.
   * A hook's own -EAGAIN looks the same and does not go away.
   */
  wait(name: string): LivepatchStatus | undefined {
    for (let ms = 0; ms < WAIT_MS; ms++) {
      try {
        const status = this.get(name);
        if (status.rc !== -abi.EAGAIN) return status;
      } catch (error) {
        if (error instanceof XenError && error.code === -abi.ENOENT) return undefined;
        throw error;
      }
      this.hypervisor.run({ ns: NS_PER_MS });
    }
    const operands = { id: name, value: BigInt(WAIT_MS) };
    throw XenError.of(abi.ETIMEDOUT, abi.REASON_WAITED, operands);
  }

  /** Every payload, in the order of upload. Read anew when it changes meanwhile. */
  list(): LivepatchEntry[] {
    for (let restarts = 0; restarts <= RESTARTS; restarts++) {
      const entries = this.listOnce();
      if (entries) return entries;
    }
    const value = BigInt(RESTARTS + 1);
    throw XenError.of(abi.EBUSY, abi.REASON_LIST_CHANGES, { value });
  }

  /** Undefined when the list changed between the question for its size and the answer. */
  private listOnce(): LivepatchEntry[] | undefined {
    const nothing = { status: 0n, name: 0n, len: 0n, metadata: 0n, metadataLen: 0n };
    const probe = listOp({ idx: 0, nr: 0, ...nothing });
    this.issue(probe);
    const sizes = new DataView(probe.buffer);
    const nr = sizes.getUint32(abi.LIVEPATCH_LIST_NR, true);
    const names = sizes.getUint32(abi.LIVEPATCH_LIST_NAME_TOTAL, true);
    const metadata = sizes.getUint32(abi.LIVEPATCH_LIST_METADATA_TOTAL, true);
    const version = sizes.getUint32(abi.LIVEPATCH_LIST_VERSION, true);
    const entries: LivepatchEntry[] = [];
    let nameAt = 0;
    let metadataAt = 0;
    while (entries.length < nr) {
      const idx = entries.length;
      const batch = Math.min(nr - idx, abi.LIVEPATCH_LIST_MAX);
      const part = this.listBatch(idx, batch, names - nameAt, metadata - metadataAt, version);
      if (!part || part.entries.length === 0) return undefined;
      entries.push(...part.entries);
      nameAt += part.names;
      metadataAt += part.metadata;
    }
    return entries;
  }

  private listBatch(idx: number, nr: number, names: number, metadata: number, version: number) {
    return this.hypervisor.withBuffers((allocate) => {
      const room = (size: number) => allocate(Math.max(size, 1));
      const buffers = {
        status: room(nr * STATUS_BYTES),
        name: room(names),
        len: room(nr * LENGTH_BYTES),
        metadata: room(metadata),
        metadataLen: room(nr * LENGTH_BYTES),
      };
      const bytes = listOp({
        idx,
        nr,
        status: buffers.status.va,
        name: buffers.name.va,
        len: buffers.len.va,
        metadata: buffers.metadata.va,
        metadataLen: buffers.metadataLen.va,
      });
      const count = this.issue(bytes);
      if (new DataView(bytes.buffer).getUint32(abi.LIVEPATCH_LIST_VERSION, true) !== version) {
        return undefined;
      }
      return decodeBatch(count, {
        status: buffers.status.read(),
        name: buffers.name.read(),
        len: buffers.len.read(),
        metadata: buffers.metadata.read(),
        metadataLen: buffers.metadataLen.read(),
      });
    }, this.domain);
  }

  private withName<T>(name: string, work: (handle: NameHandle, allocate: Allocate) => T): T {
    const encoded = new TextEncoder().encode(`${name}\0`);
    return this.hypervisor.withBuffers((allocate) => {
      const { va } = allocate(encoded);
      return work({ va, size: Math.min(encoded.length, 0xffff) }, allocate);
    }, this.domain);
  }

  /** @returns the hypercall's result, not negative */
  private issue(op: Uint8Array): number {
    const rc = this.hypervisor.sysctl(op, { domain: this.domain });
    if (rc >= 0) return rc;
    const refusal = this.hypervisor.lastRefusal();
    if (refusal?.errno === -rc) throw this.hypervisor.errorOf(refusal);
    throw XenError.of(-rc, abi.REASON_NONE);
  }
}

type Arrays = Readonly<Record<"status" | "name" | "len" | "metadata" | "metadataLen", Uint8Array>>;

/** Names and metadata stand one after the other, without gaps. */
function decodeBatch(count: number, arrays: Arrays) {
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const status = view(arrays.status);
  const len = view(arrays.len);
  const metadataLen = view(arrays.metadataLen);
  const entries: LivepatchEntry[] = [];
  let names = 0;
  let metadata = 0;
  for (let i = 0; i < count; i++) {
    const nameSize = len.getUint32(LENGTH_BYTES * i, true);
    const metadataSize = metadataLen.getUint32(LENGTH_BYTES * i, true);
    const name = text.decode(arrays.name.subarray(names, names + nameSize));
    entries.push({
      name: name.replace(/\0.*$/s, ""),
      state: stateName(status.getUint32(STATUS_BYTES * i, true)),
      rc: status.getInt32(STATUS_BYTES * i + 4, true),
      metadata: text.decode(arrays.metadata.subarray(metadata, metadata + metadataSize)),
    });
    names += nameSize;
    metadata += metadataSize;
  }
  return { entries, names, metadata };
}
