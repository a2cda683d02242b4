// Notes of the image's file (gABI, ch. 5): found by owner and type, in a note segment or else in a
// note section.

import { Nhdr, NHDR_SIZE, PT_NOTE, SHT_NOTE, phdr_at, shdr_at } from "./elf";
import { ImageFile } from "./image_file";
import { is_text } from "./text";

// What the last search found: the description in the file, where it is mapped, and its size.
export let desc_off: usize = 0;
export let desc_va: u64 = 0;
export let desc_len: u32 = 0;

/** Looks among the notes at `off`, `size` bytes that are mapped at `va`. */
function search(off: usize, size: u64, va: u64, owner: string, type: u32, max: u32): bool {
  let at: u64 = 0;
  while (size - at >= NHDR_SIZE) {
    const note = changetype<Nhdr>(off + <usize>at);
    const name = off + <usize>at + NHDR_SIZE;
    const desc = at + NHDR_SIZE + ((<u64>note.n_namesz + 3) & ~3);
    const next = desc + ((<u64>note.n_descsz + 3) & ~3);
    if (desc > size || <u64>note.n_descsz > size - desc) return false;
    const owned = <i32>note.n_namesz == owner.length + 1 && is_text(name, note.n_namesz, owner);
    if (owned && note.n_type == type && note.n_descsz != 0 && note.n_descsz <= max) {
      desc_off = off + <usize>desc;
      desc_va = va + desc;
      desc_len = note.n_descsz;
      return true;
    }
    if (next >= size) return false;
    at = next;
  }
  return false;
}

/** Finds the first note of `owner` and `type` that says something, at most `max` bytes. */
export function find_note(f: ImageFile, owner: string, type: u32, max: u32): bool {
  for (let i: u32 = 0; i < f.phnum; i++) {
    const p = phdr_at(f.phdrs, i);
    if (p.p_type != PT_NOTE || p.p_offset > f.size || p.p_filesz > f.size - p.p_offset) continue;
    if (search(f.off + <usize>p.p_offset, p.p_filesz, p.p_vaddr, owner, type, max)) return true;
  }
  for (let i: u32 = 1; i < f.shnum; i++) {
    const s = shdr_at(f.shdrs, i);
    if (s.sh_type != SHT_NOTE) continue;
    if (search(f.off + <usize>s.sh_offset, s.sh_size, s.sh_addr, owner, type, max)) return true;
  }
  return false;
}
