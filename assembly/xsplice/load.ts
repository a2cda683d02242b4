// From the bytes of a file to a payload in memory. A list of passes, each 0 or -errno with a
// refusal; between them, what is true from there on. Specification: RFC "Design of payload
// format"; requirements A2-A4, R217, R225.
//
// Build aside, then commit: everything up to the last pass happens in the payload's own frames,
// which nobody else can see. A failure anywhere gives back all of it; the machine is as it was.

import { ENOMEM } from "../abi";
import { free_frames } from "../hv/frames";
import { register_extable, unregister_extable } from "../hv/extable";
import { refuse } from "../hv/refusal";
import { REASON_NO_MEMORY } from "../reasons";
import { close_elf, elf_file, ElfFile, open_work } from "./elf";
import {
  check_extent,
  check_header,
  check_reloc_tables,
  check_section_names,
  check_sections,
  check_symbol_names,
  check_symbol_table,
  check_symbols,
} from "./elf_check";
import { sort_extable } from "./extable";
import { keep_initial } from "./initial";
import { find_own_build_id } from "./notes";
import { Payload } from "./payload";
import { keep_symbols } from "./payload_symbols";
import { classify_sections, copy_sections, place_sections } from "./place";
import { relocate } from "./reloc";
import { resolve_symbols } from "./resolve";
import { check_root, find_root } from "./root";
import { map_payload, unmap_payload } from "./secure";
import { check_signature } from "./signature";

function passes(e: ElfFile, p: Payload, domain: i32): i32 {
  let rc = check_header(e);
  if (rc != 0) return rc;
  rc = check_extent(e);
  if (rc != 0) return rc;
  // The file is an x86-64 object, and it is known where it ends.
  rc = check_signature(e, p, domain);
  if (rc != 0) return rc;
  // What follows the object is its signature, and that is good; or nothing, and that is allowed.
  rc = check_tables(e);
  if (rc != 0) return rc;
  // Every table is inside the file, every name ends, every index has its entry.
  rc = find_root(e);
  if (rc != 0) return rc;
  // There is exactly one struct xsplice, of the right size.
  return build(e, p);
}

function check_tables(e: ElfFile): i32 {
  let rc = check_section_names(e);
  if (rc != 0) return rc;
  rc = check_sections(e);
  if (rc != 0) return rc;
  rc = check_symbol_table(e);
  if (rc != 0) return rc;
  rc = check_symbol_names(e);
  if (rc != 0) return rc;
  rc = check_symbols(e);
  if (rc != 0) return rc;
  return check_reloc_tables(e);
}

function build(e: ElfFile, p: Payload): i32 {
  if (!open_work(e)) return refuse(ENOMEM, REASON_NO_MEMORY);
  let rc = classify_sections(e, p);
  if (rc != 0) return rc;
  rc = place_sections(e, p);
  if (rc != 0) return rc;
  // Every loaded section has an address that nothing else has.
  rc = copy_sections(e);
  if (rc != 0) return rc;
  rc = resolve_symbols(e);
  if (rc != 0) return rc;
  // No symbol is undefined.
  rc = relocate(e);
  if (rc != 0) return rc;
  // The bytes in memory are final, apart from the order of the exception table.
  rc = check_root(e, p);
  if (rc != 0) return rc;
  // Every pointer in the structures leads into the payload, every count has its array.
  rc = sort_extable(e, p);
  if (rc != 0) return rc;
  rc = find_own_build_id(e, p);
  if (rc != 0) return rc;
  rc = keep_symbols(e, p);
  if (rc != 0) return rc;
  rc = keep_initial(p);
  if (rc != 0) return rc;
  // Nothing is left to fail but the page tables.
  rc = map_payload(p);
  if (rc != 0) return rc;
  if (p.extable_va != 0) register_extable(p.slot, p.extable_va, p.extable_end_va);
  return 0;
}

/** Gives back what the loader took; the fields say what that is. */
function free_parts(p: Payload): void {
  free_frames(p.mem_off, p.mem_pages);
  free_frames(p.initial_off, p.initial_pages);
  free_frames(p.symbols_off, p.symbols_pages);
  p.mem_off = 0;
  p.mem_pages = 0;
  p.initial_off = 0;
  p.initial_pages = 0;
  p.symbols_off = 0;
  p.symbols_count = 0;
  p.symbols_pages = 0;
}

/**
 * Loads the RFC's payload of `size` bytes at linear `raw_off` for `p`, a claimed record that has
 * its id. 0: the loader's fields of `p` are set and its memory is mapped. Otherwise -errno, the
 * refusal says why, and nothing is left behind; -EAGAIN: the firmware is still at the signature.
 */
export function load_payload(raw_off: usize, size: usize, p: Payload, domain: i32): i32 {
  const e = elf_file();
  memory.fill(changetype<usize>(e), 0, offsetof<ElfFile>());
  e.file_off = raw_off;
  e.file_size = <u32>size;
  const rc = passes(e, p, domain);
  close_elf(e);
  if (rc != 0) free_parts(p);
  return rc;
}

/** Undoes a successful load: UNLOAD, or an upload that failed after it. */
export function unload_payload(p: Payload): void {
  if (p.extable_va != 0) unregister_extable(p.slot);
  unmap_payload(p);
  free_parts(p);
}
