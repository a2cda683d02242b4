// The segments of the checked image: mapped where they were linked to and copied into frames. Also
// what else of the image is needed by name: Xen's own symbols, and the build-id note.

import { ENOMEM, PERM_R } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import { NT_GNU_BUILD_ID, PT_LOAD, phdr_at } from "./elf";
import { alloc_frames, OWNER_IMAGE } from "./frames";
import { BUILD_ID_MAX, BUILD_ID_OFF, header, Header } from "./header";
import { ImageFile } from "./image_file";
import { peek_off, poke } from "./mem";
import { desc_len, desc_off, desc_va, find_note } from "./notes";
import { map_pages } from "./pages";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refuse } from "./refusal";
import { find_symbol, match_count, symbol } from "./symbols";
import { ascii } from "./text";

const PAGE_MASK: u64 = ~(<u64>PAGE_SIZE - 1);


@inline
function page_up(va: u64): u64 {
  return (va + (PAGE_SIZE - 1)) & PAGE_MASK;
}

function map_run(lo_va: u64, hi_va: u64): bool {
  const count = <u32>((hi_va - lo_va) >> PAGE_SHIFT);
  const off = alloc_frames(count, OWNER_IMAGE);
  return off != 0 && map_pages(<usize>header().hv_root, lo_va, off, count, PERM_R);
}

/** Maps the pages of all segments, adjacent ones in adjacent frames, still read-only. */
export function map_image(f: ImageFile): i32 {
  let lo: u64 = 0;
  let hi: u64 = 0;
  for (let i: u32 = 0; i < f.phnum; i++) {
    const p = phdr_at(f.phdrs, i);
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    const first = p.p_vaddr & PAGE_MASK;
    if (hi != 0 && first > hi) {
      if (!map_run(lo, hi)) return refuse(ENOMEM, REASON_NO_MEMORY);
      lo = first;
    }
    if (hi == 0) lo = first;
    hi = page_up(p.p_vaddr + p.p_memsz);
  }
  return map_run(lo, hi) ? 0 : refuse(ENOMEM, REASON_NO_MEMORY);
}

/** Copies into mapped pages whatever their permissions. */
function place(va: u64, from: usize, len: u64): void {
  while (len != 0) {
    const run = min<u64>(PAGE_SIZE - (va & (PAGE_SIZE - 1)), len);
    memory.copy(peek_off(va), from, <usize>run);
    va += run;
    from += <usize>run;
    len -= run;
  }
}

export function copy_segments(f: ImageFile): void {
  for (let i: u32 = 0; i < f.phnum; i++) {
    const p = phdr_at(f.phdrs, i);
    if (p.p_type == PT_LOAD) place(p.p_vaddr, f.off + <usize>p.p_offset, p.p_filesz);
  }
}

/** Address of the image's own unambiguous symbol, 0 when it has none. */
export function known_symbol(name: string): u64 {
  const index = find_symbol(ascii(name), <usize>name.length);
  return index < 0 || match_count() != 1 ? 0 : symbol(index).va;
}

/**
 * Tells the image its own id, as Xen's version.c finds it out while it boots (livepatch-today 7.4):
 *  where it is and how long. What is handed over lies in the note that was found. */
function tell_build_id(): void {
  const pointer = known_symbol("common/version.c#build_id_p");
  const length = known_symbol("common/version.c#build_id_len");
  if (pointer == 0 || length == 0) return;
  const h = changetype<usize>(header());
  poke(pointer, h + offsetof<Header>("build_id_va"), 8);
  poke(length, h + offsetof<Header>("build_id_len"), 4);
}

/** Finds the image's build-id, and keeps it. */
export function find_build_id(f: ImageFile): void {
  if (!find_note(f, "GNU", NT_GNU_BUILD_ID, BUILD_ID_MAX)) return;
  header().build_id_len = desc_len;
  header().build_id_va = desc_va;
  memory.copy(BUILD_ID_OFF, desc_off, <usize>desc_len);
  tell_build_id();
}
