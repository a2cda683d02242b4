// The relocation pass of the payload loader, alone, on a million entries: the very code of
// assembly/xsplice/reloc.ts, compiled as the core is, over tables that are made here. The
// counterpart is bench/native/relocations.c; both make the same tables and must end with the same
// bytes.

import "../../assembly/hv/panic";
import {
  RELA_SIZE,
  SHDR_SIZE,
  SHF_ALLOC,
  SHT_PROGBITS,
  SHT_RELA,
  Shdr,
} from "../../assembly/hv/elf";
import { FRAMES_OFF } from "../../assembly/hv/layout";
import {
  ElfFile,
  elf_file,
  R_X86_64_64,
  R_X86_64_PC32,
  R_X86_64_PLT32,
  section_place,
} from "../../assembly/xsplice/elf";
import { relocate } from "../../assembly/xsplice/reloc";

const TARGET_VA: u64 = 0xffff82d080400000;
const SYMBOLS: u32 = 16384;

let state: u64 = 0;
let target_off: usize = 0;
let target_size: usize = 0;

function random(): u64 {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/** Three fifths belong to code, where calls (PLT32) and references to data (PC32) alternate without
 *  a pattern; two fifths to data, pointers all of them. */
function type_of(i: u32, count: u32, r: u64): u32 {
  if (i >= (count / 5) * 3) return R_X86_64_64;
  return (r & 1) == 0 ? R_X86_64_PC32 : R_X86_64_PLT32;
}

export function prepare(count: u32): void {
  const e = elf_file();
  memory.fill(changetype<usize>(e), 0, offsetof<ElfFile>());
  state = 0x9e3779b97f4a7c15;
  e.file_off = FRAMES_OFF;
  e.sections_off = FRAMES_OFF;
  e.sections_stride = <u32>SHDR_SIZE;
  e.shnum = 3;
  e.places_off = FRAMES_OFF + 1024;
  e.values_off = FRAMES_OFF + 4096;
  e.nsyms = SYMBOLS;
  const rela_off = e.values_off + ((<usize>SYMBOLS) << 3);
  target_off = rela_off + <usize>count * RELA_SIZE;
  target_size = <usize>count * 8;
  for (let i: u32 = 0; i < SYMBOLS; i++) {
    store<u64>(e.values_off + ((<usize>i) << 3), TARGET_VA + (random() & 0x3ffffff));
  }
  for (let i: u32 = 0; i < count; i++) {
    const at = rela_off + <usize>i * RELA_SIZE;
    const r = random();
    store<u64>(at, <u64>i * 8);
    store<u64>(at, ((((r >> 8) % (SYMBOLS - 1)) + 1) << 32) | <u64>type_of(i, count, r), 8);
    store<u64>(at, (r >> 40) & 0xff, 16);
  }
  const target = changetype<Shdr>(e.sections_off + SHDR_SIZE);
  target.sh_type = SHT_PROGBITS;
  target.sh_flags = SHF_ALLOC;
  target.sh_size = <u64>target_size;
  const table = changetype<Shdr>(e.sections_off + 2 * SHDR_SIZE);
  table.sh_type = SHT_RELA;
  table.sh_offset = <u64>(rela_off - e.file_off);
  table.sh_size = <u64>count * <u64>RELA_SIZE;
  table.sh_entsize = <u64>RELA_SIZE;
  table.sh_info = 1;
  section_place(e, 1).mem_off = target_off;
  section_place(e, 1).va = TARGET_VA;
}

/** The pass, `times` times over. 0, or its refusal. */
export function run(times: u32): i32 {
  for (let i: u32 = 0; i < times; i++) {
    const rc = relocate(elf_file());
    if (rc != 0) return rc;
  }
  return 0;
}

/** FNV-1a over the words of the target. */
export function checksum(): u64 {
  let hash: u64 = 0xcbf29ce484222325;
  for (let at: usize = 0; at < target_size; at += 8) {
    hash = (hash ^ load<u64>(target_off + at)) * 0x100000001b3;
  }
  return hash;
}
