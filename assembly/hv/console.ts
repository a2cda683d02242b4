// The hypervisor's console: a ring of bytes in the machine, and every byte also handed to the host
// as it is written. Not part of the state that a failed operation must leave unchanged (A14).

import { header } from "./header";
import { CONSOLE_OFF } from "./layout";
import { CONSOLE_RING_SIZE } from "./param";

// @ts-ignore: decorator
@external("hv", "console")
declare function host_console(byte: u32): void;

export function print_byte(byte: u32): void {
  const h = header();
  store<u8>(CONSOLE_OFF + <usize>(h.console_head % <u64>CONSOLE_RING_SIZE), <u8>byte);
  h.console_head++;
  host_console(byte & 0xff);
}

/** The console's port: what image code sends there is printed. */
export const CONSOLE_PORT: u32 = 0xe9;

/** Takes OUT instructions (installed into the interpreter while the module starts). */
export function take_port(port: u32, value: u32): void {
  if (port == CONSOLE_PORT) print_byte(value);
}

/** An ASCII literal. */
export function print(text: string): void {
  for (let i = 0, n = text.length; i < n; i++) print_byte(<u32>text.charCodeAt(i));
}

/** At most `len` bytes, up to a NUL; what is not printable ASCII becomes `?`, so that a payload's
 *  id or name cannot forge lines. */
export function print_bytes(off: usize, len: usize): void {
  for (let i: usize = 0; i < len; i++) {
    const c = load<u8>(off + i);
    if (c == 0) return;
    print_byte(c >= 0x20 && c < 0x7f ? c : 0x3f);
  }
}

/** Hexadecimal without prefix, at least `digits` wide. */
export function print_hex(value: u64, digits: u32 = 1): void {
  let width: u32 = 16;
  while (width > 1 && width > digits && value >> (<u64>(width - 1) * 4) == 0) width--;
  while (width-- != 0) {
    const nibble = (<u32>(value >> (<u64>width * 4))) & 15;
    print_byte(nibble < 10 ? 0x30 + nibble : 0x57 + nibble);
  }
}

export function print_dec(value: u64): void {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor != 0; divisor /= 10) print_byte(0x30 + <u32>((value / divisor) % 10));
}

export function print_signed(value: i64): void {
  if (value < 0) print_byte(0x2d);
  print_dec(value < 0 ? 0 - <u64>value : <u64>value);
}
