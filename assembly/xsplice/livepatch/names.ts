// What a name means to today's loader (spec/livepatch-today 5.7, 6.5): the hypervisor's own table,
// in which global symbols stand under their plain name and local ones only as `path/file.c#name`
// with the path as the compiler saw it; then the new symbols of the loaded payloads, in upload
// order. Exact comparison.

import { STB_LOCAL } from "../../hv/elf";
import { PAGE_SHIFT } from "../../hv/param";
import { find_symbols, match_at, match_count, symbol } from "../../hv/symbols";
import { SYMBOL_MATCHES_MAX } from "../../abi";
import { string_length } from "../elf";
import { is_payload, Payload } from "../payload";
import { first_today, livepatch, next_today } from "./record";

/** struct livepatch_symbol: name 0, value 8, size 16, new 20. */
export const LP_SYMBOL: usize = 24;

/** The payload that the last lookup found its symbol in, none for the hypervisor. */
let owner: usize = 0;
export function found_in(): Payload {
  return changetype<Payload>(owner);
}

function is_exact(index: u32, name_off: usize, hash_at: usize): bool {
  const s = symbol(index);
  if (hash_at == 0) return s.bind != STB_LOCAL || s.file == 0;
  if (s.bind != STB_LOCAL || s.file == 0) return false;
  const len = hash_at - name_off;
  const file = <usize>s.file;
  return string_length(file) == len && memory.compare(file, name_off, len) == 0;
}

/** Address of a hypervisor symbol, 0 when there is none of this name. */
export function hypervisor_symbol(name_off: usize): u64 {
  const len = string_length(name_off);
  if (len == 0) return 0;
  let hash_at: usize = 0;
  for (let i: usize = 0; i < len && hash_at == 0; i++) {
    if (load<u8>(name_off + i) == 0x23) hash_at = name_off + i;
  }
  const matches = min<u32>(find_symbols(name_off, len), SYMBOL_MATCHES_MAX);
  for (let i: u32 = 0; i < matches; i++) {
    if (is_exact(match_at(i), name_off, hash_at)) return symbol(match_at(i)).va;
  }
  return 0;
}

/** Of a new symbol of a loaded payload. */
export function payload_symbol_value(name_off: usize): u64 {
  const len = string_length(name_off);
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    const lp = livepatch(p);
    for (let i: u32 = 0; i < lp.nsyms; i++) {
      const s = lp.symtab_off + LP_SYMBOL * <usize>i;
      if (load<u8>(s, 20) == 0) continue;
      // Hooks may write here: the pointer must still lead into the names.
      const at = load<u64>(s) - lp.strtab_va;
      const room = ((<u64>lp.private_pages) << PAGE_SHIFT) - (lp.strtab_va - lp.private_va);
      if (at >= room || len + 1 > room - at) continue;
      const name = lp.strtab_off + <usize>at;
      if (memory.compare(name, name_off, len + 1) != 0) continue;
      owner = changetype<usize>(p);
      return load<u64>(s, 8);
    }
  }
  return 0;
}

/** Either, in this order; 0 when nobody has it. */
export function look_up(name_off: usize): u64 {
  owner = 0;
  if (load<u8>(name_off) == 0) return 0;
  const va = hypervisor_symbol(name_off);
  return va != 0 ? va : payload_symbol_value(name_off);
}
if (SYMBOL_MATCHES_MAX < 16) ERROR("too few matches to tell symbols of one name apart");
/** True when a name was found more often than could be looked at. */
export function too_many_names(): bool {
  return match_count() > <u32>SYMBOL_MATCHES_MAX;
}
