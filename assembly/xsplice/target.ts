// From what a payload says about a place to the place itself: symbol, symbol + offset or address
// (R12, R31, R56, K12). All that is given must agree. A name that several symbols have is decided
// by an address, or refused with the candidates listed (R202, R204).

import {
  EFAULT,
  EINVAL,
  ENOENT,
  ERANGE,
  XSPLICE_RELOC_SIZE,
  XSPLICE_SECTION_SIZE,
  XSPLICE_SYMBOL_SIZE,
  SYMBOL_MATCHES_MAX,
} from "../abi";
import { is_hypervisor_va } from "../hv/mem";
import { refusal, REFUSAL_CANDIDATES, refusal_name, refuse_at } from "../hv/refusal";
import { find_symbols, match_at, match_count, symbol, symbol_at } from "../hv/symbols";
import {
  REASON_ADDR_SYMBOL,
  REASON_PATCH_ADDRESS,
  REASON_PAYLOAD_POINTER,
  REASON_SIZE,
  REASON_SYM_AMBIGUOUS,
  REASON_SYM_MISSING,
} from "../reasons";
import { payload_off, payload_string } from "./memory";
import { Payload } from "./payload";
import { XspliceReloc, XspliceSection, XspliceSymbol } from "./structs";

/** Longest symbol name that is looked up. */
const SYMBOL_NAME_MAX: u32 = 1023;

/** What a lookup found: valid until the next one. */
let found_va: u64 = 0;
let found_symbol: i32 = -1;

/** Object under a section: what resolve_section leaves. */
@unmanaged
export class Target {
  va: u64;
  size: u64;
  room: u64; // size and padding behind it
  symbol: i32; // -1 none
  named: u32; // 1: the payload names it; otherwise it gave an address alone
}
const TARGET = memory.data(32);


@inline
export function target(): Target {
  return changetype<Target>(TARGET);
}

export function refuse_pointer(place: u32, index: u32, va: u64): i32 {
  const rc = refuse_at(EFAULT, REASON_PAYLOAD_POINTER, place, index);
  refusal().va = va;
  return rc;
}

function refuse_ambiguous(place: u32, index: u32): i32 {
  const rc = refuse_at(EINVAL, REASON_SYM_AMBIGUOUS, place, index);
  const n = min<u32>(min<u32>(match_count(), <u32>SYMBOL_MATCHES_MAX), REFUSAL_CANDIDATES);
  for (let i: u32 = 0; i < n; i++) {
    store<u64>(refusal().candidate_off(i), symbol(match_at(i)).va);
  }
  refusal().candidate_count = n;
  refusal().value = match_count();
  return rc;
}

/** Chooses among the matches of the last lookup by an address that the symbol must hold. */
function choose(hint_va: u64, name_off: usize, len: u32): bool {
  const n = min<u32>(match_count(), <u32>SYMBOL_MATCHES_MAX);
  let same = true;
  for (let i: u32 = 0; i < n; i++) {
    const s = symbol(match_at(i));
    if (s.va != symbol(match_at(0)).va) same = false;
    if (hint_va == 0 || hint_va - s.va >= max<u64>(s.size, 1)) continue;
    found_symbol = <i32>match_at(i);
    return true;
  }
  if (hint_va != 0 && match_count() > n) {
    // More symbols of this name than the lookup lists: the address finds its own.
    const at = symbol_at(hint_va);
    if (
      at >= 0 &&
      <u32>symbol(at).name_len == len &&
      memory.compare(<usize>symbol(at).name, name_off, len) == 0
    ) {
      found_symbol = at;
      return true;
    }
  }
  found_symbol = <i32>match_at(0);
  return same;
}

/** Looks up the symbol that a struct xsplice_symbol names. `hint_va`: an address in it, or 0. */
function resolve_symbol(p: Payload, symbol_va: u64, hint_va: u64, place: u32, index: u32): i32 {
  const struct_off = payload_off(p, symbol_va, XSPLICE_SYMBOL_SIZE);
  if (struct_off == 0) return refuse_pointer(place, index, symbol_va);
  const name_va = changetype<XspliceSymbol>(struct_off).name;
  const len = payload_string(p, name_va, SYMBOL_NAME_MAX);
  if (len < 0) return refuse_pointer(place, index, name_va);
  const name_off = payload_off(p, name_va, <u64>len);
  if (find_symbols(name_off, <usize>len) == 0) {
    refusal_name(name_off, <usize>len);
    return refuse_at(ENOENT, REASON_SYM_MISSING, place, index);
  }
  if (match_count() == 1) found_symbol = <i32>match_at(0);
  else if (!choose(hint_va, name_off, <u32>len)) {
    refusal_name(name_off, <usize>len);
    return refuse_ambiguous(place, index);
  }
  found_va = symbol(found_symbol).va;
  return 0;
}

/** The address of the symbol that a struct xsplice_symbol names: resolved_va() afterwards. */
export function resolve_value(p: Payload, symbol_va: u64, place: u32, index: u32): i32 {
  return resolve_symbol(p, symbol_va, 0, place, index);
}


@inline
export function resolved_va(): u64 {
  return found_va;
}

export function name_symbol(index: i32): void {
  if (index >= 0) refusal_name(<usize>symbol(index).name, symbol(index).name_len);
}

function disagree(va: u64, symbol_va: u64, place: u32, index: u32): i32 {
  name_symbol(found_symbol);
  const rc = refuse_at(EINVAL, REASON_ADDR_SYMBOL, place, index);
  refusal().va = va;
  refusal().va2 = symbol_va;
  return rc;
}

/** The object of section `i`: fills target(). `hint_va` helps where the section has no address. */
export function resolve_section(
  p: Payload,
  sections_va: u64,
  i: u32,
  hint_va: u64,
  place: u32,
): i32 {
  const at_va = sections_va + <u64>i * XSPLICE_SECTION_SIZE;
  const off = payload_off(p, at_va, XSPLICE_SECTION_SIZE);
  if (off == 0) return refuse_pointer(place, i, at_va);
  const s = changetype<XspliceSection>(off);
  const t = target();
  t.named = s.symbol != 0 ? 1 : 0;
  if (s.symbol == 0) {
    t.va = s.address;
    t.size = s.size;
    t.symbol = symbol_at(s.address);
    t.room = t.size;
    if (s.address == 0) return refuse_at(EINVAL, REASON_PATCH_ADDRESS, place, i);
    if (t.symbol >= 0) t.room = room_from(t.symbol, t.va);
    return t.size <= t.room ? 0 : wrong_size(t.size, t.room, place, i);
  }
  const rc = resolve_symbol(p, s.symbol, s.address != 0 ? s.address : hint_va, place, i);
  if (rc != 0) return rc;
  if (s.address != 0 && s.address != found_va) return disagree(s.address, found_va, place, i);
  const sym = symbol(found_symbol);
  t.va = sym.va;
  t.symbol = found_symbol;
  t.size = s.size;
  t.room = max<u64>(sym.room, sym.size);
  // A label without a size is bounded by what comes next.
  const fits = sym.size != 0 ? <u64>s.size == sym.size : <u64>s.size <= t.room;
  return fits ? 0 : wrong_size(s.size, sym.size != 0 ? sym.size : t.room, place, i);
}


@inline
function room_from(index: i32, va: u64): u64 {
  const s = symbol(index);
  return s.va + max<u64>(s.room, s.size) - va;
}

export function wrong_size(value: u64, limit: u64, place: u32, index: u32): i32 {
  name_symbol(target().symbol);
  const rc = refuse_at(ERANGE, REASON_SIZE, place, index);
  refusal().va = target().va;
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

/** The address that a reloc means: addr, and symbol + isns_target, which must agree (R31). 0 in
 *  the answer's place means that it gives neither. Result in reloc_place(). */
let reloc_va: u64 = 0;


@inline
export function reloc_place(): u64 {
  return reloc_va;
}

/** `known_symbol`: struct whose object target() already holds, so that it is not looked up
 *  twice. */
export function resolve_reloc(
  p: Payload,
  r: XspliceReloc,
  known_symbol: u64,
  place: u32,
  i: u32,
): i32 {
  reloc_va = r.addr;
  if (r.symbol == 0) return 0;
  if (r.symbol == known_symbol) {
    found_va = target().va;
    found_symbol = target().symbol;
  } else {
    const hint = r.addr != 0 ? r.addr - <u64>r.isns_target : 0;
    const rc = resolve_symbol(p, r.symbol, hint, place, i);
    if (rc != 0) return rc;
  }
  const va = found_va + <u64>r.isns_target;
  if (r.addr != 0 && r.addr != va) return disagree(r.addr, va, place, i);
  reloc_va = va;
  return 0;
}

/** patch.addr of an inline patch: an offset into target(), or an address (K12). 0: neither. */
export function inline_place(value: u64): u64 {
  if (target().named != 0 && value < target().size) return target().va + value;
  return is_hypervisor_va(value) ? value : 0;
}
if (XSPLICE_RELOC_SIZE != 64) ERROR("struct xsplice_reloc is 64 bytes");
