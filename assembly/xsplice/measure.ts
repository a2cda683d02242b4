// A measurable sequence (R18): what has been activated, in which order. Every APPLY and REVERT that
// took effect extends a chain by the payload's bytes (their hash at upload) and by what was done,
// so that two machines with the same chain went through the same changes in the same order. The
// console has the log. The mixing is not cryptographic: a trusted platform would extend a PCR with
// the same sequence.

import { XEN_XSPLICE_ID_SIZE, XSPLICE_ACTION_APPLY } from "../abi";
import { print, print_bytes, print_dec, print_hex } from "../hv/console";
import { header } from "../hv/header";
import { Payload } from "./payload";

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;

/** Position-dependent: extending by a then b is not extending by b then a. */
@inline
function extend(chain: u64, word: u64): u64 {
  return rotl<u64>((chain ^ (word * PRIME_2)) * PRIME_1, 31) + PRIME_2;
}

/** Extends the chain by one action that took effect, and logs it. */
export function measure(p: Payload, cmd: u32): void {
  const h = header();
  h.measured_count++;
  h.measured = extend(extend(extend(h.measured, cmd), p.hash_lo), p.hash_hi);
  print("xsplice: ");
  print_dec(h.measured_count);
  print(cmd == XSPLICE_ACTION_APPLY ? ": applied " : ": reverted ");
  print_bytes(p.id_off, XEN_XSPLICE_ID_SIZE);
  print(" (");
  print_hex(p.hash_hi, 16);
  print_hex(p.hash_lo, 16);
  print("), chain ");
  print_hex(h.measured, 16);
  print("\n");
}
