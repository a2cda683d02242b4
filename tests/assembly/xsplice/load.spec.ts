// xsplice/load: a good payload is loaded as its sections say, and unloading leaves no trace.

import { PERM_R, PERM_W, PERM_X } from "../../../assembly/abi";
import { count_frames, OWNER_PAYLOAD, OWNER_STAGING } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { walk } from "../../../assembly/hv/pages";
import { unload_payload } from "../../../assembly/xsplice/load";
import { reset_writable } from "../../../assembly/xsplice/initial";
import { payload_off, payload_string } from "../../../assembly/xsplice/memory";
import { release_payload } from "../../../assembly/xsplice/payload";
import { payload_symbol_at } from "../../../assembly/xsplice/payload_symbols";
import { XspliceCode, XspliceRoot } from "../../../assembly/xsplice/structs";
import { AREA_LO, claim, load_file, machine_hash, reset_machine } from "../support/bare_machine";
import { Sample } from "../support/sample_payload";

function perms_of(va: u64): u64 {
  return walk(<usize>header().hv_root, va) & 4095;
}

describe("load", () => {
  beforeEach(() => {
    reset_machine();
  });

  it("places text, data and read-only data behind each other, with a guard page (R8, R217)", () => {
    const b = new Sample();
    b.build();
    const p = claim("xsa125");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u64>(p.base_va).toBe(AREA_LO + 0x1000);
    expect<u32>(p.mem_pages).toBe(3);
    expect<u64>(p.text_va).toBe(p.base_va);
    expect<u64>(p.text_size).toBe(32);
    expect<u64>(p.rw_va).toBe(p.base_va + 0x1000);
    expect<u64>(p.rw_size).toBe(72 + 304);
    expect<u64>(p.ro_va).toBe(p.base_va + 0x2000);
    expect<u64>(perms_of(p.base_va - 1)).toBe(0);
    expect<u64>(perms_of(p.text_va)).toBe(PERM_R | PERM_X);
    expect<u64>(perms_of(p.rw_va)).toBe(PERM_R | PERM_W);
    expect<u64>(perms_of(p.ro_va)).toBe(PERM_R);
    expect<u64>(perms_of(p.ro_va + 0x1000)).toBe(0);
    expect<u32>(load<u32>(p.mem_off)).toBe(0x00c3c031);
  });

  it("relocates the structures and keeps the payload's name (R23, R67)", () => {
    const b = new Sample();
    b.build();
    const p = claim("xsa125");
    expect<i32>(load_file(b, p)).toBe(0);
    const root = changetype<XspliceRoot>(payload_off(p, p.root_va, 72));
    const code = changetype<XspliceCode>(payload_off(p, root.new_code, 72));
    expect<u64>(p.new_va).toBe(root.new_code);
    expect<u64>(p.old_va).toBe(0);
    expect<u32>(code.n_patches).toBe(1);
    expect<i32>(payload_string(p, root.name, 40)).toBe(6);
    expect<u64>(load<u64>(p.name_off) & 0xffffffffffff).toBe(0x353231617378);
    expect<i32>(payload_symbol_at(p, p.text_va + 5)).toBeGreaterThanOrEqual(0);
    expect<i32>(payload_symbol_at(p, p.text_va + 32)).toBe(-1);
  });

  it("gives back every frame and table on unload (A14)", () => {
    const before = machine_hash(256);
    const b = new Sample();
    b.build();
    const p = claim("xsa125");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u32>(count_frames(OWNER_STAGING)).toBe(0);
    expect<u32>(count_frames(OWNER_PAYLOAD)).toBe(3 + 1 + 1);
    expect<u64>(machine_hash(256)).not.toBe(before);
    unload_payload(p);
    release_payload(p);
    expect<u64>(machine_hash(256)).toBe(before);
  });

  it("resets what the payload wrote to its own data (98b728a7b2)", () => {
    const b = new Sample();
    const bss = b.add(".bss", 8, 3, 32);
    b.at(bss).nobits = 10000;
    b.build();
    const p = claim("xsa125");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<u32>(p.initial_pages).toBe(1);
    const rw_off = payload_off(p, p.rw_va, p.rw_size);
    const first = load<u64>(rw_off + 8);
    memory.fill(rw_off, 0xaa, <usize>p.rw_size);
    reset_writable(p);
    expect<u64>(load<u64>(rw_off + 8)).toBe(first);
    expect<u64>(load<u64>(rw_off + 9000)).toBe(0);
    expect<u64>(load<u64>(rw_off + <usize>p.rw_size - 8)).toBe(0);
  });

  it("uses the address of an unloaded payload again, and none that is taken", () => {
    const b = new Sample();
    b.build();
    const p = claim("one");
    const q = claim("two");
    expect<i32>(load_file(b, p)).toBe(0);
    expect<i32>(load_file(b, q)).toBe(0);
    expect<u64>(q.base_va).toBe(p.base_va + 0x4000);
    const base = p.base_va;
    unload_payload(p);
    const r = claim("three");
    expect<i32>(load_file(b, r)).toBe(0);
    expect<u64>(r.base_va).toBe(base);
  });
});
