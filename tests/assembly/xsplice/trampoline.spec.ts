// xsplice/trampoline: the bytes that the hypervisor writes, against the RFC's own numbers (R5,
// R183, R184, R2, K22; vectors of requirements F).

import { SCRATCH_OFF } from "../../../assembly/hv/layout";
import {
  ENDBR64,
  ISLAND_SIZE,
  JMP_REL32_LEN,
  jump_displacement,
  jump_reaches,
  jump_target,
  kept_at_entry,
  padding_length,
  store_bug,
  store_island,
  store_jump,
  store_nops,
} from "../../../assembly/xsplice/trampoline";

const AT: usize = SCRATCH_OFF + 2048;
/** do_xen_version in the RFC. */
const START: u64 = 0xffff82d080112f9e;

function bytes_are(expected: StaticArray<u8>): void {
  for (let i = 0; i < expected.length; i++) expect<u8>(load<u8>(AT + i)).toBe(expected[i]);
}

function jump_to(va: u64): void {
  memory.fill(AT, 0xcc, 16);
  store_jump(AT, START, va);
  expect<u8>(load<u8>(AT + JMP_REL32_LEN)).toBe(0xcc);
}

describe("trampoline", () => {
  it("F: forwards to 0xffff82d080300000", () => {
    jump_to(0xffff82d080300000);
    bytes_are([0xe9, 0x5d, 0xd0, 0x1e, 0x00]);
  });

  it("F: backwards to 0xffff82d08007ff00", () => {
    jump_to(0xffff82d08007ff00);
    bytes_are([0xe9, 0x5d, 0xcf, 0xf6, 0xff]);
  });

  it("F, R183: reaches ±2 GB and not one byte further", () => {
    expect<bool>(jump_reaches(START, 0xffff82d100112fa2)).toBe(true);
    expect<bool>(jump_reaches(START, 0xffff82d100112fa3)).toBe(false);
    expect<bool>(jump_reaches(START, 0xffff82d000112fa3)).toBe(true);
    expect<bool>(jump_reaches(START, 0xffff82d000112fa2)).toBe(false);
    expect<i64>(jump_displacement(START, 0xffff82d100112fa2)).toBe(0x7fffffff);
    expect<i64>(jump_displacement(START, 0xffff82d000112fa3)).toBe(-0x80000000);
  });

  it("is read back as it was written", () => {
    for (let i: u64 = 0; i < 64; i++) {
      const to = START + (i << 24) - (32 << 24) + i;
      jump_to(to);
      expect<u64>(jump_target(AT, START)).toBe(to);
    }
    store<u8>(AT, 0xe8);
    expect<u64>(jump_target(AT, START)).toBe(0);
  });

  it("6974c75180: keeps ENDBR64 and nothing else", () => {
    store<u32>(AT, ENDBR64);
    bytes_are([0xf3, 0x0f, 0x1e, 0xfa]);
    expect<u32>(kept_at_entry(AT)).toBe(4);
    store<u8>(AT + 3, 0xfb); // endbr32
    expect<u32>(kept_at_entry(AT)).toBe(0);
  });

  it("R184: an island jumps through the address behind it", () => {
    memory.fill(AT, 0xcc, 32);
    store_island(AT, 0x1122334455667788);
    bytes_are([0xff, 0x25, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0xcc]);
    expect<u32>(ISLAND_SIZE).toBe(16);
  });

  it("R13: a BUG is ud2", () => {
    store_bug(AT);
    bytes_are([0x0f, 0x0b]);
  });
});

describe("NOPs", () => {
  it("R2: fill any length exactly, with as few instructions as possible", () => {
    for (let count: u32 = 0; count <= 64; count++) {
      memory.fill(AT, 0xcc, 80);
      store_nops(AT, count);
      expect<u8>(load<u8>(AT + count)).toBe(0xcc);
      let at: u32 = 0;
      let instructions: u32 = 0;
      while (at < count) {
        const n = padding_length(AT + at, count - at);
        expect<bool>(n != 0 && n <= 9).toBe(true);
        at += n;
        instructions++;
      }
      expect<u32>(at).toBe(count);
      expect<u32>(instructions).toBe((count + 8) / 9);
    }
  });

  it("are told from code", () => {
    store<u8>(AT, 0xcc);
    expect<u32>(padding_length(AT, 1)).toBe(1);
    store<u8>(AT, 0xc3);
    expect<u32>(padding_length(AT, 8)).toBe(0);
    // cs nopw 0x0(%rax,%rax,1), as gas pads
    const gas: StaticArray<u8> = [0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
    for (let i = 0; i < 10; i++) store<u8>(AT + i, gas[i]);
    expect<u32>(padding_length(AT, 10)).toBe(10);
    expect<u32>(padding_length(AT, 9)).toBe(0);
    // 0f 1e is not a NOP of this kind (endbr)
    store<u32>(AT, ENDBR64);
    expect<u32>(padding_length(AT, 4)).toBe(0);
    // xchg %ax,%ax
    store<u16>(AT, 0x9066);
    expect<u32>(padding_length(AT, 2)).toBe(2);
    expect<u32>(padding_length(AT, 1)).toBe(0);
  });
});
