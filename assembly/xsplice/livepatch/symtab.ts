// The payload's own symbol table (spec/livepatch-today 5.7): for payloads that come after it and
// for traces. A symbol whose value is the new code of a function "overrides" and may repeat a name;
// any other is new, and must be new to the hypervisor and to every loaded payload. 24 bytes each,
// with names behind, in the payload's private memory, as hooks may look at it.

import { EEXIST, ENOMEM } from "../../abi";
import { SHF_ALLOC, SHF_MERGE, Sym } from "../../hv/elf";
import { refuse } from "../../hv/refusal";
import { REASON_NO_MEMORY, REASON_SYMBOL_EXISTS } from "../../reasons";
import { ElfFile, refuse_symbol, section, string_length, symbol, symbol_name } from "../elf";
import { Payload } from "../payload";
import { func_at } from "./funcs";
import { symbol_value } from "./linking";
import { look_up, LP_SYMBOL } from "./names";
import { livepatch } from "./record";

function is_kept(e: ElfFile, s: Sym): bool {
  const index = <u32>s.st_shndx;
  if (index == 0 || index >= e.shnum) return false;
  const flags = section(e, index).sh_flags;
  if ((flags & SHF_ALLOC) == 0) return false;
  const name = symbol_name(e, s);
  if (load<u8>(name) == 0) return false;
  return (flags & SHF_MERGE) == 0 || load<u8>(name) != 0x2e || load<u8>(name, 1) != 0x4c;
}

/** Bytes that the table and its names take. */
export function symtab_bytes(e: ElfFile, p: Payload): u64 {
  let count: u32 = 0;
  let names: u64 = 0;
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    if (!is_kept(e, s)) continue;
    count++;
    names += string_length(symbol_name(e, s)) + 1;
    // More than any machine has: the sum need not be known.
    if (names > 0xffffffff) break;
  }
  livepatch(p).nsyms = count;
  return <u64>count * <u64>LP_SYMBOL + names;
}

function is_overriding(p: Payload, value: u64): bool {
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
    if (func_at(p, i).new_addr == value) return true;
  }
  return false;
}

/** Fills the table. `p` is not listed, so that it does not collide with itself. */
export function build_symtab(e: ElfFile, p: Payload): i32 {
  const lp = livepatch(p);
  if (lp.private_off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  let to = lp.symtab_off;
  let name_to = lp.strtab_off;
  for (let i: u32 = 1; i < e.nsyms; i++) {
    const s = symbol(e, i);
    if (!is_kept(e, s)) continue;
    const name = symbol_name(e, s);
    const value = symbol_value(e, i);
    const fresh = !is_overriding(p, value);
    if (fresh && look_up(name) != 0) return refuse_symbol(e, EEXIST, REASON_SYMBOL_EXISTS, i);
    const len = string_length(name) + 1;
    memory.copy(name_to, name, len);
    store<u64>(to, lp.strtab_va + <u64>(name_to - lp.strtab_off));
    store<u64>(to, value, 8);
    store<u32>(to, <u32>s.st_size, 16);
    store<u8>(to, <u8>fresh, 20);
    to += LP_SYMBOL;
    name_to += len;
  }
  return 0;
}
