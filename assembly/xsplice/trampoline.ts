// Machine code that the hypervisor itself writes: the entry trampoline (R5, R183), the second hop
// of one that cannot reach (R184), the BUG stub (R13, K23) and NOPs (R2). Intel SDM vol. 2: JMP,
// NOP, ENDBR64, UD2.
//
//   trampoline   e9 rel32                     jmp   new      relative to the next instruction
//   island       ff 25 00 00 00 00, 8 bytes   jmp   *0(%rip) any distance
//   bug stub     0f 0b                        ud2            a fault that names the place

export const JMP_REL32: u8 = 0xe9;
export const JMP_REL32_LEN: u32 = 5;
export const ENDBR64: u32 = 0xfa1e0ff3;
export const ENDBR64_LEN: u32 = 4;
/** Bytes of an island with its address, rounded up so that islands do not share a fetch line
 *  half. */
export const ISLAND_SIZE: u32 = 16;
const ISLAND_JUMP: u64 = 0x25ff; // ff 25 00 00 00 00, followed by the address at 6
const UD2: u16 = 0x0b0f;

/** rel32 of a jump at `from_va`, as the 64-bit number that may not fit. */
@inline
export function jump_displacement(from_va: u64, to_va: u64): i64 {
  return <i64>(to_va - (from_va + <u64>JMP_REL32_LEN));
}

/** A signed 32-bit displacement reaches (R183). */
@inline
export function jump_reaches(from_va: u64, to_va: u64): bool {
  const d = jump_displacement(from_va, to_va);
  return d == <i64>(<i32>d);
}

/** Writes `e9 rel32` to `off`, as it stands at `from_va`. The distance has been checked. */
@inline
export function store_jump(off: usize, from_va: u64, to_va: u64): void {
  store<u8>(off, JMP_REL32);
  store<u32>(off, <u32>jump_displacement(from_va, to_va), 1);
}

/** Where a jump at `from_va` with the bytes at `off` leads, 0 if it is none. */
export function jump_target(off: usize, from_va: u64): u64 {
  if (load<u8>(off) != JMP_REL32) return 0;
  return from_va + <u64>JMP_REL32_LEN + <u64>(<i64>load<i32>(off, 1));
}

/** Bytes at a function's entry that stay: indirect branches must land on ENDBR64 (6974c75180). */
@inline
export function kept_at_entry(off: usize): u32 {
  return load<u32>(off) == ENDBR64 ? ENDBR64_LEN : 0;
}

/** A second hop: jumps to `to_va` wherever that is. */
export function store_island(off: usize, to_va: u64): void {
  store<u64>(off, ISLAND_JUMP);
  store<u64>(off, to_va, 6);
  store<u16>(off, 0, 14);
}

export function store_bug(off: usize): void {
  store<u16>(off, UD2);
}

/** The recommended multi-byte NOPs of 1 to 9 bytes (SDM vol. 2, NOP), each in a row of 9. */
// prettier-ignore
const NOPS = memory.data<u8>([
  0x90, 0, 0, 0, 0, 0, 0, 0, 0,
  0x66, 0x90, 0, 0, 0, 0, 0, 0, 0,
  0x0f, 0x1f, 0x00, 0, 0, 0, 0, 0, 0,
  0x0f, 0x1f, 0x40, 0x00, 0, 0, 0, 0, 0,
  0x0f, 0x1f, 0x44, 0x00, 0x00, 0, 0, 0, 0,
  0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0, 0, 0,
  0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00, 0, 0,
  0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00, 0,
  0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00,
]);
const NOP_MAX: u32 = 9;

/** Fills `count` bytes with the fewest NOPs. */
export function store_nops(off: usize, count: u32): void {
  while (count != 0) {
    const n = min<u32>(count, NOP_MAX);
    memory.copy(off, NOPS + <usize>((n - 1) * NOP_MAX), <usize>n);
    off += <usize>n;
    count -= n;
  }
}

/** Length of the padding instruction at `off` within `count` bytes: a NOP of any length that
 *  assemblers emit, or int3; 0 when it is something else. */
export function padding_length(off: usize, count: u32): u32 {
  let i: u32 = 0;
  while (i < count && is_nop_prefix(load<u8>(off + i))) i++;
  if (i == count) return 0;
  const opcode = load<u8>(off + i);
  if (opcode == 0x90) return i + 1;
  if (opcode == 0xcc) return i == 0 ? 1 : 0;
  if (opcode != 0x0f || i + 3 > count || load<u8>(off + i, 1) != 0x1f) return 0;
  const modrm = load<u8>(off + i, 2);
  const mod = modrm >> 6;
  if (mod == 3) return i + 3;
  let length = i + 3;
  if ((modrm & 7) == 4) {
    if (length >= count) return 0;
    if (mod == 0 && (load<u8>(off + length) & 7) == 5) length += 4;
    length++;
  } else if (mod == 0 && (modrm & 7) == 5) length += 4;
  if (mod == 1) length += 1;
  else if (mod == 2) length += 4;
  return length <= count ? length : 0;
}

/** Prefixes that assemblers put before a NOP: 66, and cs (2e). */
@inline
function is_nop_prefix(byte: u8): bool {
  return byte == 0x66 || byte == 0x2e;
}
