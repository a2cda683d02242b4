// xsplice/extable, notes: tables that a payload brings (R195, R200; livepatch-today 5.5).

import { EEXIST, EFAULT, EINVAL } from "../../../assembly/abi";
import { find_fixup } from "../../../assembly/hv/extable";
import { header } from "../../../assembly/hv/header";
import { set_context } from "../../../assembly/hv/mem";
import { refusal } from "../../../assembly/hv/refusal";
import {
  REASON_PAYLOAD_EXISTS,
  REASON_PAYLOAD_POINTER,
  REASON_STRUCT_SIZE,
} from "../../../assembly/reasons";
import { unload_payload } from "../../../assembly/xsplice/load";
import { payload_off } from "../../../assembly/xsplice/memory";
import { link_payload } from "../../../assembly/xsplice/payload";
import { claim, load_file, machine_hash, reset_machine } from "../support/bare_machine";
import { A, AX, PROGBITS, Sample } from "../support/sample_payload";

let b: Sample = new Sample();
let table: u32 = 0;
let code: u32 = 0;

function begin(): void {
  reset_machine();
  b = new Sample();
  code = b.add(".text.faulting", PROGBITS, AX, 1);
  b.at(code).zeros(4096);
  table = b.add(".ex_table", PROGBITS, A, 4);
}

/** An entry whose fields are relative to themselves: R_X86_64_PC32, as the assembler makes them. */
function entry(from: u64, to: u64): void {
  const s = b.symbol("", code, 0, 0x03);
  const at = <u64>b.at(table).data.length;
  b.at(table).u64(0);
  b.rela(table, at, 2, s, <i64>from);
  b.rela(table, at + 4, 2, s, <i64>to);
}

function refused(errno: i32, reason: u32): void {
  b.build();
  const p = claim("bad");
  const before = machine_hash(64);
  expect<i32>(load_file(b, p)).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
  expect<u64>(machine_hash(64)).toBe(before);
}

describe("exception table", () => {
  beforeEach(begin);

  it("is sorted by the faulting instruction, whatever its order was", () => {
    const count: u64 = 257;
    // 7 is coprime to 257: every value once, in a scattered order; the last ones come twice.
    for (let i: u64 = 0; i < count; i++) entry((i * 7) % count, 4095 - ((i * 7) % count));
    entry(3, 4095 - 3);
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.extable_end_va - p.extable_va).toBe((count + 1) * 8);
    const off = payload_off(p, p.extable_va, (count + 1) * 8);
    const base = p.text_va + 32;
    let last: u64 = 0;
    for (let i: u64 = 0; i <= count; i++) {
      const va = p.extable_va + i * 8;
      const from = va + <u64>(<i64>load<i32>(off + <usize>i * 8)) - base;
      const to = va + 4 + <u64>(<i64>load<i32>(off + <usize>i * 8, 4)) - base;
      expect<u64>(to).toBe(4095 - from);
      expect<bool>(from >= last).toBe(true);
      last = from;
    }
    expect<u64>(last).toBe(count - 1);
  });

  it("is found by the fault path while the payload is loaded, and no longer", () => {
    entry(100, 200);
    entry(50, 300);
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    set_context(<usize>header().hv_root, 0, -1, false);
    const base = p.text_va + 32;
    expect<u64>(find_fixup(base + 50)).toBe(base + 300);
    expect<u64>(find_fixup(base + 100)).toBe(base + 200);
    expect<u64>(find_fixup(base + 101)).toBe(0);
    unload_payload(p);
    expect<u64>(find_fixup(base + 50)).toBe(0);
  });

  it("has whole entries", () => {
    entry(1, 2);
    b.at(table).u32(0);
    refused(EINVAL, REASON_STRUCT_SIZE);
  });

  it("speaks of the payload's own text", () => {
    entry(1, 2);
    entry(4096, 2);
    refused(EFAULT, REASON_PAYLOAD_POINTER);
    expect<u32>(refusal().index).toBe(table);
    expect<u32>(refusal().index2).toBe(1);
    begin();
    entry(1, <u64>-33);
    refused(EFAULT, REASON_PAYLOAD_POINTER);
  });

  it("may be empty", () => {
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.extable_va).toBe(0);
  });
});

/** A build-id note with these fields and `tail` bytes of id. */
function note(name_size: u32, size: u32, type: u32, name: u32, tail: i32): void {
  const s = b.at(b.add(".note.gnu.build-id", 7, A, 4));
  s.u32(name_size);
  s.u32(size);
  s.u32(type);
  s.u32(name);
  for (let i = 0; i < tail; i++) s.u8(0x40 + i);
}
const GNU: u32 = 0x00554e47;

describe("own build-id", () => {
  beforeEach(begin);

  it("is found, of any length (R201)", () => {
    note(4, 20, 3, GNU, 20);
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u32>(p.build_id_len).toBe(20);
    expect<u32>(load<u8>(payload_off(p, p.build_id_va, 20), 19)).toBe(0x53);
  });

  it("is missing from most payloads", () => {
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u32>(p.build_id_len).toBe(0);
  });

  it("must be a build-id note, inside its section", () => {
    note(4, 21, 3, GNU, 20);
    refused(EINVAL, REASON_STRUCT_SIZE);
    begin();
    note(4, 0, 3, GNU, 4);
    refused(EINVAL, REASON_STRUCT_SIZE);
    begin();
    note(4, 4, 1, GNU, 4);
    refused(EINVAL, REASON_STRUCT_SIZE);
    begin();
    note(4, 4, 3, 0x00555555, 4);
    refused(EINVAL, REASON_STRUCT_SIZE);
    begin();
    note(0xfffffff0, 0xffffffff, 3, GNU, 4);
    refused(EINVAL, REASON_STRUCT_SIZE);
    begin();
    b.at(b.add(".note.gnu.build-id", 7, A, 4)).zeros(12);
    refused(EINVAL, REASON_STRUCT_SIZE);
  });

  it("is not loaded twice (a946b8de14)", () => {
    note(4, 20, 3, GNU, 20);
    b.build();
    const p = claim("one");
    expect<i32>(load_file(b, p)).toBe(0);
    link_payload(p);
    const q = claim("two");
    const before = machine_hash(64);
    expect<i32>(load_file(b, q)).toBe(-EEXIST);
    expect<u32>(refusal().reason).toBe(REASON_PAYLOAD_EXISTS);
    expect<u32>(load<u8>(refusal().other_off)).toBe(0x6f);
    expect<u64>(machine_hash(64)).toBe(before);
  });
});
