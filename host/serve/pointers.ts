// What a hypercall's structures point to. A client program's memory is not the domain's, so what
// the hypervisor will read and write is carried across: as libxc's bounce buffers, with the layouts
// of struct xen_sysctl (RFC A6; today's: livepatch in Xen 4.17's public/sysctl.h) and of
// xen_version.

import * as abi from "../abi.js";

/** A pointer at `at` of a structure, and how many bytes cross in which direction. */
export interface Pointer {
  readonly at: number;
  readonly in?: number;
  /** Room that the hypervisor may write to. */
  readonly room?: number;
  /** How much of it the client gets, known after the call. */
  out?(after: DataView, result: number): number;
}

const XSPLICE = abi.SYSCTL_U + abi.XSPLICE_OP_U;
const STATUS_BYTES = 8;
const LENGTH_BYTES = 4;
const METADATA_ROOM = 1 << 20;

function xsplicePointers(op: DataView): Pointer[] {
  switch (op.getUint32(abi.SYSCTL_U + abi.XSPLICE_OP_CMD, true)) {
    case abi.XEN_SYSCTL_XSPLICE_UPLOAD: {
      const size = op.getBigUint64(XSPLICE + abi.XSPLICE_UPLOAD_LEN, true);
      const fits = size <= BigInt(abi.XSPLICE_PAYLOAD_MAX);
      return fits ? [{ at: XSPLICE + abi.XSPLICE_UPLOAD_PAYLOAD, in: Number(size) }] : [];
    }
    case abi.XEN_SYSCTL_XSPLICE_LIST: {
      const nr = op.getUint32(XSPLICE + abi.XSPLICE_LIST_NR, true);
      const room = Math.min(nr, abi.XSPLICE_LIST_MAX) * abi.XSPLICE_SUMMARY_SIZE;
      const out = (_after: DataView, result: number): number => result * abi.XSPLICE_SUMMARY_SIZE;
      return [{ at: XSPLICE + abi.XSPLICE_LIST_SUMMARY, room, out }];
    }
    case abi.XEN_SYSCTL_XSPLICE_INFO: {
      const len = op.getBigUint64(XSPLICE + abi.XSPLICE_INFO_LEN, true);
      const room = Number(len < 4096n ? len : 4096n);
      return [{ at: XSPLICE + abi.XSPLICE_INFO_BUFFER, room, out: () => room }];
    }
    default:
      return [];
  }
}

function livepatchListPointers(op: DataView): Pointer[] {
  const nr = Math.min(op.getUint32(abi.LIVEPATCH_LIST_NR, true), abi.LIVEPATCH_LIST_MAX);
  const total = (at: number) => (after: DataView) => after.getUint32(at, true);
  const each = (size: number) => (_after: DataView, result: number) => result * size;
  return [
    { at: abi.LIVEPATCH_LIST_STATUS, room: nr * STATUS_BYTES, out: each(STATUS_BYTES) },
    {
      at: abi.LIVEPATCH_LIST_NAME,
      room: nr * abi.XEN_LIVEPATCH_NAME_SIZE,
      out: total(abi.LIVEPATCH_LIST_NAME_TOTAL),
    },
    { at: abi.LIVEPATCH_LIST_LEN, room: nr * LENGTH_BYTES, out: each(LENGTH_BYTES) },
    {
      at: abi.LIVEPATCH_LIST_METADATA,
      room: nr === 0 ? 0 : METADATA_ROOM,
      out: total(abi.LIVEPATCH_LIST_METADATA_TOTAL),
    },
    { at: abi.LIVEPATCH_LIST_METADATA_LEN, room: nr * LENGTH_BYTES, out: each(LENGTH_BYTES) },
  ];
}

function livepatchPointers(op: DataView): Pointer[] {
  const cmd = op.getUint32(abi.LIVEPATCH_CMD, true);
  if (cmd === abi.XEN_SYSCTL_LIVEPATCH_LIST) return livepatchListPointers(op);
  const name: Pointer = {
    at: abi.LIVEPATCH_NAME_PTR,
    in: op.getUint16(abi.LIVEPATCH_NAME_LEN, true),
  };
  if (cmd !== abi.XEN_SYSCTL_LIVEPATCH_UPLOAD) return [name];
  const size = op.getBigUint64(abi.LIVEPATCH_UPLOAD_LEN, true);
  const fits = size <= BigInt(abi.LIVEPATCH_PAYLOAD_MAX);
  return fits ? [name, { at: abi.LIVEPATCH_UPLOAD_PAYLOAD, in: Number(size) }] : [name];
}

/** The pointers in a struct xen_sysctl. */
export function sysctlPointers(op: DataView): Pointer[] {
  switch (op.getUint32(abi.SYSCTL_CMD, true)) {
    case abi.XEN_SYSCTL_XSPLICE_OP:
      return xsplicePointers(op);
    case abi.XEN_SYSCTL_LIVEPATCH_OP:
      return livepatchPointers(op);
    default:
      return [];
  }
}

/** xen_version: bytes behind its pointer, by sub-operation (Xen's public/version.h). */
export const VERSION_BYTES: ReadonlyMap<bigint, number> = new Map([
  [1n, 16], // extraversion
  [2n, 144], // compile_info
  [3n, 1024], // capabilities
  [4n, 64], // changeset
  [5n, 8], // platform_parameters
  [6n, 8], // feature_info
  [8n, 16], // guest_handle
  [9n, 1024], // commandline
]);
export const VERSION_BUILD_ID = 10n;
