// xsplice/reloc: every type of the psABI that the loader knows, at its limits, and every way to
// be wrong (R67; 2ff229643b, bd53b85156). A value that does not fit is never written.

import { EINVAL, EOPNOTSUPP, EOVERFLOW } from "../../../assembly/abi";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_ELF_RELA,
  REASON_ELF_RELOC,
  REASON_ELF_UNSUPPORTED_RELOC,
  REASON_RELOC_OVERFLOW,
} from "../../../assembly/reasons";
import { NO_VALUE } from "../../../assembly/xsplice/elf";
import { payload_off } from "../../../assembly/xsplice/memory";
import { claim, load_file, machine_hash, reset_machine } from "../support/bare_machine";
import { AW, PROGBITS, Sample } from "../support/sample_payload";

let b: Sample = new Sample();
let data: u32 = 0;
/** Where the 24 bytes under test will be. */
const PLACE: u64 = 0xffff82d080302000 + 376;
const FILL: u64 = 0xcccccccccccccccc;

function begin(): void {
  reset_machine();
  b = new Sample();
  data = b.add(".data.place", PROGBITS, AW);
  for (let i = 0; i < 3; i++) b.at(data).u64(FILL);
}

/** Loads; 0 and the u64 at offset 8 of the place in `result`. */
let result: u64 = 0;
function run(): i32 {
  b.build();
  const p = claim("try");
  const before = machine_hash(64);
  const rc = load_file(b, p);
  if (rc != 0) expect<u64>(machine_hash(64)).toBe(before);
  else {
    expect<u64>(p.rw_va + 376).toBe(PLACE);
    result = load<u64>(payload_off(p, PLACE + 8, 8));
  }
  return rc;
}

/** One relocation at offset 8 against an absolute symbol. */
function apply(type: u32, s: u64, a: i64): i32 {
  begin();
  b.rela(data, 8, type, b.symbol("S", 0xfff1, s), a);
  return run();
}

function gives(type: u32, s: u64, a: i64, value: u64): void {
  expect<i32>(apply(type, s, a)).toBe(0);
  expect<u64>(result).toBe(value);
}

function overflows(type: u32, s: u64, a: i64): void {
  expect<i32>(apply(type, s, a)).toBe(-EOVERFLOW);
  expect<u32>(refusal().reason).toBe(REASON_RELOC_OVERFLOW);
  expect<u32>(refusal().place).toBe(PLACE_ELF_RELA);
  expect<u64>(refusal().value).toBe(type);
  expect<u64>(refusal().va).toBe(PLACE + 8);
  expect<u64>(refusal().va2).toBe(s);
}

/** Low four bytes written, high four kept. */
function low(value: u32): u64 {
  return 0xcccccccc00000000 | (<u64>value);
}

const P: u64 = PLACE + 8;

describe("relocation values", () => {
  it("NONE writes nothing", () => gives(0, 1, 2, FILL));
  it("64 is S + A", () => {
    gives(1, 0xffff82d080112f9e, 2, 0xffff82d080112fa0);
    gives(1, 5, -6, <u64>-1);
  });
  it("64 may have the value that marks unusable symbols", () => gives(1, NO_VALUE, 0, NO_VALUE));
  it("PC32 is S + A - P", () => {
    gives(2, P + 0x1000, -4, low(0xffc));
    gives(2, P - 0x1000, -4, low(<u32>-0x1004));
    gives(2, P + 0x7fffffff, 0, low(0x7fffffff));
    gives(2, P - 0x80000000, 0, low(0x80000000));
  });
  it("PC32 ends at 2 GiB in both directions", () => {
    overflows(2, P + 0x80000000, 0);
    overflows(2, P - 0x80000001, 0);
    overflows(2, P + 0x7fffffff, 1);
  });
  it("PLT32 is the same", () => {
    gives(4, P + 0x7fffffff, 0, low(0x7fffffff));
    overflows(4, P + 0x80000000, 0);
  });
  it("32 is zero-extended", () => {
    gives(10, 0xfffffffe, 1, low(0xffffffff));
    overflows(10, 0xffffffff, 1);
    overflows(10, 0, -1);
    overflows(10, 0xffff82d080112f9e, 0);
  });
  it("32S is sign-extended", () => {
    gives(11, 0x7fffffff, 0, low(0x7fffffff));
    gives(11, 0xffffffff80000000, 0, low(0x80000000));
    overflows(11, 0x80000000, 0);
    overflows(11, 0xffffffff80000000, -1);
  });
  it("PC64 is S + A - P in 64 bits", () => {
    gives(24, 0, 0, 0 - P);
    gives(24, P + 0x123456789a, 1, 0x123456789b);
  });
});

describe("relocation entries", () => {
  it("refuse every other type (GOT, TLS, sizes…)", () => {
    for (let type: u32 = 0; type < 70; type++) {
      if (type <= 2 || type == 4 || type == 10 || type == 11 || type == 24) continue;
      expect<i32>(apply(type, 0, 0)).toBe(-EOPNOTSUPP);
      expect<u32>(refusal().reason).toBe(REASON_ELF_UNSUPPORTED_RELOC);
      expect<u64>(refusal().value).toBe(type);
    }
    expect<i32>(apply(0xffffffff, 0, 0)).toBe(-EOPNOTSUPP);
  });

  it("end inside their section, whatever their width", () => {
    const types: StaticArray<u32> = [1, 2, 4, 10, 11, 24];
    for (let i = 0; i < types.length; i++) {
      const width: u64 = types[i] == 1 || types[i] == 24 ? 8 : 4;
      begin();
      b.rela(data, 24 - width, types[i], b.symbol("S", b.text, 0), 0);
      const fits = run();
      if (types[i] == 10 || types[i] == 11) expect<i32>(fits).toBe(-EOVERFLOW);
      else expect<i32>(fits).toBe(0);
      for (let over: u64 = 1; over < 9; over++) {
        begin();
        b.rela(data, 24 - width + over, types[i], b.symbol("S", b.text, 0), 0);
        expect<i32>(run()).toBe(-EINVAL);
        expect<u32>(refusal().reason).toBe(REASON_ELF_RELOC);
      }
    }
  });

  it("do not wrap by their offset", () => {
    begin();
    b.rela(data, <u64>-4, 2, b.symbol("S", b.text, 0), 0);
    expect<i32>(run()).toBe(-EINVAL);
    begin();
    b.rela(data, 0x100000000, 1, b.symbol("S", b.text, 0), 0);
    expect<i32>(run()).toBe(-EINVAL);
  });

  it("work in sections of less than 8 bytes", () => {
    begin();
    const tiny = b.add(".data.tiny", PROGBITS, AW, 1);
    b.at(tiny).u32(0);
    b.rela(tiny, 0, 2, b.symbol("S", b.text, 0), 0);
    expect<i32>(run()).toBe(0);
    begin();
    const small = b.add(".data.small", PROGBITS, AW, 1);
    b.at(small).u32(0);
    b.rela(small, 0, 1, b.symbol("S", b.text, 0), 0);
    expect<i32>(run()).toBe(-EINVAL);
  });

  it("have a symbol: not number 0, not one behind the table (2ff229643b, bd53b85156)", () => {
    begin();
    b.rela(data, 8, 1, 0, 5);
    expect<i32>(run()).toBe(-EOPNOTSUPP);
    begin();
    const last = b.symbol("S", b.text, 0);
    b.rela(data, 8, 1, last, 0);
    expect<i32>(run()).toBe(0);
    begin();
    b.rela(data, 8, 1, b.symbol("S", b.text, 0) + 1, 0);
    expect<i32>(run()).toBe(-EINVAL);
    begin();
    b.rela(data, 8, 1, 0xffffffff, 0);
    expect<i32>(run()).toBe(-EINVAL);
  });

  it("do not use symbols of sections that are not loaded (9120b5737f)", () => {
    begin();
    const comment = b.add(".comment", PROGBITS, 0, 1);
    b.at(comment).zeros(8);
    b.rela(data, 8, 1, b.symbol("S", comment, 0), 0);
    expect<i32>(run()).toBe(-EINVAL);
    expect<u32>(refusal().reason).toBe(REASON_ELF_RELOC);
  });

  it("may be none, for a section without a byte, which has an address (0dc1f929e8)", () => {
    begin();
    const none = b.add(".data.none", PROGBITS, AW, 1);
    const table = b.rela(none, 0, 1, 1);
    b.rela(data, 8, 1, b.symbol("S", none, 0), 5);
    b.build();
    const size = b.header_off(table) + 32;
    expect<u64>(load<u64>(size)).toBe(24);
    store<u64>(size, 0);
    const p = claim("try");
    expect<i32>(load_file(b, p)).toBe(0);
    // It stands where the section before it ends.
    expect<u64>(load<u64>(payload_off(p, PLACE + 8, 8))).toBe(PLACE + 24 + 5);
    // With an entry there is a place to write to, and that is outside.
    begin();
    b.rela(b.add(".data.none", PROGBITS, AW, 1), 0, 1, b.symbol("S", b.text, 0), 0);
    expect<i32>(run()).toBe(-EINVAL);
  });

  it("are told apart by section and number", () => {
    begin();
    const s = b.symbol("S", b.text, 0);
    b.rela(data, 0, 1, s, 0);
    b.rela(data, 8, 1, s, 0);
    const table = b.rela(data, 16, 9, s, 0);
    expect<i32>(run()).toBe(-EOPNOTSUPP);
    expect<u32>(refusal().index).toBe(table);
    expect<u32>(refusal().index2).toBe(2);
  });
});
