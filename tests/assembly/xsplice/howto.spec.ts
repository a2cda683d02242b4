// xsplice/howto: the formulas of struct xsplice_reloc_howto, each with values at both edges
// (R38-R43, K4, K10). Expected numbers are worked out by hand from the formulas in the file's head.

import { XSPLICE_HOWTO_FLAG_PC_REL, XSPLICE_HOWTO_FLAG_SIGN } from "../../../assembly/abi";
import {
  field_holds,
  field_ones,
  is_field_size,
  is_signed,
  load_field,
  relocated_value,
  replaced_field,
  shifted_value,
  store_field,
} from "../../../assembly/xsplice/howto";
import { SCRATCH_OFF } from "../../../assembly/hv/layout";

const PC: u32 = XSPLICE_HOWTO_FLAG_PC_REL;
const SIGN: u32 = XSPLICE_HOWTO_FLAG_SIGN;
const AT: usize = SCRATCH_OFF + 2048;
const ALL: u64 = u64.MAX_VALUE;

/** Whether value V fits a whole field of `size` bytes. */
function fits(flag: u32, value: u64, size: u32): bool {
  return field_holds(flag, shifted_value(flag, value, 0), size, ALL);
}

describe("howto: value", () => {
  it("K10: a trampoline is relocated one byte behind its e9", () => {
    const s: u64 = 0xffff82d080300000;
    const start: u64 = 0xffff82d080112f9e;
    expect<u64>(relocated_value(PC, s, -4, start + 1)).toBe(0x1ed05d);
    // what the skeleton's reading (P = addr) would have given
    expect<u64>(relocated_value(PC, s, -4, start)).toBe(0x1ed05e);
  });

  it("is absolute without PC_REL and wraps like an address", () => {
    expect<u64>(relocated_value(0, 0xffff82d080300000, 0, 0x1234)).toBe(0xffff82d080300000);
    expect<u64>(relocated_value(0, 4, -8, 0)).toBe(u64.MAX_VALUE - 3);
    expect<u64>(relocated_value(SIGN, 16, -4, 0x999)).toBe(12);
  });

  it("R43: PC_REL implies a signed value", () => {
    expect<bool>(is_signed(PC)).toBe(true);
    expect<bool>(is_signed(SIGN)).toBe(true);
    expect<bool>(is_signed(PC | SIGN)).toBe(true);
    expect<bool>(is_signed(0)).toBe(false);
  });

  it("R41: shifts right, arithmetically if signed", () => {
    expect<u64>(shifted_value(0, 0x8000000000000010, 4)).toBe(0x0800000000000001);
    expect<u64>(shifted_value(SIGN, 0x8000000000000010, 4)).toBe(0xf800000000000001);
    expect<u64>(shifted_value(PC, <u64>-32, 2)).toBe(<u64>-8);
    expect<u64>(shifted_value(0, 0xdeadbeef, 0)).toBe(0xdeadbeef);
    expect<u64>(shifted_value(SIGN, 1 << 63, 63)).toBe(ALL);
  });
});

describe("howto: overflow", () => {
  it("R40: fields have 1, 2, 4 or 8 bytes", () => {
    for (let size: u32 = 0; size < 20; size++) {
      const good = size == 1 || size == 2 || size == 4 || size == 8;
      expect<bool>(is_field_size(size)).toBe(good);
    }
    expect<u64>(field_ones(1)).toBe(0xff);
    expect<u64>(field_ones(2)).toBe(0xffff);
    expect<u64>(field_ones(4)).toBe(0xffffffff);
    expect<u64>(field_ones(8)).toBe(ALL);
  });

  it("unsigned: the last value that fits and the first that does not", () => {
    for (let size: u32 = 1; size < 8; size <<= 1) {
      const ones = field_ones(size);
      expect<bool>(fits(0, ones, size)).toBe(true);
      expect<bool>(fits(0, ones + 1, size)).toBe(false);
      expect<bool>(fits(0, <u64>-1, size)).toBe(false);
    }
    expect<bool>(fits(0, ALL, 8)).toBe(true);
  });

  it("signed: both edges, each size, SIGN and PC_REL alike", () => {
    for (let flag: u32 = 1; flag <= 3; flag++) {
      for (let size: u32 = 1; size < 8; size <<= 1) {
        const top: u64 = (<u64>1) << (size * 8 - 1);
        expect<bool>(fits(flag, top - 1, size)).toBe(true);
        expect<bool>(fits(flag, top, size)).toBe(false);
        expect<bool>(fits(flag, 0 - top, size)).toBe(true);
        expect<bool>(fits(flag, 0 - top - 1, size)).toBe(false);
      }
      expect<bool>(fits(flag, 1 << 63, 8)).toBe(true);
    }
  });

  it("judges the bits under the mask, cut to the field's size", () => {
    // 24 bits signed, as in a branch of another processor
    expect<bool>(field_holds(SIGN, 0x7fffff, 4, 0x00ffffff)).toBe(true);
    expect<bool>(field_holds(SIGN, 0x800000, 4, 0x00ffffff)).toBe(false);
    expect<bool>(field_holds(SIGN, <u64>-0x800000, 4, 0x00ffffff)).toBe(true);
    // bits above the size do not widen it
    expect<bool>(field_holds(0, 0x1ff, 1, ALL)).toBe(false);
    // a hole in the mask cannot hold anything
    expect<bool>(field_holds(0, 0x10, 4, 0xffffffef)).toBe(false);
    expect<bool>(field_holds(SIGN, 3, 4, 0xfffffffc)).toBe(false);
    expect<bool>(field_holds(SIGN, 4, 4, 0xfffffffc)).toBe(true);
    expect<bool>(field_holds(0, 0, 4, 0)).toBe(false);
    expect<bool>(field_holds(0, 0, 1, 0xff00)).toBe(false);
  });
});

describe("howto: field", () => {
  it("R42: replaces only what the mask covers", () => {
    expect<u64>(replaced_field(0x1122334455667788, 0xaabb, 8, 0xffff)).toBe(0x112233445566aabb);
    expect<u64>(replaced_field(0xe8000000, <u64>-1, 4, 0x00ffffff)).toBe(0xe8ffffff);
    expect<u64>(replaced_field(0x55, 0xff, 1, 0x0f)).toBe(0x5f);
    expect<u64>(replaced_field(0x55, 0xff, 1, ALL)).toBe(0xff);
  });

  it("is little-endian and touches its own bytes only", () => {
    for (let size: u32 = 1; size <= 8; size <<= 1) {
      store<u64>(AT, 0xcccccccccccccccc);
      store<u64>(AT, 0xcccccccccccccccc, 8);
      store_field(AT + 4, size, 0x8877665544332211);
      for (let i: u32 = 0; i < 16; i++) {
        const inside = i >= 4 && i < 4 + size;
        expect<u32>(load<u8>(AT + i)).toBe(inside ? 0x11 * (i - 3) : 0xcc);
      }
      expect<u64>(load_field(AT + 4, size)).toBe(0x8877665544332211 & field_ones(size));
    }
  });
});
