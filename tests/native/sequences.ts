// Sequences of instructions and what a real processor made of them (sequences.c). Little endian,
// one sequence after the other:
//
//   u16 length, the code; u32 seed; u16 offset in the code pages; u16 flags that are defined at the
//   end; u8 vector (3 = an int3, as behind the code); unless 3: u16 error; if 14: u64 address;
//   u64 rip; u16 flags; u16 mask of changed registers, their values; the same for XMM registers;
//   u16 n, then n times u16 offset, u16 length, bytes of changed memory.
//
// The state is the seed's (sequence_state in sequence.c).

import { DATA_VA, mix, type State, seedState } from "./vectors.js";

export const SEQUENCE_VA = 0x30000000n;
export const SEQUENCE_SIZE = 0x2000;
export const FS_BASE = DATA_VA + 0x300n;
export const GS_BASE = DATA_VA + 0x1100n;
const VECTOR_BP = 3;
const VECTOR_PF = 14;
const RSP = 4;

export interface Sequence {
  readonly code: Uint8Array;
  readonly seed: number;
  /** Flags that mean something at the end. */
  readonly defined: number;
  readonly before: State;
  readonly after: State;
  readonly vector: number;
  readonly error: number;
  readonly faultVa: bigint;
}

function sequenceState(seed: number, at: number): State {
  const state = seedState(seed, at, 0);
  state.rip = SEQUENCE_VA + BigInt(at);
  for (let i = 0; i < 16; i++) {
    if (i === RSP || mix(seed, 300 + i) % 3 !== 0) continue;
    state.regs[i] = DATA_VA + BigInt(mix(seed, 320 + i) % 0x2100);
  }
  return state;
}

/** All sequences of a file. */
export function* readSequences(bytes: Uint8Array): Generator<Sequence> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const take = <T>(size: number, get: (at: number, little: boolean) => T): T => {
    at += size;
    return get.call(view, at - size, true);
  };
  const u8 = () => take(1, view.getUint8);
  const u16 = () => take(2, view.getUint16);
  const u32 = () => take(4, view.getUint32);
  const u64 = () => take(8, view.getBigUint64);
  const blob = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const code = blob(u16());
    const seed = u32();
    const before = sequenceState(seed, u16());
    const defined = u16();
    const vector = u8();
    const error = vector === VECTOR_BP ? 0 : u16();
    const faultVa = vector === VECTOR_PF ? u64() : 0n;
    const after: State = {
      ...before,
      regs: [...before.regs],
      xmm: [...before.xmm],
      memory: before.memory.slice(),
      rip: u64(),
      flags: u16(),
    };
    const changed = u16();
    for (let i = 0; i < 16; i++) if ((changed >> i) & 1) after.regs[i] = u64();
    const vectors = u16();
    for (let i = 0; i < 16; i++) {
      if (((vectors >> i) & 1) === 0) continue;
      after.xmm[2 * i] = u64();
      after.xmm[2 * i + 1] = u64();
    }
    for (let runs = u16(); runs > 0; runs--) {
      const to = u16();
      after.memory.set(blob(u16()), to);
    }
    yield { code, seed, defined, before, after, vector, error, faultVa };
  }
}
