// The symbols that a loaded payload keeps: for payloads that come after it (undefined names are
// looked up here once the image does not know them), and for everybody who wants an address to
// have a name: traces, disassembly, refusals (R196; a57b4074ab: from upload on, not from apply).
// In frames of their own, sorted by nothing: a payload has few symbols and they are searched by
// hash.

import {
  ENOMEM,
  PAYLOAD_SYMBOL_LENGTH,
  PAYLOAD_SYMBOL_NAME_OFF,
  PAYLOAD_SYMBOL_RECORD,
  PAYLOAD_SYMBOL_VA,
} from "../abi";
import { SHF_MERGE, SHN_LORESERVE, STB_LOCAL, STT_FILE, STT_SECTION, Sym } from "../hv/elf";
import { alloc_frames, OWNER_PAYLOAD, pages_for } from "../hv/frames";
import { refuse } from "../hv/refusal";
import { name_hash } from "../hv/symbols";
import { REASON_NO_MEMORY } from "../reasons";
import {
  ElfFile,
  section,
  section_place,
  string_length,
  symbol,
  symbol_name,
  value_of,
} from "./elf";
import { is_payload, Payload, payload_of_va } from "./payload";

/** Other payloads may refer to it. */
export const SYMBOL_EXPORTED: u32 = 1;


@unmanaged
export class PayloadSymbol {
  va: u64;
  size: u64;
  name_off: usize; // linear, NUL-terminated
  hash: u32; // name_hash
  flags: u32; // SYMBOL_*
  type: u8; // STT_*
  bind: u8; // STB_*
  section: u16; // index in the ELF file
}
export const PAYLOAD_SYMBOL_SIZE: usize = 32;
if (offsetof<PayloadSymbol>() != PAYLOAD_SYMBOL_SIZE) ERROR("PayloadSymbol is 32 bytes");
if (<usize>PAYLOAD_SYMBOL_RECORD != PAYLOAD_SYMBOL_SIZE)
  ERROR("the border's record is PayloadSymbol");
if (PAYLOAD_SYMBOL_VA != offsetof<PayloadSymbol>("va"))
  ERROR("the border's record is PayloadSymbol");
if (
  PAYLOAD_SYMBOL_LENGTH != offsetof<PayloadSymbol>("size") ||
  PAYLOAD_SYMBOL_NAME_OFF != offsetof<PayloadSymbol>("name_off")
)
  ERROR("the border's record is PayloadSymbol");


@inline
export function payload_symbol(p: Payload, i: u32): PayloadSymbol {
  return changetype<PayloadSymbol>(p.symbols_off + PAYLOAD_SYMBOL_SIZE * <usize>i);
}

/** Named, in a loaded section, and not one of the compiler's own labels for merged strings. */
function is_kept(e: ElfFile, s: Sym): bool {
  const index = s.st_shndx;
  if (index == 0 || index >= SHN_LORESERVE) return false;
  if (section_place(e, index).region == 0) return false;
  if (s.type == STT_SECTION || s.type == STT_FILE) return false;
  const name = symbol_name(e, s);
  if (load<u8>(name) == 0) return false;
  const merged = (section(e, index).sh_flags & SHF_MERGE) != 0;
  return !(merged && load<u8>(name) == 0x2e && load<u8>(name + 1) == 0x4c); // ".L"
}

/**
 * After this the payload knows its symbols; none of them is visible before the payload is listed.
 */
export function keep_symbols(e: ElfFile, p: Payload): i32 {
  let count: u32 = 0;
  let names: u64 = 0;
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    if (!is_kept(e, s)) continue;
    count++;
    names += string_length(symbol_name(e, s)) + 1;
  }
  if (count == 0) return 0;
  const pages = pages_for(<u64>count * <u64>PAYLOAD_SYMBOL_SIZE + names);
  p.symbols_off = alloc_frames(pages, OWNER_PAYLOAD);
  if (p.symbols_off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  p.symbols_pages = pages;
  p.symbols_count = count;
  let k: u32 = 0;
  let name_to = p.symbols_off + PAYLOAD_SYMBOL_SIZE * <usize>count;
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    if (!is_kept(e, s)) continue;
    const name = symbol_name(e, s);
    const len = string_length(name);
    const to = payload_symbol(p, k++);
    to.va = value_of(e, i);
    to.size = s.st_size;
    to.name_off = name_to;
    to.hash = name_hash(name, len);
    to.flags = s.bind == STB_LOCAL ? 0 : SYMBOL_EXPORTED;
    to.type = s.type;
    to.bind = s.bind;
    to.section = s.st_shndx;
    memory.copy(name_to, name, len + 1);
    name_to += len + 1;
  }
  return 0;
}

/** The symbol that `va` belongs to: the nearest at or below it that covers it; -1 none. */
export function payload_symbol_at(p: Payload, va: u64): i32 {
  let best: i32 = -1;
  let best_va: u64 = 0;
  for (let i: u32 = 0; i < p.symbols_count; i++) {
    const s = payload_symbol(p, i);
    if (s.va > va || va - s.va >= max<u64>(s.size, 1) || s.va < best_va) continue;
    best = <i32>i;
    best_va = s.va;
  }
  return best;
}

/** Linear offset of the symbol, which begins with its {va, size}, of a payload's function at `va`;
 *  0 none. */
export function payload_function_at(va: u64): usize {
  const p = payload_of_va(va);
  if (!is_payload(p) || va - p.text_va >= p.text_size) return 0;
  const i = payload_symbol_at(p, va);
  return i < 0 ? 0 : changetype<usize>(payload_symbol(p, <u32>i));
}
if (offsetof<PayloadSymbol>("va") != 0 || offsetof<PayloadSymbol>("size") != 8)
  ERROR("a symbol begins with its place");
