// xsplice/place: regions, alignment, addresses (R8, R183, R217; c3f951417f odd alignments,
// 63e23a29e0 payloads without text).

import { ENOMEM } from "../../../assembly/abi";
import { alloc_frames, OWNER_DOMAIN } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { NR_FRAMES } from "../../../assembly/hv/layout";
import { map_pages } from "../../../assembly/hv/pages";
import { refusal } from "../../../assembly/hv/refusal";
import { REASON_NO_MEMORY, REASON_NO_VA } from "../../../assembly/reasons";
import { payload_off, payload_room } from "../../../assembly/xsplice/memory";
import {
  AREA_LO,
  claim,
  load_file,
  machine_hash,
  reset_machine,
  TEXT_HI,
  TEXT_LO,
} from "../support/bare_machine";
import { A, AW, AX, PROGBITS, Sample } from "../support/sample_payload";

let b: Sample = new Sample();

describe("place", () => {
  beforeEach(() => {
    reset_machine();
    b = new Sample();
  });

  it("keeps the order of the headers and every alignment up to a page (c3f951417f)", () => {
    const odd = b.add(".text.odd", PROGBITS, AX, 1);
    b.at(odd).zeros(3);
    const next = b.add(".text.next", PROGBITS, AX, 64);
    b.at(next).u8(0xc3);
    const page = b.add(".rodata.page", PROGBITS, A, 4096);
    b.at(page).u64(0x1122334455667788);
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.text_size).toBe(65);
    expect<u32>(load<u8>(payload_off(p, p.text_va + 64, 1))).toBe(0xc3);
    expect<u64>(load<u64>(payload_off(p, p.ro_va + 4096, 8))).toBe(0x1122334455667788);
  });

  it("zeroes gaps and NOBITS", () => {
    const bss = b.add(".bss", 8, AW, 256);
    b.at(bss).nobits = 5000;
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.rw_size).toBe(512 + 5000);
    const off = payload_off(p, p.rw_va + 376, p.rw_size - 376);
    let sum: u64 = 0;
    for (let i: usize = 0; i < <usize>(p.rw_size - 376); i++) sum += load<u8>(off + i);
    expect<u64>(sum).toBe(0);
  });

  it("takes a payload without text (63e23a29e0)", () => {
    b.at(b.text).flags = A;
    b.build();
    const p = claim("data");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.text_size).toBe(0);
    expect<u64>(p.rw_va).toBe(p.base_va);
    expect<u32>(p.mem_pages).toBe(2);
  });

  it("counts padding between regions as outside", () => {
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<usize>(payload_off(p, p.text_va + 31, 1)).not.toBe(0);
    expect<usize>(payload_off(p, p.text_va + 32, 1)).toBe(0);
    expect<usize>(payload_off(p, p.text_va + 31, 2)).toBe(0);
    expect<usize>(payload_off(p, p.rw_va, <u64>-1)).toBe(0);
    expect<usize>(payload_off(p, p.text_va - 1, 1)).toBe(0);
    expect<u64>(payload_room(p, p.text_va)).toBe(32);
    expect<u64>(payload_room(p, p.text_va + 32)).toBe(0);
  });

  it("fits into a hole only with a guard page on both sides", () => {
    const root = <usize>header().hv_root;
    const frame = alloc_frames(1, OWNER_DOMAIN);
    // A hole of four pages cannot hold guard + 3 + guard, one of five can.
    expect<bool>(map_pages(root, AREA_LO + 0x4000, frame, 1, 1)).toBe(true);
    expect<bool>(map_pages(root, AREA_LO + 0xa000, frame, 1, 1)).toBe(true);
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.base_va).toBe(AREA_LO + 0x6000);
  });

  it("uses the last pages of the area", () => {
    header().payload_end_va = AREA_LO + 0x4000;
    b.build();
    const p = claim("good");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.base_va).toBe(AREA_LO + 0x1000);
  });

  it("refuses when the area is full", () => {
    header().payload_end_va = AREA_LO + 0x3000;
    b.build();
    const p = claim("bad");
    const before = machine_hash(128);
    expect<i32>(load_file(b, p)).toBe(-ENOMEM);
    expect<u32>(refusal().reason).toBe(REASON_NO_VA);
    expect<u64>(machine_hash(128)).toBe(before);
  });

  it("refuses when there are no frames, wherever they run out", () => {
    b.build();
    let free = <u32>NR_FRAMES;
    let refusals = 0;
    // Frames left: from none to more than the load needs.
    for (let left: u32 = 0; left < 16; left++) {
      reset_machine();
      free = <u32>NR_FRAMES - 3;
      expect<usize>(alloc_frames(free - left, OWNER_DOMAIN)).not.toBe(0);
      const p = claim("try");
      const before = machine_hash(16);
      const rc = load_file(b, p);
      if (rc == 0) continue;
      refusals++;
      expect<i32>(rc).toBe(-ENOMEM);
      expect<u32>(refusal().reason).toBe(REASON_NO_MEMORY);
      expect<u64>(machine_hash(16)).toBe(before);
    }
    expect<i32>(refusals).toBeGreaterThan(5);
    expect<i32>(refusals).toBeLessThan(14);
  });

  it("prefers addresses within reach of the image's text (R183)", () => {
    // The area begins 3 GiB below the text: only its upper part is in reach.
    header().payload_base_va = TEXT_LO - 0xc0000000;
    header().payload_end_va = TEXT_LO - 0x10000000;
    b.build();
    const p = claim("near");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<bool>(TEXT_HI - p.base_va <= 0x80000000).toBe(true);
    // Nothing in reach: the far end still serves, for two-hop trampolines (R184).
    header().payload_base_va = TEXT_LO - 0x200000000;
    header().payload_end_va = TEXT_LO - 0x100000000;
    const q = claim("far");
    expect<i32>(load_file(b, q)).toBe(0);
    expect<u64>(q.base_va).toBe(TEXT_LO - 0x200000000 + 0x1000);
  });
});
