// Was this payload built for another hypervisor? Asked before the payload is relocated, when a
// symbol could not be found: then the build, not the symbol, is what the user has to look at
// (A14). The hypervisor's id is found through the ELF file itself: the relocation of
// `xsplice.id`, offset 16 of the root section, names the string. The verdict that counts is
// CHECK's (R24, K6); this is a hint, so whatever is unusual here means "cannot tell".

import { Rela, RELA_SIZE, SHN_LORESERVE, SHT_NOBITS, SHT_RELA } from "../hv/elf";
import { BUILD_ID_OFF, header } from "../hv/header";
import { R_X86_64_64, ElfFile, section, section_bytes, symbol } from "./elf";

const ID_FIELD: u64 = 16;
const ID_SIZE_FIELD: usize = 24;

/** Relocation of the root section's id field; an overlay at 0 when there is none. */
function find_id_rela(e: ElfFile): Rela {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const t = section(e, i);
    if (t.sh_type != SHT_RELA || t.sh_info != e.root || t.sh_size == 0) continue;
    const first = section_bytes(e, t);
    const stride = max<usize>(<usize>t.sh_entsize, RELA_SIZE);
    for (let at: usize = 0; at + RELA_SIZE <= <usize>t.sh_size; at += stride) {
      const r = changetype<Rela>(first + at);
      if (r.r_offset == ID_FIELD && r.type == R_X86_64_64) return r;
    }
  }
  return changetype<Rela>(0);
}

function hex_digit(c: u32): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function same_bytes(off: usize, len: u32): bool {
  return len == header().build_id_len && memory.compare(off, BUILD_ID_OFF, len) == 0;
}

/** 1 the same, 0 another, -1 not hexadecimal: a version string, which only CHECK can judge. */
function same_text(off: usize, len: u32): i32 {
  if (len == 0 || (len & 1) != 0) return -1;
  let same = len == 2 * header().build_id_len;
  for (let i: u32 = 0; i < len; i += 2) {
    const high = hex_digit(load<u8>(off + i));
    const low = hex_digit(load<u8>(off + i + 1));
    if (high < 0 || low < 0) return -1;
    if (same && load<u8>(BUILD_ID_OFF + (i >> 1)) != <u8>((high << 4) | low)) same = false;
  }
  return same ? 1 : 0;
}

/**
 * True when the payload names another build. Copies up to `limit` bytes of its id to `to_off`
 * then.
 */
export function other_build(e: ElfFile, to_off: usize, limit: usize): bool {
  if (header().build_id_len == 0 || e.root == 0) return false;
  const r = find_id_rela(e);
  if (changetype<usize>(r) == 0 || r.sym == 0 || r.sym >= e.nsyms) return false;
  const s = symbol(e, r.sym);
  if (s.st_shndx == 0 || s.st_shndx >= SHN_LORESERVE || <u32>s.st_shndx >= e.shnum) return false;
  const holder = section(e, s.st_shndx);
  const root = section(e, e.root);
  if (holder.sh_type == SHT_NOBITS || root.sh_type == SHT_NOBITS) return false;
  const at = s.st_value + <u64>r.r_addend;
  if (at >= holder.sh_size) return false;
  const off = section_bytes(e, holder) + <usize>at;
  const room = <u32>(holder.sh_size - at);
  const id_size = load<u32>(section_bytes(e, root) + ID_SIZE_FIELD);
  let len: u32 = 0;
  let other = false;
  if (id_size != 0) {
    len = id_size;
    if (len > room) return false;
    other = !same_bytes(off, len) && same_text(off, len) != 1;
  } else {
    while (len < room && load<u8>(off + len) != 0) len++;
    other = same_text(off, len) == 0;
  }
  if (other) memory.copy(to_off, off, min<usize>(len, limit));
  return other;
}
