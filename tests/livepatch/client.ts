// Today's livepatch sysctl, byte by byte, against a machine: what the tests drive. Layout and
// constants are those of struct xen_sysctl of Xen 4.17 (op 27, interface version 0x15).

import * as abi from "../../host/abi.js";
import type { GuestBuffer } from "../../host/guest.js";
import type { Machine } from "../../host/index.js";

export interface Listed {
  readonly name: string;
  readonly state: number;
  readonly rc: number;
  readonly metadata: string;
}

/** `-errno` or 0 of the hypercall, and the struct that came back. */
interface Answer {
  readonly rc: number;
  readonly view: DataView;
}

export const STATES = ["none", "CHECKED", "APPLIED"] as const;

function zeroTerminated(text: string): Uint8Array {
  return new Uint8Array([...Buffer.from(text), 0]);
}

export class LivepatchClient {
  constructor(
    readonly machine: Machine,
    private readonly domain = 0,
  ) {}

  /** Makes the sysctl; `fill` writes the operation's fields. */
  op(cmd: number, fill: (view: DataView) => void): Answer {
    const bytes = new Uint8Array(abi.SYSCTL_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(abi.SYSCTL_CMD, abi.XEN_SYSCTL_LIVEPATCH_OP, true);
    view.setUint32(abi.SYSCTL_VERSION, abi.XEN_SYSCTL_INTERFACE_VERSION_4_17, true);
    view.setUint32(abi.LIVEPATCH_CMD, cmd, true);
    fill(view);
    const rc = this.machine.sysctl(bytes, { domain: this.domain });
    return { rc, view };
  }

  private named(cmd: number, name: string, fill: (view: DataView) => void): Answer {
    const bytes = zeroTerminated(name);
    return this.machine.withBuffers((allocate) => {
      const buffer = allocate(bytes);
      return this.op(cmd, (view) => {
        view.setBigUint64(abi.LIVEPATCH_NAME_PTR, buffer.va, true);
        view.setUint16(abi.LIVEPATCH_NAME_LEN, bytes.length, true);
        fill(view);
      });
    }, this.domain);
  }

  upload(name: string, file: Uint8Array): number {
    return this.machine.withBuffers((allocate) => {
      const payload = allocate(file);
      return this.named(abi.XEN_SYSCTL_LIVEPATCH_UPLOAD, name, (view) => {
        view.setBigUint64(abi.LIVEPATCH_UPLOAD_LEN, BigInt(file.length), true);
        view.setBigUint64(abi.LIVEPATCH_UPLOAD_PAYLOAD, payload.va, true);
      }).rc;
    }, this.domain);
  }

  /** State 0 and rc 0 when there is no such payload. */
  get(name: string): { readonly found: boolean; readonly state: number; readonly rc: number } {
    const { rc, view } = this.named(abi.XEN_SYSCTL_LIVEPATCH_GET, name, () => undefined);
    if (rc !== 0) return { found: false, state: 0, rc: 0 };
    const state = view.getUint32(abi.LIVEPATCH_STATUS_STATE, true);
    return { found: true, state, rc: view.getInt32(abi.LIVEPATCH_STATUS_RC, true) };
  }

  /** Asks for an action; what it schedules is done when the machine runs. */
  action(name: string, cmd: number, flags = 0): number {
    return this.named(abi.XEN_SYSCTL_LIVEPATCH_ACTION, name, (view) => {
      view.setUint32(abi.LIVEPATCH_ACTION_CMD, cmd, true);
      view.setUint32(abi.LIVEPATCH_ACTION_TIMEOUT, 30_000_000, true);
      view.setUint32(abi.LIVEPATCH_ACTION_FLAGS, flags, true);
    }).rc;
  }

  list(): Listed[] {
    const sizes = this.op(abi.XEN_SYSCTL_LIVEPATCH_LIST, () => undefined).view;
    const count = sizes.getUint32(abi.LIVEPATCH_LIST_NR, true);
    if (count === 0) return [];
    const room = (field: number) => new Uint8Array(sizes.getUint32(field, true) + 1);
    return this.machine.withBuffers((allocate) => {
      const fields: Readonly<Record<number, GuestBuffer>> = {
        [abi.LIVEPATCH_LIST_STATUS]: allocate(new Uint8Array(8 * count)),
        [abi.LIVEPATCH_LIST_NAME]: allocate(room(abi.LIVEPATCH_LIST_NAME_TOTAL)),
        [abi.LIVEPATCH_LIST_LEN]: allocate(new Uint8Array(4 * count)),
        [abi.LIVEPATCH_LIST_METADATA]: allocate(room(abi.LIVEPATCH_LIST_METADATA_TOTAL)),
        [abi.LIVEPATCH_LIST_METADATA_LEN]: allocate(new Uint8Array(4 * count)),
      };
      const { rc } = this.op(abi.XEN_SYSCTL_LIVEPATCH_LIST, (view) => {
        view.setUint32(abi.LIVEPATCH_LIST_NR, count, true);
        for (const [field, buffer] of Object.entries(fields)) {
          view.setBigUint64(Number(field), buffer.va, true);
        }
      });
      if (rc !== count) throw new Error(`LIST answers ${rc}, not ${count}`);
      const read = (field: number) => Buffer.from(fields[field]?.read() ?? []);
      const [status, len] = [read(abi.LIVEPATCH_LIST_STATUS), read(abi.LIVEPATCH_LIST_LEN)];
      const metadataLen = read(abi.LIVEPATCH_LIST_METADATA_LEN);
      const [names, metadata] = [read(abi.LIVEPATCH_LIST_NAME), read(abi.LIVEPATCH_LIST_METADATA)];
      let [at, from] = [0, 0];
      return Array.from({ length: count }, (_, i) => {
        const end = at + len.readUInt32LE(4 * i);
        const until = from + metadataLen.readUInt32LE(4 * i);
        const entry = {
          name: names.toString("latin1", at, end - 1),
          state: status.readUInt32LE(8 * i),
          rc: status.readInt32LE(8 * i + 4),
          metadata: metadata.toString("latin1", from, Math.max(from, until - 1)),
        };
        [at, from] = [end, until];
        return entry;
      });
    }, this.domain);
  }
}
