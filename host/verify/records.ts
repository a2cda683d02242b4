// The core's records of today's payloads (LIVEPATCH_INFO_*, LIVEPATCH_FUNC_*) as objects.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import { HOOKS } from "../explain/words.js";
import type { Machine } from "../machine.js";

/** A payload of today's format as it is loaded. */
export interface LoadedLivepatch {
  readonly index: number;
  readonly name: string;
  readonly applied: boolean;
  /** 0, or -errno of the last action. */
  readonly rc: number;
  /** An action on it is scheduled. */
  readonly busy: boolean;
  /** Bits HAZARD_*. */
  readonly hazards: bigint;
  readonly buildId: Uint8Array;
  readonly depends: Uint8Array;
  readonly start: bigint;
  readonly end: bigint;
  readonly hooks: readonly string[];
  readonly reappliable: boolean;
  readonly funcs: readonly LoadedFunc[];
}

/** An entry of `.livepatch.funcs`, resolved. */
export interface LoadedFunc {
  readonly name: string;
  readonly oldVa: bigint;
  /** 0: NOPs. */
  readonly newVa: bigint;
  readonly oldSize: number;
  readonly newSize: number;
  readonly applied: boolean;
  readonly hazards: bigint;
  /** Bytes that change, and how far behind old_addr. */
  readonly length: number;
  readonly offset: number;
  /** Those that were there before; empty when it is not applied. */
  readonly saved: Uint8Array;
  /** Bytes expected at old_addr, -1 for none. */
  readonly expected: number;
}

const PAGE = 4096n;
const NAME_MAX = 127;

function bytesAt(core: Core, off: number, length: number): Uint8Array {
  return off === 0 ? new Uint8Array() : core.bytes(off, length).slice();
}

function textAt(core: Core, off: number): string {
  const bytes = bytesAt(core, off, NAME_MAX);
  const end = bytes.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function readFunc(core: Core, payload: number, i: number): LoadedFunc {
  if (core.invoke("hv_livepatch_func", payload, i) < 0) throw new RangeError(`no function ${i}`);
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  const length = number(abi.LIVEPATCH_FUNC_LENGTH);
  const applied = number(abi.LIVEPATCH_FUNC_APPLIED) !== 0;
  const saved = number(abi.LIVEPATCH_FUNC_SAVED_OFF);
  return {
    name: textAt(core, number(abi.LIVEPATCH_FUNC_NAME_OFF)),
    oldVa: record.getBigUint64(abi.LIVEPATCH_FUNC_OLD_VA, true),
    newVa: record.getBigUint64(abi.LIVEPATCH_FUNC_NEW_VA, true),
    oldSize: number(abi.LIVEPATCH_FUNC_OLD_SIZE),
    newSize: number(abi.LIVEPATCH_FUNC_NEW_SIZE),
    applied,
    hazards: record.getBigUint64(abi.LIVEPATCH_FUNC_HAZARDS, true),
    length,
    offset: number(abi.LIVEPATCH_FUNC_PATCH_OFFSET),
    saved: applied ? bytesAt(core, saved, length) : new Uint8Array(),
    expected: record.getInt32(abi.LIVEPATCH_FUNC_EXPECT_LEN, true),
  };
}

function readLivepatch(core: Core, index: number): LoadedLivepatch | undefined {
  if (core.invoke("hv_livepatch_get", index) < 0) return undefined;
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  const wide = (offset: number): bigint => record.getBigUint64(offset, true);
  const part = (off: number, len: number): Uint8Array => bytesAt(core, number(off), number(len));
  const start = wide(abi.LIVEPATCH_INFO_TEXT_VA);
  const mask = number(abi.LIVEPATCH_INFO_HOOKS);
  const count = number(abi.LIVEPATCH_INFO_FUNCS);
  const payload = {
    index,
    name: new TextDecoder("latin1").decode(
      part(abi.LIVEPATCH_INFO_NAME_OFF, abi.LIVEPATCH_INFO_NAME_LEN),
    ),
    applied: number(abi.LIVEPATCH_INFO_STATE) === abi.LIVEPATCH_STATE_APPLIED,
    rc: record.getInt32(abi.LIVEPATCH_INFO_RC, true),
    hazards: wide(abi.LIVEPATCH_INFO_HAZARDS),
    buildId: part(abi.LIVEPATCH_INFO_ID_OFF, abi.LIVEPATCH_INFO_ID_LEN),
    depends: part(abi.LIVEPATCH_INFO_DEPENDS_OFF, abi.LIVEPATCH_INFO_DEPENDS_LEN),
    start,
    end: start + BigInt(number(abi.LIVEPATCH_INFO_PAGES)) * PAGE,
    hooks: HOOKS.filter((_, bit) => (mask & (1 << bit)) !== 0),
    reappliable: (number(abi.LIVEPATCH_INFO_FLAGS) & 1) !== 0,
    busy: (number(abi.LIVEPATCH_INFO_FLAGS) & 4) !== 0,
  };
  // What follows overwrites the record.
  return { ...payload, funcs: Array.from({ length: count }, (_, i) => readFunc(core, index, i)) };
}

/** The payload with this name, undefined when it is not loaded. */
export function findLivepatch(machine: Machine, name: string): LoadedLivepatch | undefined {
  return machine.inside((core) => {
    for (let index = 0; ; index++) {
      const payload = readLivepatch(core, index);
      if (!payload || payload.name === name) return payload;
    }
  });
}
