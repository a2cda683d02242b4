// Names that the machine itself knows, as bytes: AssemblyScript strings are UTF-16 in static data,
// the machine's names are ASCII in linear memory. One short buffer in scratch, valid until the next
// use.

import { NAME_OFF } from "./layout";
import { NAME_MAX } from "./param";

/** Copies an ASCII literal to the scratch name buffer, NUL-terminated. */
export function ascii(text: string): usize {
  const len = min<i32>(text.length, <i32>NAME_MAX - 1);
  for (let i = 0; i < len; i++) store<u8>(NAME_OFF + <usize>i, <u8>text.charCodeAt(i));
  store<u8>(NAME_OFF + <usize>len, 0);
  return NAME_OFF;
}

/** Bytes before the NUL, at most `limit`. */
export function name_length(off: usize, limit: usize): usize {
  let n: usize = 0;
  while (n < limit && load<u8>(off + n) != 0) n++;
  return n;
}

/** True when the NUL-terminated name at `off` (at most `limit` bytes) is `text`. */
export function is_text(off: usize, limit: usize, text: string): bool {
  const len = <usize>text.length;
  return starts_with(off, limit, text) && (len == limit || load<u8>(off + len) == 0);
}

export function starts_with(off: usize, limit: usize, text: string): bool {
  const len = text.length;
  if (<usize>len > limit) return false;
  for (let i = 0; i < len; i++) {
    if (load<u8>(off + <usize>i) != <u8>text.charCodeAt(i)) return false;
  }
  return true;
}
