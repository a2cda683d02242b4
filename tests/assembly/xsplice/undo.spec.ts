// xsplice/undo: bytes in place and back (R178, R212, R213, R218): the machine's state is the same
// after a revert as before, permissions included, and the code cache never serves what was
// overwritten.

import { EILSEQ, PERM_R, PERM_W, PERM_X } from "../../../assembly/abi";
import { CODE_GEN_OFF, FRAMES_OFF } from "../../../assembly/hv/layout";
import { entry_of, translate_write } from "../../../assembly/hv/mem";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { state_hash } from "../../../assembly/hv/state_hash";
import { PLACE_XSPLICE_PATCH, REASON_FOREIGN_BYTES } from "../../../assembly/reasons";
import { Payload, release_payload, unlink_payload } from "../../../assembly/xsplice/payload";
import {
  free_splices,
  splice_at,
  SPLICE_DATA,
  SPLICE_TEXT,
  splice_touching,
} from "../../../assembly/xsplice/splice";
import {
  alloc_prepared,
  free_prepared,
  record_old,
  still_there,
  write_all,
} from "../../../assembly/xsplice/undo";
import {
  CODE_VA,
  image_off,
  list_payload,
  make_splice,
  make_splices,
  reset_engine,
  RODATA_VA,
} from "../support/engine_machine";

let p: Payload = changetype<Payload>(0);
let seed: u32 = 0;

function random(limit: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % limit;
}

/** Prepares `p` with splices in place; new bytes are the old ones inverted. */
function prepare(): void {
  expect<i32>(alloc_prepared(p, 0)).toBe(0);
  record_old(p);
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    for (let k: u32 = 0; k < s.length; k++) {
      store<u8>(s.new_off + k, ~load<u8>(s.old_off + k));
    }
  }
}

function drop(): void {
  free_prepared(p);
  free_splices(p);
  unlink_payload(p);
  release_payload(p);
}

function perms(va: u64): u32 {
  return <u32>(entry_of(va) & 0xfff);
}

function generation(va: u64): u32 {
  const frame = (image_off(va) - FRAMES_OFF) >> 12;
  return load<u32>(CODE_GEN_OFF + (frame << 2));
}

describe("undo", () => {
  beforeEach(() => {
    reset_engine();
  });

  it("R213: write and back is the identity on the machine", () => {
    const before = state_hash();
    p = list_payload("a", 1);
    make_splices(p, 3);
    make_splice(p, 0, SPLICE_TEXT, CODE_VA + 16, 5);
    make_splice(p, 1, SPLICE_TEXT, CODE_VA + 4096 - 3, 7); // across pages
    make_splice(p, 2, SPLICE_DATA, RODATA_VA + 100, 40);
    prepare();
    const prepared = state_hash();
    expect<i32>(still_there(p, false, REASON_FOREIGN_BYTES)).toBe(0);
    write_all(p, true);
    expect<u64>(state_hash()).not.toBe(prepared);
    expect<i32>(still_there(p, true, REASON_FOREIGN_BYTES)).toBe(0);
    expect<u8>(load<u8>(image_off(CODE_VA + 16))).toBe(~(<u8>16));
    expect<u8>(load<u8>(image_off(CODE_VA + 4096))).toBe(0xff);
    expect<u8>(load<u8>(image_off(CODE_VA + 4096 + 4))).toBe(4);
    write_all(p, false);
    expect<u64>(state_hash()).toBe(prepared);
    drop();
    expect<u64>(state_hash()).toBe(before);
  });

  it("R178, R217: .rodata is read-only before and after, text never writable", () => {
    p = list_payload("a", 1);
    make_splices(p, 2);
    make_splice(p, 0, SPLICE_TEXT, CODE_VA + 8, 4);
    make_splice(p, 1, SPLICE_DATA, RODATA_VA + 8, 8);
    prepare();
    write_all(p, true);
    expect<u32>(perms(CODE_VA)).toBe(PERM_R | PERM_X);
    expect<u32>(perms(RODATA_VA)).toBe(PERM_R);
    expect<usize>(translate_write(RODATA_VA + 8)).toBe(0);
    expect<usize>(translate_write(CODE_VA + 8)).toBe(0);
    write_all(p, false);
    expect<u32>(perms(RODATA_VA)).toBe(PERM_R);
    expect<u32>(perms(RODATA_VA) & PERM_W).toBe(0);
  });

  it("R218: code cached from a patched page is stale, once per page and direction", () => {
    p = list_payload("a", 1);
    make_splices(p, 2);
    make_splice(p, 0, SPLICE_TEXT, CODE_VA + 8, 4);
    make_splice(p, 1, SPLICE_TEXT, CODE_VA + 32, 4);
    prepare();
    const first = generation(CODE_VA);
    const second = generation(CODE_VA + 4096);
    write_all(p, true);
    expect<u32>(generation(CODE_VA)).toBe(first + 1);
    write_all(p, false);
    expect<u32>(generation(CODE_VA)).toBe(first + 2);
    expect<u32>(generation(CODE_VA + 4096)).toBe(second);
  });

  it("R213: notices a byte that is no longer ours, and names it", () => {
    p = list_payload("a", 1);
    make_splices(p, 1);
    make_splice(p, 0, SPLICE_TEXT, CODE_VA + 64, 12);
    prepare();
    write_all(p, true);
    store<u8>(image_off(CODE_VA + 64 + 10), 0x77);
    clear_refusal();
    expect<i32>(still_there(p, true, REASON_FOREIGN_BYTES)).toBe(-EILSEQ);
    expect<u32>(refusal().reason).toBe(REASON_FOREIGN_BYTES);
    expect<u32>(refusal().place).toBe(PLACE_XSPLICE_PATCH);
    expect<u64>(refusal().va).toBe(CODE_VA + 74);
    expect<u32>(refusal().bytes_count).toBe(10);
    expect<u8>(load<u8>(refusal().found_off + 8)).toBe(0x77);
    expect<u8>(load<u8>(refusal().expected_off + 8)).toBe(~(<u8>74));
  });

  it("random places, many times (seed printed)", () => {
    for (let round: u32 = 1; round <= 40; round++) {
      seed = round * 7919;
      const before = state_hash();
      p = list_payload("a", 1);
      const count: u32 = 1 + random(30);
      make_splices(p, count);
      let va = CODE_VA;
      for (let i: u32 = 0; i < count; i++) {
        va += random(300);
        const length: u32 = 1 + random(60);
        make_splice(p, i, SPLICE_TEXT, min<u64>(va, RODATA_VA + 3900), length);
        va += length;
      }
      // the last ones may meet at the end: keep those that do not
      let kept: u32 = 1;
      while (kept < count) {
        const a = splice_at(p, kept - 1);
        const b = splice_at(p, kept);
        if (b.va < a.va + a.length) break;
        kept++;
      }
      p.splices_count = kept;
      prepare();
      write_all(p, true);
      const written = still_there(p, true, REASON_FOREIGN_BYTES);
      for (let i: u32 = 0; i < kept; i++) {
        const s = splice_at(p, i);
        expect<usize>(changetype<usize>(splice_touching(p, s.va + s.length - 1, 1))).toBe(
          changetype<usize>(s),
        );
      }
      write_all(p, false);
      drop();
      if (written != 0 || state_hash() != before) trace("seed", 1, round);
      expect<i32>(written).toBe(0);
      expect<u64>(state_hash()).toBe(before);
    }
  });
});
