// Payloads of today's format as the machine has them, and what they have patched, from the records
// of the border to objects: the counterpart of map.ts, in the same words, so that one map shows
// both formats.

import * as abi from "./abi.js";
import type { Core } from "./core.js";
import type { Patched } from "./map.js";
import type { PayloadSymbol } from "./symbols.js";

/** Bytes of a symbol's name that the core hands out, its NUL included. */
const NAME_MAX = 257;

/** A payload of today's format, beyond what its own door tells. */
export interface LivepatchInfo {
  readonly name: string;
  readonly applied: boolean;
  /** 0, or -errno of the last action. */
  readonly rc: number;
  /** Where its code lies. */
  readonly textVa: bigint;
  readonly textSize: bigint;
  /** Order of application among those of its format, 0 when it is not applied. */
  readonly order: bigint;
  /** Functions that it patches. */
  readonly functions: number;
}

function readLivepatch(core: Core, index: number): LivepatchInfo {
  if (core.invoke("hv_livepatch_get", index) < 0) throw new RangeError(`no payload ${index}`);
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  const wide = (offset: number): bigint => record.getBigUint64(offset, true);
  const length = number(abi.LIVEPATCH_INFO_NAME_LEN);
  return {
    name: new TextDecoder().decode(core.bytes(number(abi.LIVEPATCH_INFO_NAME_OFF), length).slice()),
    applied: number(abi.LIVEPATCH_INFO_STATE) === abi.LIVEPATCH_STATE_APPLIED,
    rc: record.getInt32(abi.LIVEPATCH_INFO_RC, true),
    textVa: wide(abi.LIVEPATCH_INFO_TEXT_VA),
    textSize: wide(abi.LIVEPATCH_INFO_TEXT_SIZE),
    order: wide(abi.LIVEPATCH_INFO_ORDER),
    functions: number(abi.LIVEPATCH_INFO_FUNCS),
  };
}

/** The payloads of today's format, in upload order. */
export function readLivepatches(core: Core): LivepatchInfo[] {
  const count = core.invoke("hv_livepatch_count") >>> 0;
  return Array.from({ length: count }, (_, index) => readLivepatch(core, index));
}

/** One function's place; undefined while it is not patched. */
function readPlace(
  core: Core,
  index: number,
  i: number,
  { name, order }: LivepatchInfo,
): Patched | undefined {
  if (core.invoke("hv_livepatch_func", index, i) < 0) throw new RangeError(`no function ${i}`);
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  if (number(abi.LIVEPATCH_FUNC_APPLIED) === 0) return undefined;
  const size = number(abi.LIVEPATCH_FUNC_LENGTH);
  const start = record.getBigUint64(abi.LIVEPATCH_FUNC_OLD_VA, true);
  const va = start + BigInt(number(abi.LIVEPATCH_FUNC_PATCH_OFFSET));
  const target = record.getBigUint64(abi.LIVEPATCH_FUNC_NEW_VA, true);
  const old = core.bytes(number(abi.LIVEPATCH_FUNC_SAVED_OFF), size).slice();
  // What stands there now is in the image: this overwrites the record.
  const now = core.invoke("hv_read", -1, va, size) < 0 ? new Uint8Array() : core.window(size);
  return {
    va,
    size,
    owner: name,
    kind: target === 0n ? "nop" : "trampoline",
    old,
    new: now.slice(),
    target: target === 0n ? undefined : target,
    order,
  };
}

/** What a place was given, where a later payload has changed it again since. */
function asWritten(place: Patched, places: readonly Patched[]): Patched {
  const later = places
    .filter(({ va, order }) => va === place.va && order > place.order)
    .sort((a, b) => Number(a.order - b.order));
  const over = later.find(({ size }) => size >= place.size);
  return over ? { ...place, new: over.old.slice(0, place.size) } : place;
}

/** Every place that an applied payload of today's format has changed. */
export function readLivepatchMap(core: Core): Patched[] {
  const places = readLivepatches(core).flatMap((payload, index) => {
    const all = Array.from({ length: payload.functions }, (_, i) =>
      readPlace(core, index, i, payload),
    );
    return all.filter((place) => place !== undefined);
  });
  return places.map((place) => asWritten(place, places));
}

/** The symbol of a payload of today's format that covers an address. */
export function livepatchSymbolAt(core: Core, va: bigint): PayloadSymbol | undefined {
  if (core.invoke("hv_livepatch_symbol_at", va) < 0) return undefined;
  const record = core.record();
  const start = record.getBigUint64(abi.LIVEPATCH_SYMBOL_VA, true);
  const text = (off: number, length: number): string =>
    new TextDecoder().decode(core.bytes(off, length).slice());
  const name = text(record.getUint32(abi.LIVEPATCH_SYMBOL_NAME_OFF, true), NAME_MAX);
  return {
    owner: text(
      record.getUint32(abi.LIVEPATCH_SYMBOL_OWNER_OFF, true),
      record.getUint32(abi.LIVEPATCH_SYMBOL_OWNER_LEN, true),
    ),
    name: name.slice(0, name.indexOf("\0")),
    offset: va - start,
  };
}

/** Where the last refusal of the payload with this name lies; 0 for none. */
export function livepatchRefusal(core: Core, name: string): number {
  const index = readLivepatches(core).findIndex((payload) => payload.name === name);
  return index < 0 ? 0 : core.invoke("hv_livepatch_refusal", index) >>> 0;
}
