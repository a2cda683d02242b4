// hv/image_file: each defect of an image's file has its own reason, and changes nothing.

import { EINVAL, EOPNOTSUPP } from "../../../assembly/abi";
import { count_frames, OWNER_FREE } from "../../../assembly/hv/frames";
import { wipe_machine } from "../../../assembly/hv/boot";
import { check_image_file, image_file } from "../../../assembly/hv/image_file";
import { NR_FRAMES } from "../../../assembly/hv/layout";
import { refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_ELF_SECTION,
  PLACE_ELF_SEGMENT,
  PLACE_ELF_SYMBOL,
  REASON_ELF_HEADER,
  REASON_ELF_MAGIC,
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
  REASON_ELF_UNSUPPORTED_TYPE,
  REASON_ELF_UNSUPPORTED_VERSION,
  REASON_IMAGE,
  STEP_BOOT,
} from "../../../assembly/reasons";
import { ImageBuilder, small_image, TEXT_VA } from "../support/image_builder";

let b: ImageBuilder = new ImageBuilder();

/** Boots the spoilt file: `reason` is given, and the machine is as empty as before. */
function refused(reason: u32, errno: i32 = EINVAL): void {
  expect<i32>(b.boot()).toBe(-errno);
  expect<u32>(refusal().reason).toBe(reason);
  expect<i32>(refusal().errno).toBe(errno);
  expect<u32>(refusal().step).toBe(STEP_BOOT);
  expect<u32>(count_frames(OWNER_FREE)).toBe(<u32>NR_FRAMES);
}

describe("an image's file", () => {
  beforeEach(() => {
    wipe_machine();
    b = small_image();
    b.build();
  });

  it("passes when it is well-formed", () => {
    expect<i32>(check_image_file(b.elf.file_off, b.elf.file_size)).toBe(0);
    expect<u64>(image_file().lo_va).toBe(TEXT_VA);
  });

  it("cut at any length is refused without a trap", () => {
    const size = b.elf.file_size;
    for (let cut: u32 = 0; cut < size; cut += 7) {
      b.elf.file_size = cut;
      expect<i32>(b.boot()).toBe(-EINVAL);
    }
    b.elf.file_size = 63;
    refused(REASON_ELF_TRUNCATED);
  });

  it("says what is wrong with the header", () => {
    const at = b.elf.file_off;
    store<u8>(at, 0x7e);
    refused(REASON_ELF_MAGIC);
    store<u8>(at, 0x7f);
    store<u8>(at, 1, 4);
    refused(REASON_ELF_UNSUPPORTED_CLASS, EOPNOTSUPP);
    store<u8>(at, 2, 4);
    b.ehdr().e_version = 2;
    refused(REASON_ELF_UNSUPPORTED_VERSION, EOPNOTSUPP);
    b.ehdr().e_version = 1;
    b.ehdr().e_machine = 183;
    refused(REASON_ELF_UNSUPPORTED_MACHINE, EOPNOTSUPP);
    b.ehdr().e_machine = 62;
    b.ehdr().e_type = 1;
    refused(REASON_ELF_UNSUPPORTED_TYPE, EOPNOTSUPP);
    b.ehdr().e_type = 3;
    expect<i32>(b.boot()).toBe(0, "ET_DYN linked to its addresses");
  });

  it("refuses program headers that are not there", () => {
    b.ehdr().e_phentsize = 32;
    refused(REASON_ELF_HEADER);
    b.ehdr().e_phentsize = 56;
    b.ehdr().e_phoff = u64.MAX_VALUE - 8;
    refused(REASON_ELF_TRUNCATED);
    expect<u32>(refusal().place).toBe(PLACE_ELF_SEGMENT);
    b.ehdr().e_phoff = b.phdrs;
    b.ehdr().e_phnum = 0xffff;
    refused(REASON_ELF_TRUNCATED);
  });

  it("refuses segments outside the file, wrapping, descending, or in the wrong place", () => {
    b.phdr(1).p_offset = b.elf.file_size - 3;
    refused(REASON_ELF_TRUNCATED);
    expect<u32>(refusal().index).toBe(1);
    b.phdr(1).p_offset = 0;
    b.phdr(1).p_filesz = b.phdr(1).p_memsz + 1;
    refused(REASON_ELF_SEGMENT);
    b.phdr(1).p_filesz = 8;
    b.phdr(1).p_memsz = u64.MAX_VALUE;
    refused(REASON_IMAGE);
    b.phdr(1).p_memsz = 0x100000000;
    refused(REASON_ELF_SEGMENT);
    b.phdr(1).p_memsz = 8;
    b.phdr(1).p_vaddr = TEXT_VA;
    refused(REASON_ELF_SEGMENT);
    b.phdr(1).p_vaddr = 0x400000;
    refused(REASON_IMAGE);
    expect<u64>(refusal().va).toBe(0x400000);
    b.phdr(1).p_vaddr = 0xffff830000004000;
    refused(REASON_IMAGE);
    b.phdr(1).p_vaddr = u64.MAX_VALUE - 4;
    refused(REASON_IMAGE);
  });

  it("refuses a file with nothing to load", () => {
    for (let i: u32 = 0; i < 4; i++) b.phdr(i).p_type = 6;
    refused(REASON_ELF_SEGMENT);
  });

  it("refuses section headers that do not add up", () => {
    b.ehdr().e_shentsize = 40;
    refused(REASON_ELF_SECTION_TABLE);
    b.ehdr().e_shentsize = 64;
    b.ehdr().e_shstrndx = b.ehdr().e_shnum;
    refused(REASON_ELF_SECTION_TABLE);
    b.ehdr().e_shstrndx = 1;
    refused(REASON_ELF_STRING_TABLE);
    b.ehdr().e_shstrndx = b.ehdr().e_shnum - 1;
    b.shdr(2).sh_offset = u64.MAX_VALUE - 3;
    refused(REASON_ELF_SECTION_BOUNDS);
    expect<u32>(refusal().place).toBe(PLACE_ELF_SECTION);
    expect<u32>(refusal().index).toBe(2);
    b.shdr(2).sh_offset = 64;
    b.shdr(3).sh_name = 0x7fffffff;
    refused(REASON_ELF_SECTION_NAME);
  });

  it("refuses allocated sections that overlap", () => {
    b.shdr(2).sh_addr = TEXT_VA + 4;
    refused(REASON_ELF_SECTION_TABLE);
  });

  it("refuses symbol tables that do not add up", () => {
    const symtab = b.symtab();
    symtab.sh_entsize = 16;
    refused(REASON_ELF_SYMBOL_TABLE);
    symtab.sh_entsize = 24;
    symtab.sh_size -= 1;
    refused(REASON_ELF_SYMBOL_TABLE);
    symtab.sh_size += 1;
    const link = symtab.sh_link;
    symtab.sh_link = 0xffff;
    refused(REASON_ELF_SYMBOL_TABLE);
    symtab.sh_link = 1;
    refused(REASON_ELF_STRING_TABLE);
    symtab.sh_link = link;
    const strings = b.shdr(link);
    strings.sh_size -= 1;
    refused(REASON_ELF_STRING_TABLE);
    strings.sh_size += 1;
    store<u32>(b.elf.file_off + <usize>symtab.sh_offset + 24 * 3, 0x10000000);
    refused(REASON_ELF_SYMBOL);
    expect<u32>(refusal().place).toBe(PLACE_ELF_SYMBOL);
    expect<u32>(refusal().index).toBe(3);
    symtab.sh_type = 1;
    refused(REASON_ELF_SYMBOL_TABLE);
  });
});
