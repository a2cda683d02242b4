// struct xen_sysctl with the live-patch sub-operations of Xen 4.17 in it (op 27, interface version
// 0x15): values to the 136 bytes, without a machine. Specification: Xen's public/sysctl.h of 4.17.

import * as abi from "./abi.js";

/** A payload's name as the hypercall takes it: a pointer, and its size with the NUL. */
export interface NameHandle {
  readonly va: bigint;
  readonly size: number;
}

export interface LivepatchList {
  readonly idx: number;
  readonly nr: number;
  readonly status: bigint;
  readonly name: bigint;
  readonly len: bigint;
  readonly metadata: bigint;
  readonly metadataLen: bigint;
}

function envelope(cmd: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(abi.SYSCTL_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(abi.SYSCTL_CMD, abi.XEN_SYSCTL_LIVEPATCH_OP, true);
  view.setUint32(abi.SYSCTL_VERSION, abi.XEN_SYSCTL_INTERFACE_VERSION_4_17, true);
  view.setUint32(abi.LIVEPATCH_CMD, cmd, true);
  return { bytes, view };
}

function named(cmd: number, { va, size }: NameHandle): { bytes: Uint8Array; view: DataView } {
  const op = envelope(cmd);
  op.view.setBigUint64(abi.LIVEPATCH_NAME_PTR, va, true);
  op.view.setUint16(abi.LIVEPATCH_NAME_LEN, size, true);
  return op;
}

export function uploadOp(name: NameHandle, size: bigint, payload: bigint): Uint8Array {
  const { bytes, view } = named(abi.XEN_SYSCTL_LIVEPATCH_UPLOAD, name);
  view.setBigUint64(abi.LIVEPATCH_UPLOAD_LEN, size, true);
  view.setBigUint64(abi.LIVEPATCH_UPLOAD_PAYLOAD, payload, true);
  return bytes;
}

export function getOp(name: NameHandle): Uint8Array {
  return named(abi.XEN_SYSCTL_LIVEPATCH_GET, name).bytes;
}

export function listOp(list: LivepatchList): Uint8Array {
  const { bytes, view } = envelope(abi.XEN_SYSCTL_LIVEPATCH_LIST);
  view.setUint32(abi.LIVEPATCH_LIST_IDX, list.idx, true);
  view.setUint32(abi.LIVEPATCH_LIST_NR, list.nr, true);
  view.setBigUint64(abi.LIVEPATCH_LIST_STATUS, list.status, true);
  view.setBigUint64(abi.LIVEPATCH_LIST_NAME, list.name, true);
  view.setBigUint64(abi.LIVEPATCH_LIST_LEN, list.len, true);
  view.setBigUint64(abi.LIVEPATCH_LIST_METADATA, list.metadata, true);
  view.setBigUint64(abi.LIVEPATCH_LIST_METADATA_LEN, list.metadataLen, true);
  return bytes;
}

/** @param timeout nanoseconds, 0 for the hypervisor's 30 ms */
export function actionOp(
  name: NameHandle,
  cmd: number,
  timeout: number,
  flags: number,
): Uint8Array {
  const { bytes, view } = named(abi.XEN_SYSCTL_LIVEPATCH_ACTION, name);
  view.setUint32(abi.LIVEPATCH_ACTION_CMD, cmd, true);
  view.setUint32(abi.LIVEPATCH_ACTION_TIMEOUT, timeout, true);
  view.setUint32(abi.LIVEPATCH_ACTION_FLAGS, flags, true);
  return bytes;
}
