// The keys that payloads may be signed with: X.509 certificates or bare public keys in DER, as the
// host handed them over at boot. The core stores them and never looks inside; the firmware does. In
// the machine's memory, so that a saved machine keeps its keys. Layout: u32 bytes used, then
// entries {u32 length, DER bytes}.

import { EINVAL, ENOSPC } from "../abi";
import { is_inside } from "../hv/elf";
import { KEYSTORE_OFF } from "../hv/layout";
import { KEYSTORE_SIZE } from "../hv/param";
import { refuse, refusal } from "../hv/refusal";
import { REASON_BOOT_PARAMETER } from "../reasons";

const ENTRIES: usize = 4;

export function keystore_bytes(): u32 {
  return load<u32>(KEYSTORE_OFF);
}
export function keystore_entries_off(): usize {
  return KEYSTORE_OFF + ENTRIES;
}

/** The entries add up to their bytes: `len` bytes at `off`. Else the place of the first that does
 *  not. */
function misfit(off: usize, len: u32): u64 {
  let at: u64 = 0;
  while (at < <u64>len) {
    const size: u64 = at + 4 <= <u64>len ? <u64>load<u32>(off + <usize>at) : 0;
    if (size == 0 || !is_inside(at + 4, size, len)) return at;
    at += 4 + size;
  }
  return at;
}

/** Of a machine from a file: the keys are a whole number of entries. */
export function audit_keystore(): bool {
  const bytes = keystore_bytes();
  if (<usize>bytes > <usize>KEYSTORE_SIZE - ENTRIES) return false;
  return misfit(keystore_entries_off(), bytes) == <u64>bytes;
}

/**
 * Replaces all keys by the entries at linear `from_off`. -ENOSPC, -EINVAL when they do not add
 * up.
 */
export function set_keystore(from_off: usize, len: u32): i32 {
  if (<usize>len > <usize>KEYSTORE_SIZE - ENTRIES) {
    const rc = refuse(ENOSPC, REASON_BOOT_PARAMETER);
    refusal().value = len;
    refusal().limit = <u64>(<usize>KEYSTORE_SIZE - ENTRIES);
    return rc;
  }
  const at = misfit(from_off, len);
  if (at != <u64>len) {
    const rc = refuse(EINVAL, REASON_BOOT_PARAMETER);
    refusal().value = at;
    return rc;
  }
  memory.fill(KEYSTORE_OFF, 0, KEYSTORE_SIZE);
  store<u32>(KEYSTORE_OFF, len);
  memory.copy(KEYSTORE_OFF + ENTRIES, from_off, len);
  return 0;
}
