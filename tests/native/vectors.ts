// Recorded rows: one instruction each, the state it starts from, and what a real processor made of
// it (record.c). Little endian, one row after the other:
//
//   u8 length, the instruction; u32 seed; u16 offset in the code page; u16 flags that are defined;
//   u8: 1 = DF of the seed counts, 2 = TF is set, 4 = the seed gives x87 and MXCSR, 8 = the address
//   of a page fault is not defined; u8 n, then n times u8 register, u64 value; u8 n, then
//   n times u16 offset in the data, u64 value;
//   u8 vector (3 = it went through); unless 3: u16 error; if 14: u64 address; u64 rip; u16 flags;
//   u16 mask of changed registers, their values; the same for XMM registers; u8 mask of changed
//   ds es gs (u16 each) mxcsr (u32) fcw fsw (u16 each); u8 n, then n times u16 offset, u8 length,
//   bytes of changed memory.
//
// The state is the seed's (state.c) with the given registers and bytes put in.

export const DATA_VA = 0x10000000n;
export const DATA_SIZE = 0x2000;
export const READONLY_SIZE = 0x1000;
export const CODE_VA = 0x20000000n;
export const FLAG_MASK = 0xcd5;
const FLAG_DF = 0x400;
export const FLAG_TF = 0x100;
export const VECTOR_DB = 1;
export const VECTOR_BP = 3;
export const VECTOR_PF = 14;
const MEMORY_SIZE = DATA_SIZE + READONLY_SIZE;

/** ds es gs mxcsr fcw fsw, in the order of a row. */
export const OTHERS = ["ds", "es", "gs", "mxcsr", "fcw", "fsw"];
const MXCSR = 3;

export interface State {
  readonly regs: bigint[];
  readonly xmm: bigint[];
  readonly others: number[];
  readonly memory: Uint8Array;
  rip: bigint;
  flags: number;
}

export interface Row {
  readonly code: Uint8Array;
  readonly seed: number;
  readonly defined: number;
  readonly stepped: boolean;
  readonly many: boolean;
  readonly before: State;
  readonly after: State;
  readonly vector: number;
  readonly error: number;
  readonly faultVa: bigint;
}

export function mix(seed: number, index: number): number {
  let x = (seed + Math.imul(index, 0x9e3779b9)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
  0xffffffff80000000n,
];

function value(seed: number, n: number): bigint {
  const kind = mix(seed, 2 * n + 100);
  const low = mix(seed, 2 * n + 101);
  switch (kind & 7) {
    case 0:
      return BigInt(low & 0xff);
    case 1:
      return BigInt(low);
    case 2:
      return EDGES[low & 15] ?? 0n;
    case 3:
      return BigInt.asUintN(64, -BigInt(low & 0xff));
    default:
      return (BigInt(kind) << 32n) | BigInt(low);
  }
}

const pristine = new Uint8Array(MEMORY_SIZE);
const pristineView = new DataView(pristine.buffer);
for (let i = 0; i < MEMORY_SIZE; i += 4) pristineView.setUint32(i, mix(0, 5000 + i / 4), true);

function seedOthers(seed: number): number[] {
  const fcw = (mix(seed, 9) & 0x1f3f) | 0x40;
  const fsw = mix(seed, 10) & 0x7f7f;
  const waits = (fsw & ~fcw & 0x3f) !== 0;
  return [0, 0, 0, mix(seed, 11) & 0xffff, fcw, waits ? fsw | 0x8080 : fsw];
}

export function seedState(seed: number, at: number, kind: number): State {
  const regs: bigint[] = [];
  const xmm: bigint[] = [];
  for (let i = 0; i < 16; i++) {
    regs.push(value(seed, i));
    xmm.push(value(seed, 32 + i), value(seed, 64 + i));
  }
  regs[4] = DATA_VA + 0x900n + BigInt(8 * (mix(seed, 7) & 15));
  const flags = mix(seed, 8) & ((kind & 1) !== 0 ? FLAG_MASK : FLAG_MASK & ~FLAG_DF);
  const others = (kind & 4) !== 0 ? seedOthers(seed) : [0, 0, 0, 0x1f80, 0x37f, 0];
  return { regs, xmm, others, memory: pristine.slice(), rip: CODE_VA + BigInt(at), flags };
}

/** All rows of a file. */
export function* readRows(bytes: Uint8Array): Generator<Row> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const u8 = () => view.getUint8(at++);
  const take = <T>(size: number, get: (at: number, little: boolean) => T): T => {
    at += size;
    return get.call(view, at - size, true);
  };
  const u16 = () => take(2, view.getUint16);
  const u32 = () => take(4, view.getUint32);
  const u64 = () => take(8, view.getBigUint64);
  const times = (n: number, work: () => void) => {
    for (let i = 0; i < n; i++) work();
  };
  const blob = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const code = blob(u8());
    const seed = u32();
    const offset = u16();
    const defined = u16();
    const kind = u8();
    const before = seedState(seed, offset, kind);
    const memory = new DataView(before.memory.buffer);
    times(u8(), () => {
      before.regs[u8()] = u64();
    });
    times(u8(), () => memory.setBigUint64(u16(), u64(), true));
    const vector = u8();
    const error = vector === VECTOR_BP ? 0 : u16();
    const faultVa = vector === VECTOR_PF ? u64() : 0n;
    const after: State = {
      regs: [...before.regs],
      xmm: [...before.xmm],
      others: [...before.others],
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
    const other = u8();
    for (let i = 0; i < OTHERS.length; i++) {
      if ((other >> i) & 1) after.others[i] = i === MXCSR ? u32() : u16();
    }
    times(u8(), () => {
      const to = u16();
      after.memory.set(blob(u8()), to);
    });
    const stepped = (kind & 2) !== 0;
    const many = (kind & 8) !== 0;
    yield { code, seed, defined, stepped, many, before, after, vector, error, faultVa };
  }
}
