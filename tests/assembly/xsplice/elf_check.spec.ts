// xsplice/elf_check: one refusal per predicate, in order (R65, R225; D2 `elf-*`). Every case
// spoils one field of a good file and must leave the machine as it was.

import { EINVAL, EOPNOTSUPP } from "../../../assembly/abi";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_ELF_HEADER,
  PLACE_ELF_SECTION,
  PLACE_ELF_SYMBOL,
  REASON_ELF_HEADER,
  REASON_ELF_MAGIC,
  REASON_ELF_RELOC_TABLE,
  REASON_ELF_SECTION_ALIGN,
  REASON_ELF_SECTION_BOUNDS,
  REASON_ELF_SECTION_NAME,
  REASON_ELF_SECTION_TABLE,
  REASON_ELF_SEGMENT,
  REASON_ELF_STRING_TABLE,
  REASON_ELF_SYMBOL,
  REASON_ELF_SYMBOL_TABLE,
  REASON_ELF_TRUNCATED,
  REASON_ELF_UNSUPPORTED_CLASS,
  REASON_ELF_UNSUPPORTED_MACHINE,
  REASON_ELF_UNSUPPORTED_RELOC,
  REASON_ELF_UNSUPPORTED_SECTION,
  REASON_ELF_UNSUPPORTED_SYMBOL,
  REASON_ELF_UNSUPPORTED_TYPE,
  REASON_ELF_UNSUPPORTED_VERSION,
  REASON_ELF_UNSUPPORTED_WX,
  REASON_NAME_LENGTH,
  REASON_NO_MEMORY,
} from "../../../assembly/reasons";
import { claim, load_file, machine_hash, reset_machine } from "../support/bare_machine";
import { Sample } from "../support/sample_payload";

let b: Sample = new Sample();

/** Loads `b`, which must be refused with this errno and reason and leave nothing behind. */
function refused(errno: i32, reason: u32): void {
  const p = claim("bad");
  const before = machine_hash(128);
  expect<i32>(load_file(b, p)).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
  expect<u64>(machine_hash(128)).toBe(before);
}

function header32(offset: u32, value: u32, errno: i32, reason: u32): void {
  reset_machine();
  b = new Sample();
  b.build();
  store<u32>(b.file_off + offset, value);
  refused(errno, reason);
  expect<u32>(refusal().place).toBe(PLACE_ELF_HEADER);
}

function header16(offset: u32, value: u32, errno: i32, reason: u32): void {
  reset_machine();
  b = new Sample();
  b.build();
  store<u16>(b.file_off + offset, <u16>value);
  refused(errno, reason);
  expect<u32>(refusal().place).toBe(PLACE_ELF_HEADER);
}

/** Spoils a u64 of the header of section `index`. */
function section64(index: u32, field: u32, value: u64, errno: i32, reason: u32): void {
  store<u64>(b.header_off(index) + field, value);
  refused(errno, reason);
}
function section32(index: u32, field: u32, value: u32, errno: i32, reason: u32): void {
  store<u32>(b.header_off(index) + field, value);
  refused(errno, reason);
}

const SH_NAME: u32 = 0;
const SH_TYPE: u32 = 4;
const SH_FLAGS: u32 = 8;
const SH_ADDR: u32 = 16;
const SH_OFFSET: u32 = 24;
const SH_SIZE: u32 = 32;
const SH_LINK: u32 = 40;
const SH_INFO: u32 = 44;
const SH_ALIGN: u32 = 48;
const SH_ENTSIZE: u32 = 56;

function fresh(): void {
  reset_machine();
  b = new Sample();
  b.build();
}

describe("elf header", () => {
  it("is there at all", () => {
    for (let size: u32 = 0; size < 64; size += 21) {
      fresh();
      b.file_size = size;
      refused(EINVAL, REASON_ELF_TRUNCATED);
    }
  });
  it("begins with the magic", () => header32(0, 0x464c457e, EINVAL, REASON_ELF_MAGIC));
  it("says 64 bits", () => header32(4, 0x00010101, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS));
  it("says little-endian", () => header32(4, 0x00010202, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_CLASS));
  it("has version 1", () => {
    header32(4, 0x00000102, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION);
    header32(20, 2, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION);
  });
  it("has a plain ABI", () => {
    header32(4, 0x06010102, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION);
    header32(8, 1, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_VERSION);
  });
  it("is of a relocatable object", () => {
    header16(16, 2, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE);
    header16(16, 3, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_TYPE);
  });
  it("is for x86-64", () => header16(18, 3, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_MACHINE));
  it("has its own size", () => header16(52, 63, EINVAL, REASON_ELF_HEADER));
  it("has no segments", () => header16(56, 1, EINVAL, REASON_ELF_SEGMENT));
  it("has a section table of 64-byte entries", () => {
    header16(58, 0, EINVAL, REASON_ELF_SECTION_TABLE);
    header16(58, 63, EINVAL, REASON_ELF_SECTION_TABLE);
    header16(58, 65, EINVAL, REASON_ELF_SECTION_TABLE);
  });
  it("has a section table inside the file", () => {
    header16(60, 0, EINVAL, REASON_ELF_SECTION_TABLE);
    header16(60, 0xff00, EINVAL, REASON_ELF_SECTION_TABLE);
    header16(60, 0x7fff, EINVAL, REASON_ELF_SECTION_TABLE);
    header32(40, 8, EINVAL, REASON_ELF_SECTION_TABLE);
    header32(44, 0xffffffff, EINVAL, REASON_ELF_SECTION_TABLE);
    fresh();
    store<u64>(b.file_off, <u64>-64, 40); // table end would wrap to a small number
    refused(EINVAL, REASON_ELF_SECTION_TABLE);
  });
  it("names a section for the names", () => {
    header16(62, 0, EINVAL, REASON_ELF_SECTION_TABLE);
    header16(62, 0xfff0, EINVAL, REASON_ELF_SECTION_TABLE);
  });
});

describe("elf sections", () => {
  beforeEach(fresh);

  it("end inside the file", () => {
    section64(b.text, SH_SIZE, b.file_size, EINVAL, REASON_ELF_SECTION_BOUNDS);
    expect<u32>(refusal().place).toBe(PLACE_ELF_SECTION);
    expect<u32>(refusal().index).toBe(b.text);
  });
  it("begin inside the file", () => {
    section64(b.text, SH_OFFSET, b.file_size + 1, EINVAL, REASON_ELF_SECTION_BOUNDS);
  });
  it("begin behind the ELF header", () => {
    section64(b.text, SH_OFFSET, 0, EINVAL, REASON_ELF_SECTION_BOUNDS);
  });
  it("do not wrap", () => {
    section64(b.text, SH_OFFSET, <u64>-16, EINVAL, REASON_ELF_SECTION_BOUNDS);
  });
  it("do not wrap by their size", () => {
    section64(b.text, SH_SIZE, <u64>-64, EINVAL, REASON_ELF_SECTION_BOUNDS);
  });
  it("have names inside the table of names", () => {
    section32(b.text, SH_NAME, 0x10000, EINVAL, REASON_ELF_SECTION_NAME);
  });
  it("have names that end", () => {
    const strings = <u32>b.sections.length - 1;
    store<u8>(b.bytes_off(strings) + <usize>b.at(strings).size() - 1, 0x41);
    refused(EINVAL, REASON_ELF_STRING_TABLE);
  });
  it("have names from a string table", () => {
    section32(<u32>b.sections.length - 1, SH_TYPE, 1, EINVAL, REASON_ELF_STRING_TABLE);
  });
  it("are aligned to a power of two", () => {
    section64(b.text, SH_ALIGN, 24, EINVAL, REASON_ELF_SECTION_ALIGN);
  });
  it("keep their alignment in sh_addr", () => {
    section64(b.text, SH_ADDR, 8, EINVAL, REASON_ELF_SECTION_ALIGN);
  });
  it("are aligned to a page at most", () => {
    section64(b.text, SH_ALIGN, 8192, EOPNOTSUPP, REASON_ELF_SECTION_ALIGN);
  });
  it("may have alignment 0, which means none", () => {
    store<u64>(b.header_off(b.text) + SH_ALIGN, 0);
    expect<i32>(load_file(b, claim("good"))).toBe(0);
  });
  it("are not compressed or per thread", () => {
    section64(b.text, SH_FLAGS, 0x802, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SECTION);
  });
  it("are not writable and executable (R217)", () => {
    section64(b.text, SH_FLAGS, 7, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_WX);
  });
  it("fit into memory (c1d255584c)", () => {
    store<u32>(b.header_off(b.text) + SH_TYPE, 8);
    section64(b.text, SH_SIZE, 0x40000000, 12, REASON_NO_MEMORY);
  });
  it("fit into memory even if sums wrap", () => {
    store<u32>(b.header_off(b.text) + SH_TYPE, 8);
    section64(b.text, SH_SIZE, <u64>-1, 12, REASON_NO_MEMORY);
  });
});

describe("elf symbols", () => {
  beforeEach(fresh);

  it("are one table, not none", () => {
    section32(b.symtab, SH_TYPE, 1, EINVAL, REASON_ELF_SYMBOL_TABLE);
  });
  it("are one table, not two", () => {
    section32(b.text, SH_TYPE, 2, EINVAL, REASON_ELF_SYMBOL_TABLE);
  });
  it("have 24-byte entries", () => {
    section64(b.symtab, SH_ENTSIZE, 0, EINVAL, REASON_ELF_SYMBOL_TABLE);
  });
  it("are whole entries", () => {
    section64(b.symtab, SH_SIZE, 25, EINVAL, REASON_ELF_SYMBOL_TABLE);
  });
  it("are linked to a section", () => {
    section32(b.symtab, SH_LINK, 0x1000, EINVAL, REASON_ELF_SYMBOL_TABLE);
  });
  it("are linked to a string table", () => {
    section32(b.symtab, SH_LINK, b.text, EINVAL, REASON_ELF_STRING_TABLE);
  });
  it("have names inside it", () => {
    store<u32>(b.bytes_off(b.symtab) + 24, 0x10000);
    refused(EINVAL, REASON_ELF_SYMBOL);
    expect<u32>(refusal().place).toBe(PLACE_ELF_SYMBOL);
    expect<u32>(refusal().index).toBe(1);
  });
  it("are not common blocks", () => {
    store<u16>(b.bytes_off(b.symtab) + 24, 0xfff2, 6);
    refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SYMBOL);
  });
  it("are not of another reserved section", () => {
    store<u16>(b.bytes_off(b.symtab) + 24, 0xffff, 6);
    refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SYMBOL);
  });
  it("are not indirect functions", () => {
    store<u8>(b.bytes_off(b.symtab) + 24, 0x1a, 4);
    refused(EOPNOTSUPP, REASON_ELF_UNSUPPORTED_SYMBOL);
  });
  it("are in a section that exists", () => {
    store<u16>(b.bytes_off(b.symtab) + 24, 0x100, 6);
    refused(EINVAL, REASON_ELF_SYMBOL);
  });
  it("are inside their section", () => {
    store<u64>(b.bytes_off(b.symtab) + 24, 33, 8);
    refused(EINVAL, REASON_ELF_SYMBOL);
  });
});

describe("elf names", () => {
  it("are of bearable length", () => {
    reset_machine();
    b = new Sample();
    b.symbol("n".repeat(1023), b.text, 0);
    b.build();
    expect<i32>(load_file(b, claim("good"))).toBe(0);
    b = new Sample();
    b.symbol("n".repeat(1024), b.text, 0);
    b.build();
    refused(EINVAL, REASON_NAME_LENGTH);
  });
});

describe("elf relocation tables", () => {
  beforeEach(fresh);

  it("are linked to the symbols", () => {
    section32(b.tables + 2, SH_LINK, 1, EINVAL, REASON_ELF_RELOC_TABLE);
  });
  it("have a target", () => {
    section32(b.tables + 2, SH_INFO, 0, EINVAL, REASON_ELF_RELOC_TABLE);
  });
  it("have a target that exists", () => {
    section32(b.tables + 2, SH_INFO, 99, EINVAL, REASON_ELF_RELOC_TABLE);
  });
  it("have 24-byte entries", () => {
    section64(b.tables + 2, SH_ENTSIZE, 16, EINVAL, REASON_ELF_RELOC_TABLE);
  });
  it("are whole entries", () => {
    section64(b.tables + 2, SH_SIZE, 23, EINVAL, REASON_ELF_RELOC_TABLE);
  });
  it("have addends", () => {
    section32(b.tables + 2, SH_TYPE, 9, EOPNOTSUPP, REASON_ELF_UNSUPPORTED_RELOC);
  });
  it("may be broken where nothing is loaded", () => {
    store<u64>(b.header_off(b.root) + SH_FLAGS, 3);
    const junk = new Sample();
    b = junk;
    const debug = b.add(".debug_info", 1, 0);
    b.at(debug).zeros(8);
    const table = b.rela(debug, 0, 1, 1);
    b.build();
    store<u64>(b.header_off(table) + SH_ENTSIZE, 7);
    expect<i32>(load_file(b, claim("good"))).toBe(0);
  });
});
