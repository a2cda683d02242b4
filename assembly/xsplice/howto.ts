// The arithmetic of `struct xsplice_reloc_howto` (R38-R43, K4, K10), as formulas. With the letters
// of the psABI:
//
//   S  what the field shall refer to (the new code, the new string)
//   A  isns_added, -4 for a displacement that ends its instruction
//   P  the address of the field itself (a trampoline's is one behind its e9)
//
//   V = S + A        or, PC_REL,  V = S + A - P
//   F = V >> r_shift               arithmetic if signed, else logical
//   field = (field & ~mask) | (F & mask)
//
// mask is cut to the field's size first. SIGN decides how overflow is judged, and PC_REL implies
// it:
//   unsigned   every bit of F lies under the mask
//   signed     F is what sign extension from the mask's highest bit makes of it, and every bit
//              below that one lies under the mask
// A value that does not fit is never cut: it is refused before anything is written (D2
// reloc-value).

import { XSPLICE_HOWTO_FLAG_PC_REL, XSPLICE_HOWTO_FLAG_SIGN } from "../abi";

/** 1, 2, 4 or 8 bytes (R40). */
@inline
export function is_field_size(size: u32): bool {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

/** All bits of a field of `size` bytes. */
@inline
export function field_ones(size: u32): u64 {
  return size >= 8 ? u64.MAX_VALUE : ((<u64>1) << ((<u64>size) << 3)) - 1;
}

/** PC_REL implies a signed value (R43). */
@inline
export function is_signed(flag: u32): bool {
  return (flag & (XSPLICE_HOWTO_FLAG_SIGN | XSPLICE_HOWTO_FLAG_PC_REL)) != 0;
}

/** V. Wraps modulo 2^64, as addresses do. */
@inline
export function relocated_value(flag: u32, s: u64, a: i64, p: u64): u64 {
  const v = s + <u64>a;
  return (flag & XSPLICE_HOWTO_FLAG_PC_REL) != 0 ? v - p : v;
}

/** F. `r_shift` is below 64. */
@inline
export function shifted_value(flag: u32, value: u64, r_shift: u32): u64 {
  return is_signed(flag) ? <u64>((<i64>value) >> (<i64>r_shift)) : value >> (<u64>r_shift);
}

/** Whether F keeps its meaning in the field. */
export function field_holds(flag: u32, shifted: u64, size: u32, mask: u64): bool {
  const bits = mask & field_ones(size);
  if (bits == 0) return false;
  if (!is_signed(flag)) return (shifted & ~bits) == 0;
  const above = clz<u64>(bits); // bits over the mask's highest one
  const extended = <u64>((<i64>(shifted << above)) >> (<i64>above));
  if (extended != shifted) return false;
  return (shifted & (u64.MAX_VALUE >> above) & ~bits) == 0;
}

/** The field's new content. */
@inline
export function replaced_field(field: u64, shifted: u64, size: u32, mask: u64): u64 {
  const bits = mask & field_ones(size);
  return (field & ~bits) | (shifted & bits);
}

/** A little-endian field of 1, 2, 4 or 8 bytes. */
export function load_field(off: usize, size: u32): u64 {
  if (size == 1) return <u64>load<u8>(off);
  if (size == 2) return <u64>load<u16>(off);
  if (size == 4) return <u64>load<u32>(off);
  return load<u64>(off);
}

export function store_field(off: usize, size: u32, field: u64): void {
  if (size == 1) store<u8>(off, <u8>field);
  else if (size == 2) store<u16>(off, <u16>field);
  else if (size == 4) store<u32>(off, <u32>field);
  else store<u64>(off, field);
}
