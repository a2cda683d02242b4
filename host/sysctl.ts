// struct xen_sysctl with the xSplice sub-operations in it: bytes to objects and back, without a
// machine (RFC "Hypercalls"; R84-R124, sizes and offsets in requirements A6). The 136 bytes are
// what the hypervisor copies in, and always copies back (R82). K40: `cmd` comes before `time`.

import * as abi from "./abi.js";
import { at, bytes, type Codec, decode, handle, s32, struct, u32, u64 } from "./struct.js";

const id = bytes(abi.XEN_XSPLICE_ID_SIZE);

/** All ids are the 40 bytes of the wire, filled with zeros; see `encodeId`. */
export interface UploadOp {
  readonly op: "upload";
  readonly id: Uint8Array;
  /** Bytes of the payload file (K37: 64 bits). */
  readonly size: bigint;
  /** Where the calling guest holds them. */
  readonly payload: bigint;
}

export interface GetOp {
  readonly op: "get";
  readonly id: Uint8Array;
  /** IN 0 (R103); OUT a status or a negative errno. */
  readonly status: number;
}

export interface ListOp {
  readonly op: "list";
  /** OUT: changes whenever a payload comes or goes (R107). */
  readonly version: number;
  /** IN: index of the first one wanted. */
  readonly idx: number;
  /** IN: how many at most; OUT: how many are left behind these (R112, K26). */
  readonly nr: number;
  /** Guest pointer to `nr` summaries. */
  readonly summary: bigint;
}

export interface ActionOp {
  readonly op: "action";
  readonly id: Uint8Array;
  readonly cmd: number;
  /** Upper bound in milliseconds, 0 for none (R116). */
  readonly time: bigint;
}

/** R91: the hypervisor's build-id. */
export interface InfoOp {
  readonly op: "info";
  /** IN: size of the buffer; OUT: bytes of the build-id. */
  readonly len: bigint;
  /** Guest pointer, 0 to ask for the size only. */
  readonly buffer: bigint;
}

export type XspliceOp = UploadOp | GetOp | ListOp | ActionOp | InfoOp;

type Body<T> = Omit<T, "op">;

const uploadBody: Codec<Body<UploadOp>> = struct(
  "xen_sysctl_xsplice_upload",
  abi.XSPLICE_UPLOAD_SIZE,
  {
    id: at(abi.XSPLICE_UPLOAD_ID, id),
    size: at(abi.XSPLICE_UPLOAD_LEN, u64),
    payload: at(abi.XSPLICE_UPLOAD_PAYLOAD, handle),
  },
);

/** struct xen_sysctl_xsplice_summary: GET's body, and one row of LIST. */
export const summaryCodec: Codec<Body<GetOp>> = struct(
  "xen_sysctl_xsplice_summary",
  abi.XSPLICE_SUMMARY_SIZE,
  { id: at(abi.XSPLICE_SUMMARY_ID, id), status: at(abi.XSPLICE_SUMMARY_STATUS, s32) },
);

const listBody: Codec<Body<ListOp>> = struct("xen_sysctl_xsplice_list", abi.XSPLICE_LIST_SIZE, {
  version: at(abi.XSPLICE_LIST_VERSION, u32),
  idx: at(abi.XSPLICE_LIST_IDX, u32),
  nr: at(abi.XSPLICE_LIST_NR, u32),
  summary: at(abi.XSPLICE_LIST_SUMMARY, handle),
});

const actionBody: Codec<Body<ActionOp>> = struct(
  "xen_sysctl_xsplice_action",
  abi.XSPLICE_ACTION_SIZE,
  {
    id: at(abi.XSPLICE_ACTION_ID, id),
    cmd: at(abi.XSPLICE_ACTION_CMD, u32),
    time: at(abi.XSPLICE_ACTION_TIME, u64),
  },
);

const infoBody: Codec<Body<InfoOp>> = struct("xen_sysctl_xsplice_info", abi.XSPLICE_INFO_SIZE, {
  len: at(abi.XSPLICE_INFO_LEN, u64),
  buffer: at(abi.XSPLICE_INFO_BUFFER, handle),
});

const opHead = struct<{ cmd: number; pad: number }>("xen_sysctl_xsplice_op head", 8, {
  cmd: at(abi.XSPLICE_OP_CMD, u32),
  pad: at(4, u32),
});

const sysctlHead = struct<{ cmd: number; version: number }>("xen_sysctl head", abi.SYSCTL_U, {
  cmd: at(abi.SYSCTL_CMD, u32),
  version: at(abi.SYSCTL_VERSION, u32),
});

/** Where the sub-operation's body begins in the 136 bytes. */
const BODY = abi.SYSCTL_U + abi.XSPLICE_OP_U;

const OPS: readonly { op: XspliceOp["op"]; cmd: number; body: Codec<never> }[] = [
  { op: "upload", cmd: abi.XEN_SYSCTL_XSPLICE_UPLOAD, body: uploadBody as Codec<never> },
  { op: "get", cmd: abi.XEN_SYSCTL_XSPLICE_GET, body: summaryCodec as Codec<never> },
  { op: "list", cmd: abi.XEN_SYSCTL_XSPLICE_LIST, body: listBody as Codec<never> },
  { op: "action", cmd: abi.XEN_SYSCTL_XSPLICE_ACTION, body: actionBody as Codec<never> },
  { op: "info", cmd: abi.XEN_SYSCTL_XSPLICE_INFO, body: infoBody as Codec<never> },
];

/** The 136 bytes of a sub-operation. RangeError if a value does not fit its field. */
export function marshal(op: XspliceOp): Uint8Array {
  const entry = OPS.find((candidate) => candidate.op === op.op);
  if (!entry) throw new RangeError(`${op.op} is no sub-operation`);
  const buffer = new Uint8Array(abi.SYSCTL_SIZE);
  const view = new DataView(buffer.buffer);
  const head = { cmd: abi.XEN_SYSCTL_XSPLICE_OP, version: abi.XEN_SYSCTL_INTERFACE_VERSION };
  sysctlHead.write(view, 0, head);
  opHead.write(view, abi.SYSCTL_U, { cmd: entry.cmd, pad: 0 });
  entry.body.write(view, BODY, op as never);
  return buffer;
}

/** The sub-operation in 136 bytes. RangeError if they are another size or hold none. */
export function unmarshal(buffer: Uint8Array): XspliceOp {
  if (buffer.length !== abi.SYSCTL_SIZE) {
    throw new RangeError(`struct xen_sysctl is ${abi.SYSCTL_SIZE} bytes, not ${buffer.length}`);
  }
  const { cmd } = decode(sysctlHead, buffer);
  if (cmd !== abi.XEN_SYSCTL_XSPLICE_OP) throw new RangeError(`sysctl ${cmd} is not xsplice_op`);
  const { cmd: sub } = decode(opHead, buffer, abi.SYSCTL_U);
  const entry = OPS.find((candidate) => candidate.cmd === sub);
  if (!entry) throw new RangeError(`xsplice_op has no sub-operation ${sub}`);
  const body: object = decode(entry.body, buffer, BODY);
  return { op: entry.op, ...body } as XspliceOp;
}

/** The 40 bytes of an id, filled with zeros; undefined if it is longer than that (K36). */
export function encodeId(text: string): Uint8Array | undefined {
  const encoded = new TextEncoder().encode(text);
  if (encoded.length > abi.XEN_XSPLICE_ID_SIZE) return undefined;
  const padded = new Uint8Array(abi.XEN_XSPLICE_ID_SIZE);
  padded.set(encoded);
  return padded;
}

/** The id up to its NUL, or all 40 bytes when there is none (R133, K49). */
export function decodeId(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}
