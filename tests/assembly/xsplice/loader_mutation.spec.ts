// Hostile files (R225): a good payload with one thing changed, and files that never were good.
// Whatever comes in, the loader answers with 0 or a reason, never a trap, and a refusal leaves no
// trace.

import { header } from "../../../assembly/hv/header";
import { refusal } from "../../../assembly/hv/refusal";
import { load_payload, unload_payload } from "../../../assembly/xsplice/load";
import { release_payload } from "../../../assembly/xsplice/payload";
import { claim, image_symbol, machine_hash, reset_machine } from "../support/bare_machine";
import { Sample } from "../support/sample_payload";

const SEED: u64 = 0x9e3779b97f4a7c15;

/** Interesting values for a field of any width. */
const VALUES: StaticArray<u64> = [
  0, 1, 2, 7, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xff00, 0xfff1, 0xfff2, 0xffff,
  0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
  0x8000000000000000, 0xffff82d080300000, 0xffff82d080302000, 0xfffffffffffff000,
  0xffffffffffffffc0, 0xffffffffffffffff,
];

let b: Sample = new Sample();
let before: u64 = 0;
let accepted = 0;
let refused = 0;
let traceless = 0;
let state: u64 = SEED;

function random(): u64 {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

function fresh(): void {
  reset_machine();
  image_symbol("printk", 0xffff82d080140000);
  b = new Sample();
  b.add_old();
  b.symbol("printk", 0, 0);
  const bss = b.add(".bss", 8, 3, 8);
  b.at(bss).nobits = 100;
  const table = b.add(".ex_table", 1, 2, 4);
  b.at(table).u64(0);
  b.rela(table, 0, 2, b.sym_text, 1);
  b.rela(table, 4, 2, b.sym_text, 2);
  b.build();
  accepted = 0;
  refused = 0;
  traceless = 0;
  before = machine_hash(48);
}

/** Loads what is there now; what a success took is given back. */
function attempt(size: u32): void {
  const p = claim("try");
  const rc = load_payload(b.file_off, size, p, 0);
  if (rc == 0) {
    accepted++;
    unload_payload(p);
  } else {
    refused++;
    if (refusal().errno != -rc || refusal().reason == 0) traceless -= 1000;
  }
  release_payload(p);
  if (machine_hash(48) == before) traceless++;
}

/** All values in the `width` bytes at `off`, which are restored. */
function spoil(off: usize, width: u32): void {
  const kept = load<u64>(off);
  for (let v = 0; v < VALUES.length; v++) {
    const mask = width == 8 ? <u64>-1 : ((<u64>1) << (8 * width)) - 1;
    store<u64>(off, (kept & ~mask) | (VALUES[v] & mask));
    attempt(b.file_size);
  }
  store<u64>(off, kept);
}

function finish(cases: i32): void {
  expect<i32>(accepted + refused).toBe(cases, "every case ends");
  expect<i32>(traceless).toBe(cases, "no case leaves a trace or lacks a reason");
  expect<u64>(<u64>header().payload_count).toBe(0);
}

describe("mutations (R225, aa5a06d5d6)", () => {
  beforeEach(fresh);

  it("start from a payload that is accepted", () => {
    attempt(b.file_size);
    expect<i32>(accepted).toBe(1);
    finish(1);
  });

  it("of every field of the ELF header", () => {
    for (let at: usize = 0; at < 16; at++) spoil(b.file_off + at, 1);
    const fields: StaticArray<u32> = [16, 18, 52, 54, 56, 58, 60, 62];
    for (let i = 0; i < fields.length; i++) spoil(b.file_off + fields[i], 2);
    spoil(b.file_off + 20, 4);
    spoil(b.file_off + 48, 4);
    spoil(b.file_off + 24, 8);
    spoil(b.file_off + 32, 8);
    spoil(b.file_off + 40, 8);
    finish((16 + 8 + 2 + 3) * VALUES.length);
    expect<i32>(refused).toBeGreaterThan(300);
  });

  it("of every field of every section header", () => {
    const narrow: StaticArray<u32> = [0, 4, 40, 44];
    const wide: StaticArray<u32> = [8, 16, 24, 32, 48, 56];
    const count = b.sections.length;
    for (let i = 0; i < count; i++) {
      const h = b.header_off(<u32>i);
      for (let k = 0; k < narrow.length; k++) spoil(h + narrow[k], 4);
      for (let k = 0; k < wide.length; k++) spoil(h + wide[k], 8);
    }
    finish(count * 10 * VALUES.length);
  });

  it("of every field of every symbol", () => {
    const table = b.bytes_off(b.symtab);
    const count = b.symbols.length;
    for (let i = 0; i < count; i++) {
      const s = table + <usize>i * 24;
      spoil(s, 4);
      spoil(s + 4, 1);
      spoil(s + 6, 2);
      spoil(s + 8, 8);
      spoil(s + 16, 8);
    }
    finish(count * 5 * VALUES.length);
  });

  it("of every field of every relocation", () => {
    let entries = 0;
    for (let i = 1; i < b.sections.length; i++) {
      const s = b.at(<u32>i);
      if (s.type != 4) continue;
      for (let at: usize = 0; at < <usize>s.size(); at += 24) {
        const r = b.bytes_off(<u32>i) + at;
        spoil(r, 8);
        spoil(r + 8, 4);
        spoil(r + 12, 4);
        spoil(r + 16, 8);
        entries++;
      }
    }
    finish(entries * 4 * VALUES.length);
  });

  it("of every word of the structures", () => {
    const tables = b.at(b.tables).data.length;
    for (let at = 0; at < tables; at += 4) spoil(b.bytes_off(b.tables) + <usize>at, 4);
    for (let at: usize = 0; at < 72; at += 4) spoil(b.bytes_off(b.root) + at, 4);
    finish((tables / 4 + 18) * VALUES.length);
  });

  it("by cutting the file at every length", () => {
    for (let size: u32 = 0; size < b.file_size; size++) attempt(size);
    finish(<i32>b.file_size);
    expect<i32>(accepted).toBe(0);
  });

  it("of 1 to 8 random bytes (seed 0x9e3779b97f4a7c15)", () => {
    const copy = heap.alloc(b.file_size);
    memory.copy(copy, b.file_off, b.file_size);
    const cases = 4000;
    for (let i = 0; i < cases; i++) {
      const changes = <i32>(random() % 8) + 1;
      for (let k = 0; k < changes; k++) {
        store<u8>(b.file_off + <usize>(random() % b.file_size), <u8>random());
      }
      attempt(b.file_size);
      memory.copy(b.file_off, copy, b.file_size);
    }
    finish(cases);
  });

  it("into pure noise behind a good header", () => {
    const cases = 1000;
    for (let i = 0; i < cases; i++) {
      for (let at: usize = 64; at < b.file_size; at += 8) store<u64>(b.file_off + at, random());
      attempt(b.file_size);
    }
    finish(cases);
    expect<i32>(accepted).toBe(0);
  });
});
