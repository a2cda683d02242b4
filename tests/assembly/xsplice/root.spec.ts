// xsplice/root, root_code: the payload's structures, field by field (A2, K1, K4, K5, K12-K17; D2
// "structures"). Every case spoils one field of a good payload and must leave the machine as it
// was.

import { EFAULT, EINVAL, EOPNOTSUPP } from "../../../assembly/abi";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_XSPLICE,
  PLACE_XSPLICE_CODE,
  PLACE_XSPLICE_HOWTO,
  PLACE_XSPLICE_PATCH,
  PLACE_XSPLICE_RELOC,
  PLACE_XSPLICE_SECTION,
  PLACE_XSPLICE_SYMBOL,
  REASON_COUNT_MISMATCH,
  REASON_ENUM,
  REASON_FLAG_RESERVED,
  REASON_FOREIGN_FORMAT,
  REASON_NAME_LENGTH,
  REASON_PAD_NONZERO,
  REASON_PATCH_ADDRESS,
  REASON_PAYLOAD_POINTER,
  REASON_PAYLOAD_VERSION,
  REASON_ROOT_MANY,
  REASON_ROOT_MISSING,
  REASON_STRUCT_SIZE,
} from "../../../assembly/reasons";
import { claim, load_file, machine_hash, reset_machine } from "../support/bare_machine";
import {
  A,
  AW,
  CODE,
  HOWTO,
  OLD,
  PATCH,
  PROGBITS,
  RELOC,
  Sample,
  SECTION,
  SYMBOL,
} from "../support/sample_payload";

let b: Sample = new Sample();

function good(): void {
  b.build();
  expect<i32>(load_file(b, claim("good"))).toBe(0);
}

function refused(errno: i32, reason: u32, place: u32): void {
  b.build();
  const p = claim("bad");
  const before = machine_hash(128);
  expect<i32>(load_file(b, p)).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
  if (place != 0) expect<u32>(refusal().place).toBe(place);
  expect<u64>(machine_hash(128)).toBe(before);
}

function begin(): void {
  reset_machine();
  b = new Sample();
}

/** A byte of the tables becomes 1, one case for each byte of a pad. */
function pads(from: u32, count: u32, place: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    begin();
    b.at(b.tables).data[from + i] = 1;
    refused(EINVAL, REASON_PAD_NONZERO, place);
  }
}

/** A field of the tables becomes `value`. */
function field(offset: u32, value: u32, errno: i32, reason: u32, place: u32): void {
  begin();
  b.table32(offset, value);
  refused(errno, reason, place);
}

/** Drops the relocation at `offset` of `section`, so that the pointer there becomes `value`. */
function unpoint(section: u32, offset: u32, value: u64): void {
  for (let i = 1; i < b.sections.length; i++) {
    const s = b.sections[i];
    if (s.type != 4 || s.info != section) continue;
    for (let at = 0; at < s.data.length; at += 24) {
      if (s.data[at] != <u8>offset || s.data[at + 1] != <u8>(offset >> 8)) continue;
      for (let k = 8; k < 12; k++) s.data[at + k] = 0; // R_X86_64_NONE
    }
  }
  b.set64(section, offset, value);
}

/** The pointer at `offset` leads nowhere, just outside, and into the image: all are refused. */
function bad_pointer(section: u32, offset: u32, place: u32): void {
  const values: StaticArray<u64> = [1, 0xffff82d080300fff, 0xffff82d080303fff, 0xffff82d080112f9e];
  for (let i = 0; i < values.length; i++) {
    begin();
    unpoint(section, offset, values[i]);
    refused(EFAULT, REASON_PAYLOAD_POINTER, place);
    expect<u64>(refusal().va).toBe(values[i]);
  }
}

describe("root section", () => {
  beforeEach(begin);

  it("must be there", () => {
    b.at(b.root).name = ".xsplicf";
    refused(EINVAL, REASON_ROOT_MISSING, 0);
  });
  it("must not be today's", () => {
    b.at(b.root).name = ".livepatch.funcs";
    refused(EINVAL, REASON_FOREIGN_FORMAT, 0);
  });
  it("must be loaded", () => {
    b.at(b.root).flags = 0;
    refused(EINVAL, REASON_ROOT_MISSING, 0);
  });
  it("must not be empty", () => {
    const empty = new Sample();
    b = empty;
    b.at(b.root).data = [];
    refused(EINVAL, REASON_ROOT_MISSING, 0);
  });
  it("must be one section", () => {
    const second = b.add(".xsplice", PROGBITS, AW);
    b.at(second).zeros(72);
    refused(EINVAL, REASON_ROOT_MANY, 0);
    expect<u32>(refusal().index).toBe(second);
  });
  it("must hold one structure", () => {
    b.at(b.root).zeros(72);
    refused(EINVAL, REASON_ROOT_MANY, 0);
  });
  it("must have gcc's size, not the RFC's 64, and says which it had (K1)", () => {
    b.at(b.root).data = b.at(b.root).data.slice(0, 64);
    refused(EINVAL, REASON_STRUCT_SIZE, 0);
    expect<u64>(refusal().value).toBe(64);
    expect<u64>(refusal().limit).toBe(72);
  });
});

describe("struct xsplice", () => {
  beforeEach(begin);

  it("has version 0 (R22)", () => {
    b.set32(b.root, 0, 1);
    refused(EOPNOTSUPP, REASON_PAYLOAD_VERSION, PLACE_XSPLICE);
    expect<u64>(refusal().value).toBe(1);
  });
  it("has zero pads (R21)", () => {
    for (let i: u32 = 48; i < 72; i++) {
      begin();
      b.at(b.root).data[i] = 0x80;
      refused(EINVAL, REASON_PAD_NONZERO, PLACE_XSPLICE);
    }
  });
  it("has a name", () => bad_pointer(b.root, 8, PLACE_XSPLICE));
  it("has a name of up to 40 characters (R23)", () => {
    const at40 = b.at(b.strings).text("n".repeat(40));
    unpoint(b.root, 8, 0);
    b.pointer(b.root, 8, b.sym_strings, at40);
    good();
    begin();
    const at41 = b.at(b.strings).text("n".repeat(41));
    unpoint(b.root, 8, 0);
    b.pointer(b.root, 8, b.sym_strings, at41);
    refused(EINVAL, REASON_NAME_LENGTH, PLACE_XSPLICE);
  });
  it("has a name that ends in the payload", () => {
    const tail = b.at(b.strings);
    const at = <u32>tail.data.length;
    tail.u8(0x78);
    unpoint(b.root, 8, 0);
    b.pointer(b.root, 8, b.sym_strings, at);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE);
  });
  it("has an id (R24)", () => bad_pointer(b.root, 16, PLACE_XSPLICE));
  it("may have an id of id_size bytes, which must be there (K5)", () => {
    b.set32(b.root, 24, 20);
    good();
    begin();
    b.set32(b.root, 24, 0xffffffff);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE);
  });
  it("has new code (R25)", () => {
    bad_pointer(b.root, 32, PLACE_XSPLICE_CODE);
    begin();
    unpoint(b.root, 32, 0);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_CODE);
  });
  it("may have old code, whose relocs are not looked at (R26)", () => {
    b.add_old();
    b.table64(OLD, 1);
    b.table32(OLD + 8, 99);
    good();
    bad_pointer(b.root, 40, PLACE_XSPLICE_CODE);
    expect<u32>(refusal().index).toBe(1);
  });
});

describe("struct xsplice_code", () => {
  it("has zero pads", () => pads(CODE + 44, 28, PLACE_XSPLICE_CODE));
  it("has arrays inside the payload", () => {
    begin();
    const tables = b.tables;
    bad_pointer(tables, CODE, PLACE_XSPLICE_CODE);
    bad_pointer(tables, CODE + 16, PLACE_XSPLICE_CODE);
    bad_pointer(tables, CODE + 32, PLACE_XSPLICE_CODE);
  });
  it("has equal counts (K13)", () => {
    field(CODE + 8, 0, EINVAL, REASON_COUNT_MISMATCH, PLACE_XSPLICE_CODE);
    field(CODE + 24, 0, EINVAL, REASON_COUNT_MISMATCH, PLACE_XSPLICE_CODE);
    field(CODE + 40, 0xffffffff, EINVAL, REASON_COUNT_MISMATCH, PLACE_XSPLICE_CODE);
  });
  it("has counts that fit into the payload", () => {
    begin();
    b.table32(CODE + 8, 0x4000000);
    b.table32(CODE + 24, 0x4000000);
    b.table32(CODE + 40, 0x4000000);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_CODE);
    begin();
    b.table32(CODE + 8, 0xffffffff);
    b.table32(CODE + 24, 0xffffffff);
    b.table32(CODE + 40, 0xffffffff);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_CODE);
  });
  it("may be empty, with any pointers (R28)", () => {
    begin();
    b.table32(CODE + 8, 0);
    b.table32(CODE + 24, 0);
    b.table32(CODE + 40, 0);
    unpoint(b.tables, CODE, 0);
    good();
  });
  it("pairs old sections and patches too", () => {
    begin();
    b.add_old();
    b.table32(OLD + 24, 0);
    refused(EINVAL, REASON_COUNT_MISMATCH, PLACE_XSPLICE_CODE);
    expect<u32>(refusal().index2).toBe(1);
  });
});

describe("struct xsplice_reloc", () => {
  it("has zero pads", () => pads(RELOC + 40, 24, PLACE_XSPLICE_RELOC));
  it("has a symbol inside the payload", () => {
    begin();
    bad_pointer(b.tables, RELOC + 8, PLACE_XSPLICE_SYMBOL);
  });
  it("may do without a symbol if it has an address (R31)", () => {
    begin();
    unpoint(b.tables, RELOC + 8, 0);
    good();
    begin();
    unpoint(b.tables, RELOC + 8, 0);
    b.table64(RELOC, 0);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_RELOC);
  });
  it("has a howto", () => {
    begin();
    bad_pointer(b.tables, RELOC + 24, PLACE_XSPLICE_HOWTO);
    begin();
    unpoint(b.tables, RELOC + 24, 0);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_HOWTO);
  });
});

describe("struct xsplice_section", () => {
  it("has zero pads", () => pads(SECTION + 24, 12, PLACE_XSPLICE_SECTION));
  it("has no reserved flags (K17)", () => {
    for (let bit: u32 = 0; bit < 32; bit++) {
      if (bit < 4 || (bit >= 9 && bit <= 11)) continue;
      const flags = 1 | ((<u32>1) << bit);
      field(SECTION + 20, flags, EINVAL, REASON_FLAG_RESERVED, PLACE_XSPLICE_SECTION);
    }
  });
  it("has one location; STRING may accompany RODATA (K17)", () => {
    for (let where: u32 = 0; where < 16; where++) {
      const fine = where == 1 || where == 2 || where == 4 || where == 8 || where == 10;
      begin();
      b.table32(SECTION + 20, where | 0xc00);
      if (fine) good();
      else refused(EINVAL, REASON_ENUM, PLACE_XSPLICE_SECTION);
    }
  });
  it("is known by symbol or address", () => {
    begin();
    bad_pointer(b.tables, SECTION, PLACE_XSPLICE_SYMBOL);
    begin();
    unpoint(b.tables, SECTION, 0);
    b.table64(SECTION + 8, 0);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_SECTION);
  });
});

describe("struct xsplice_patch", () => {
  it("has zero pads", () => pads(PATCH + 24, 40, PLACE_XSPLICE_PATCH));
  it("has a type of the enumeration (R57)", () => {
    field(PATCH, 0, EINVAL, REASON_ENUM, PLACE_XSPLICE_PATCH);
    field(PATCH, 4, EINVAL, REASON_ENUM, PLACE_XSPLICE_PATCH);
    field(PATCH, 0xffffffff, EINVAL, REASON_ENUM, PLACE_XSPLICE_PATCH);
  });
  it("has no address of its own if it is a trampoline (R60)", () => {
    field(PATCH + 8, 1, EINVAL, REASON_PATCH_ADDRESS, PLACE_XSPLICE_PATCH);
  });
  it("has its content inside one region of the payload", () => {
    begin();
    bad_pointer(b.tables, PATCH + 16, PLACE_XSPLICE_PATCH);
    field(PATCH + 4, 33, EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_PATCH);
    expect<u64>(refusal().limit).toBe(33);
  });
  it("agrees with its howto (R62)", () => {
    field(PATCH, 1, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    field(PATCH, 2, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    begin();
    b.table32(HOWTO, 1);
    b.table32(HOWTO + 8, 8);
    refused(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    b = new Sample();
    reset_machine();
    b.table32(HOWTO, 1);
    b.table32(HOWTO + 8, 8);
    b.table32(PATCH, 2);
    good();
  });
});

describe("struct xsplice_symbol", () => {
  it("has zero pads", () => pads(SYMBOL + 16, 16, PLACE_XSPLICE_SYMBOL));
  it("has a name that ends", () => {
    begin();
    bad_pointer(b.tables, SYMBOL, PLACE_XSPLICE_SYMBOL);
    begin();
    unpoint(b.tables, SYMBOL, 0);
    refused(EFAULT, REASON_PAYLOAD_POINTER, PLACE_XSPLICE_SYMBOL);
    begin();
    const long = b.at(b.strings).text("n".repeat(1024));
    unpoint(b.tables, SYMBOL, 0);
    b.pointer(b.tables, SYMBOL, b.sym_strings, long);
    refused(EINVAL, REASON_NAME_LENGTH, PLACE_XSPLICE_SYMBOL);
  });
  it("may have no label, but no bad one", () => {
    begin();
    unpoint(b.tables, SYMBOL + 8, 0);
    good();
    begin();
    bad_pointer(b.tables, SYMBOL + 8, PLACE_XSPLICE_SYMBOL);
  });
});

describe("struct xsplice_reloc_howto", () => {
  it("has zero pads", () => pads(HOWTO + 24, 8, PLACE_XSPLICE_HOWTO));
  it("is one of the two (R38)", () => {
    field(HOWTO, 0, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    field(HOWTO, 3, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
  });
  it("has known flags (R39)", () => {
    for (let bit: u32 = 2; bit < 32; bit++) {
      const flag = 1 | ((<u32>1) << bit);
      field(HOWTO + 4, flag, EINVAL, REASON_FLAG_RESERVED, PLACE_XSPLICE_HOWTO);
    }
  });
  it("of a trampoline is rel32: size 4, or 0 which means 4 (K4)", () => {
    for (let size: u32 = 0; size < 10; size++) {
      begin();
      b.table32(HOWTO + 8, size);
      if (size == 0 || size == 4) good();
      else refused(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    }
    field(HOWTO + 4, 2, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO); // not PC_REL
    field(HOWTO + 12, 1, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO); // shifted
    field(HOWTO + 16, 0xffff, EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO); // partly masked
  });
  it("of an inline patch has size 1, 2, 4 or 8 (R40, K4) and a shift below 64", () => {
    for (let size: u32 = 0; size < 10; size++) {
      begin();
      b.table32(HOWTO, 1);
      b.table32(HOWTO + 8, size);
      b.table32(PATCH, 1);
      if (size == 1 || size == 2 || size == 4 || size == 8) good();
      else refused(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
    }
    begin();
    b.table32(HOWTO, 1);
    b.table32(HOWTO + 8, 8);
    b.table32(HOWTO + 12, 64);
    b.table32(PATCH, 1);
    refused(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO);
  });
});

describe("structures", () => {
  it("may lie in any loaded section (R66)", () => {
    begin();
    b.at(b.tables).flags = A;
    good();
  });
});
