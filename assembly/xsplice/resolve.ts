// What every symbol of the payload's ELF file stands for (R67, R202, R204; D2 `sym-missing`,
// `sym-ambiguous`). Defined ones are section address + st_value; undefined ones are looked up in
// the image, `file.c#name` included, then among the global symbols of the payloads loaded before.
// A name means the image's global symbol if there is exactly one, as for any linker; otherwise it
// must mean one address, or the refusal lists the candidates.
//
// After this pass e.values holds the value of each symbol, or NO_VALUE where a relocation must
// not use it: symbol 0, and what is defined in a section that is not loaded.

import { EINVAL, ENOENT, REGION_INIT, SYMBOL_MATCHES_MAX, XEN_XSPLICE_ID_SIZE } from "../abi";
import { SHN_ABS, SHN_UNDEF, STB_LOCAL } from "../hv/elf";
import { refusal, REFUSAL_CANDIDATES } from "../hv/refusal";
import { region_of } from "../hv/regions";
import {
  find_symbols,
  match_at,
  match_count,
  name_hash,
  symbol as image_symbol,
} from "../hv/symbols";
import { REASON_INIT_TEXT, REASON_SYM_AMBIGUOUS, REASON_SYM_MISSING } from "../reasons";
import {
  ElfFile,
  NO_VALUE,
  refuse_symbol,
  section_place,
  string_length,
  symbol,
  symbol_name,
} from "./elf";
import { first_payload, is_payload, next_payload } from "./payload";
import { PayloadSymbol, payload_symbol, SYMBOL_EXPORTED } from "./payload_symbols";
import { other_build } from "./resolve_build";

// What a name was found to mean: set by add_candidate, read when all places have been searched.
let found: u32 = 0; // distinct addresses
let found_va: u64 = 0; // the first

/** Aliases at one address are one meaning. */
function add_candidate(va: u64): void {
  const r = refusal();
  const known = min<u32>(found, REFUSAL_CANDIDATES);
  for (let i: u32 = 0; i < known; i++) {
    if (load<u64>(r.candidate_off(i)) == va) return;
  }
  if (found == 0) found_va = va;
  if (found < REFUSAL_CANDIDATES) {
    store<u64>(r.candidate_off(found), va);
    r.candidate_count = found + 1;
  }
  found++;
}

/** Drops the candidates again: a refusal carries none unless it is about them. */
function forget_candidates(): void {
  const r = refusal();
  for (let i: u32 = 0; i < REFUSAL_CANDIDATES; i++) store<u64>(r.candidate_off(i), 0);
  r.candidate_count = 0;
}

/** Candidates among the image's symbols: its global ones, or if there are none its local ones. */
function search_image(name_off: usize, len: usize): void {
  const matches = min<u32>(find_symbols(name_off, len), SYMBOL_MATCHES_MAX);
  for (let i: u32 = 0; i < matches; i++) {
    const s = image_symbol(match_at(i));
    if (s.bind != STB_LOCAL) add_candidate(s.va);
  }
  if (found != 0) return;
  for (let i: u32 = 0; i < matches; i++) add_candidate(image_symbol(match_at(i)).va);
  if (match_count() > matches && found == 1) found = 2; // more than could be looked at
}

/** Candidates among what loaded payloads export. */
function search_payloads(name_off: usize, len: usize): void {
  const hash = name_hash(name_off, len);
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    for (let i: u32 = 0; i < p.symbols_count; i++) {
      const s = payload_symbol(p, i);
      if (s.hash != hash || (s.flags & SYMBOL_EXPORTED) == 0) continue;
      if (is_named(s, name_off, len)) add_candidate(s.va);
    }
  }
}

function is_named(s: PayloadSymbol, name_off: usize, len: usize): bool {
  return memory.compare(s.name_off, name_off, len + 1) == 0;
}

function refuse_missing(e: ElfFile, index: u32): i32 {
  const rc = refuse_symbol(e, ENOENT, REASON_SYM_MISSING, index);
  // A14: if the payload was built for another hypervisor, that is the news.
  const r = refusal();
  r.value = other_build(e, r.other_off, XEN_XSPLICE_ID_SIZE) ? 1 : 0;
  return rc;
}

function resolve_undefined(e: ElfFile, index: u32): i32 {
  const name_off = symbol_name(e, symbol(e, index));
  const len = string_length(name_off);
  found = 0;
  forget_candidates();
  if (len != 0) {
    search_image(name_off, len);
    if (found == 0) search_payloads(name_off, len);
  }
  if (found > 1) return refuse_symbol(e, EINVAL, REASON_SYM_AMBIGUOUS, index);
  forget_candidates();
  if (found == 0) return refuse_missing(e, index);
  if (region_of(found_va) == REGION_INIT) {
    const rc = refuse_symbol(e, EINVAL, REASON_INIT_TEXT, index);
    refusal().va = found_va;
    return rc;
  }
  store<u64>(e.values_off + ((<usize>index) << 3), found_va);
  return 0;
}

/** Every symbol, used or not. */
export function resolve_symbols(e: ElfFile): i32 {
  store<u64>(e.values_off, NO_VALUE);
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    const at = e.values_off + ((<usize>i) << 3);
    if (s.st_shndx == SHN_UNDEF) {
      const rc = resolve_undefined(e, i);
      if (rc != 0) return rc;
      continue;
    }
    if (s.st_shndx == SHN_ABS) {
      store<u64>(at, s.st_value);
      continue;
    }
    const place = section_place(e, s.st_shndx);
    store<u64>(at, place.region == 0 ? NO_VALUE : place.va + s.st_value);
  }
  return 0;
}
