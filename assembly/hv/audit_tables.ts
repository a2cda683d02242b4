// Page tables of a machine from a file (hv/audit.ts): every table is a frame that belongs to page
// tables and is used once, every page a frame that is mapped once, with permissions that exist and
// never W with X; the hypervisor's tables hold its half of the addresses, a domain's the other.

import { PERM_R, PERM_W, PERM_X } from "../abi";
import { PART_PAGE_TABLES } from "../reasons";
import { broken } from "./broken";
import { claim_page, claim_record } from "./claims";
import { OWNER_PAGETABLE } from "./frames";
import { PAGE_SIZE } from "./param";

const FLAGS: u64 = PAGE_SIZE - 1;
/** Slots of a table; the upper half of the root's belong to the hypervisor. */
const SLOTS: u32 = 512;
const SIGN: u64 = 0xffff000000000000;


@inline
function are_perms(flags: u64): bool {
  return flags == PERM_R || flags == (PERM_R | PERM_W) || flags == (PERM_R | PERM_X);
}

/** The table at `off`, which maps what `level` says from `va` on. */
function audit_table(off: u64, level: u32, va: u64, space: i32): bool {
  for (let i: u32 = 0; i < SLOTS; i++) {
    const entry = load<u64>(<usize>off + ((<usize>i) << 3));
    if (entry == 0) continue;
    let at = va | ((<u64>i) << (12 + 9 * level));
    const next = entry & ~FLAGS;
    if (level == 0) {
      if (are_perms(entry & FLAGS) && claim_page(next, space, at)) continue;
      return broken(PART_PAGE_TABLES, <u32>(space + 1));
    }
    if (level == 3) {
      if (i >= SLOTS / 2) at |= SIGN;
      if (i >= SLOTS / 2 != space < 0) return broken(PART_PAGE_TABLES, <u32>(space + 1));
    }
    if ((entry & FLAGS) != PERM_R || !claim_record(next, 1, OWNER_PAGETABLE)) {
      return broken(PART_PAGE_TABLES, <u32>(space + 1));
    }
    if (!audit_table(next, level - 1, at, space)) return false;
  }
  return true;
}

/** The tables from `root` on, of the hypervisor (`space` -1) or a domain. */
export function audit_root(root: u64, space: i32): bool {
  if (!claim_record(root, 1, OWNER_PAGETABLE)) {
    return broken(PART_PAGE_TABLES, <u32>(space + 1));
  }
  return audit_table(root, 3, 0, space);
}
