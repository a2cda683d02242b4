// What is patched now, and the payloads behind it, from the records of the border to objects.

import * as abi from "./abi.js";
import type { Core } from "./core.js";
import { livepatchSymbolAt, readLivepatchMap } from "./livepatch_map.js";
import type { PayloadSymbol } from "./symbols.js";
import { decodeId } from "./sysctl.js";

/** How a place was changed. */
export type PatchKind = "trampoline" | "text" | "data" | "field" | "bug" | "nop";

/** A place that an applied payload has changed. */
export interface Patched {
  readonly va: bigint;
  /** Bytes that changed. */
  readonly size: number;
  /** Id of the payload. */
  readonly owner: string;
  readonly kind: PatchKind;
  /** The bytes before. */
  readonly old: Uint8Array;
  /** The bytes now. */
  readonly new: Uint8Array;
  /** Where the place leads to; undefined when it leads nowhere. */
  readonly target: bigint | undefined;
  /** Order of application of the payload, from 1. */
  readonly order: bigint;
}

/** A payload, beyond what GET tells. */
export interface PayloadInfo {
  readonly id: string;
  /** Its own name. */
  readonly name: string;
  /** XSPLICE_STATUS_*, or -errno. */
  readonly status: number;
  /** The state behind an error, or before work. */
  readonly oldStatus: number;
  /** Bytes of the file. */
  readonly fileSize: bigint;
  /** Where it lies, and its bytes by permission: RX, RW, R. */
  readonly baseVa: bigint;
  readonly textSize: bigint;
  readonly dataSize: bigint;
  readonly rodataSize: bigint;
  readonly pages: number;
  /** Order of application, 0 when it is not applied. */
  readonly order: bigint;
}

const KINDS: Readonly<Record<number, PatchKind>> = {
  [abi.MAP_KIND_TRAMPOLINE]: "trampoline",
  [abi.MAP_KIND_TEXT]: "text",
  [abi.MAP_KIND_DATA]: "data",
  [abi.MAP_KIND_FIELD]: "field",
  [abi.MAP_KIND_BUG]: "bug",
  [abi.MAP_KIND_NOP]: "nop",
};

const id = (record: DataView, offset: number): string =>
  decodeId(
    new Uint8Array(record.buffer, record.byteOffset + offset, abi.XEN_XSPLICE_ID_SIZE).slice(),
  );

/** Everything that is patched, by address; where payloads stack, by order of application. */
export function readMap(core: Core): Patched[] {
  const count = core.invoke("hv_map_count") >>> 0;
  const patched = Array.from({ length: count }, (_, i) => readPatched(core, i));
  patched.push(...readLivepatchMap(core));
  return patched.sort((a, b) => Number(a.va - b.va) || Number(a.order - b.order));
}

function readPatched(core: Core, index: number): Patched {
  if (core.invoke("hv_map_get", index) < 0) throw new RangeError(`no patch ${index}`);
  const record = core.record();
  const size = record.getUint32(abi.MAP_LENGTH, true);
  const bytes = (offset: number): Uint8Array => {
    const off = record.getUint32(offset, true);
    return off === 0 ? new Uint8Array() : core.bytes(off, size).slice();
  };
  const target = record.getBigUint64(abi.MAP_TARGET, true);
  return {
    va: record.getBigUint64(abi.MAP_VA, true),
    size,
    owner: id(record, abi.MAP_ID),
    kind: KINDS[record.getUint32(abi.MAP_KIND, true)] ?? "text",
    old: bytes(abi.MAP_OLD_OFF),
    new: bytes(abi.MAP_NEW_OFF),
    target: target === 0n ? undefined : target,
    order: record.getBigUint64(abi.MAP_ORDER, true),
  };
}

/** The payloads, in upload order. */
export function readPayloads(core: Core): PayloadInfo[] {
  const count = core.invoke("hv_payload_count") >>> 0;
  return Array.from({ length: count }, (_, i) => {
    if (core.invoke("hv_payload_get", i) < 0) throw new RangeError(`no payload ${i}`);
    const record = core.record();
    const wide = (offset: number): bigint => record.getBigUint64(offset, true);
    return {
      id: id(record, abi.PAYLOAD_INFO_ID),
      name: id(record, abi.PAYLOAD_INFO_NAME),
      status: record.getInt32(abi.PAYLOAD_INFO_STATUS, true),
      oldStatus: record.getInt32(abi.PAYLOAD_INFO_OLD_STATUS, true),
      fileSize: wide(abi.PAYLOAD_INFO_RAW_SIZE),
      baseVa: wide(abi.PAYLOAD_INFO_BASE_VA),
      textSize: wide(abi.PAYLOAD_INFO_TEXT_SIZE),
      dataSize: wide(abi.PAYLOAD_INFO_RW_SIZE),
      rodataSize: wide(abi.PAYLOAD_INFO_RO_SIZE),
      pages: record.getUint32(abi.PAYLOAD_INFO_PAGES, true),
      order: wide(abi.PAYLOAD_INFO_ORDER),
    };
  });
}

/** A payload's own symbol, of either format, that covers an address: of several the one that begins
 *  last. */
export function payloadSymbolAt(core: Core, va: bigint): PayloadSymbol | undefined {
  const count = core.invoke("hv_payload_count") >>> 0;
  for (let i = 0; i < count; i++) {
    if (core.invoke("hv_payload_get", i) < 0) return undefined;
    const record = core.record();
    if (va < record.getBigUint64(abi.PAYLOAD_INFO_BASE_VA, true)) continue;
    const symbol = coveringSymbol(core, record, va);
    if (symbol) return { ...symbol, owner: id(record, abi.PAYLOAD_INFO_ID) };
  }
  return livepatchSymbolAt(core, va);
}

function coveringSymbol(
  core: Core,
  payload: DataView,
  va: bigint,
): Omit<PayloadSymbol, "owner"> | undefined {
  const count = payload.getUint32(abi.PAYLOAD_INFO_SYMBOLS, true);
  const off = payload.getUint32(abi.PAYLOAD_INFO_SYMBOLS_OFF, true);
  if (count === 0) return undefined;
  const table = core.view(off, count * abi.PAYLOAD_SYMBOL_RECORD);
  let best: { start: bigint; nameOff: number } | undefined;
  for (let at = 0; at < table.byteLength; at += abi.PAYLOAD_SYMBOL_RECORD) {
    const start = table.getBigUint64(at + abi.PAYLOAD_SYMBOL_VA, true);
    const size = table.getBigUint64(at + abi.PAYLOAD_SYMBOL_LENGTH, true);
    if (va < start || va >= start + size || (best && start < best.start)) continue;
    best = { start, nameOff: table.getUint32(at + abi.PAYLOAD_SYMBOL_NAME_OFF, true) };
  }
  if (!best) return undefined;
  return { name: cString(core.memory(), best.nameOff), offset: va - best.start };
}

function cString(memory: Uint8Array, off: number): string {
  return new TextDecoder().decode(memory.slice(off, memory.indexOf(0, off)));
}
