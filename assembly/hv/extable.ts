// Exception tables: where execution goes on after an expected fault. Xen's format (asm_defns.h):
// pairs of s32, each relative to its own place: the faulting instruction, then its continuation.
// The image brings one table; a loaded payload registers its own (RFC R195) under the number of its
// record.

import { header } from "./header";
import { EXTABLES_OFF, EXTABLE_SIZE } from "./layout";
import { peek_off } from "./mem";
import { NR_PAYLOADS } from "./param";

const ENTRY_SIZE: u64 = 8;


@unmanaged
class Extable {
  va: u64; // 0: none
  end_va: u64;
}
if (offsetof<Extable>() != EXTABLE_SIZE) ERROR("Extable is 16 bytes");


@inline
function extable_at(owner: u32): Extable {
  return changetype<Extable>(EXTABLES_OFF + EXTABLE_SIZE * <usize>owner);
}

export function register_extable(owner: u32, va: u64, end_va: u64): void {
  assert(owner < NR_PAYLOADS);
  const table = extable_at(owner);
  table.va = va;
  table.end_va = end_va;
}

export function unregister_extable(owner: u32): void {
  assert(owner < NR_PAYLOADS);
  memory.fill(EXTABLES_OFF + EXTABLE_SIZE * <usize>owner, 0, EXTABLE_SIZE);
}

/** An s32 of the hypervisor's memory, relative to its own address. 0: unreadable. */
function relative(va: u64): u64 {
  // An entry is aligned by its compiler, but a hostile one may straddle a page.
  let value: u32 = 0;
  for (let i: u64 = 0; i < 4; i++) {
    const off = peek_off(va + i);
    if (off == 0) return 0;
    const bits = <u32>load<u8>(off);
    value |= bits << (<u32>i * 8);
  }
  return va + <u64>(<i64>(<i32>value));
}

function search(va: u64, end_va: u64, rip: u64): u64 {
  while (va < end_va && end_va - va >= ENTRY_SIZE) {
    const at = relative(va);
    if (at == 0) return 0; // past what is mapped
    if (at == rip) return relative(va + 4);
    va += ENTRY_SIZE;
  }
  return 0;
}

/** Where to go on after a fault at `rip`, 0 when it was not expected. */
export function find_fixup(rip: u64): u64 {
  const h = header();
  const fixup = search(h.extable_va, h.extable_end_va, rip);
  if (fixup != 0) return fixup;
  for (let owner: u32 = 0; owner < NR_PAYLOADS; owner++) {
    const table = extable_at(owner);
    if (table.va == 0) continue;
    const own = search(table.va, table.end_va, rip);
    if (own != 0) return own;
  }
  return 0;
}
