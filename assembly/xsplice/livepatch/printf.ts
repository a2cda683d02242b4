// printk for hooks: the hypervisor's format language as far as messages use it (%d %i %u %x %X %p
// %s %c %%, lengths h l ll z, width, zero padding, precision of strings), with the psABI's variadic
// arguments: the format in rdi, then rsi rdx rcx r8 r9, then the stack.

import { print, print_byte, print_dec, print_hex, print_signed } from "../../hv/console";
import { Cpu } from "../../hv/cpu";
import { peek } from "../../hv/mem";

const BYTE = memory.data(8);
const FORMAT_MAX: u32 = 1024;

function byte_at(va: u64): u32 {
  return peek(BYTE, va, 1) == 0 ? <u32>load<u8>(BYTE) : 0;
}

/** Variadic argument n of the function that the CPU has just entered. */
function argument(cpu: Cpu, n: u32): u64 {
  switch (n) {
    case 0:
      return cpu.rsi;
    case 1:
      return cpu.rdx;
    case 2:
      return cpu.rcx;
    case 3:
      return cpu.r8;
    case 4:
      return cpu.r9;
  }
  return peek(BYTE, cpu.rsp + 8 + ((<u64>(n - 5)) << 3), 8) == 0 ? load<u64>(BYTE) : 0;
}

function print_text(va: u64, precision: u32): void {
  for (let i: u32 = 0; i < min<u32>(precision, FORMAT_MAX); i++) {
    const c = byte_at(va + i);
    if (c == 0) return;
    print_byte(c == 10 || (c >= 0x20 && c < 0x7f) ? c : 0x3f);
  }
}


@inline
function is_digit(c: u32): bool {
  return c >= 0x30 && c <= 0x39;
}

function print_value(kind: u32, value: u64, long: bool, width: u32, precision: u32): void {
  const v: u64 = long ? value : <u64>(<u32>value);
  if (kind == 0x64 || kind == 0x69) print_signed(long ? <i64>value : <i64>(<i32>value));
  else if (kind == 0x75) print_dec(v);
  else if (kind == 0x78 || kind == 0x58) print_hex(v, max<u32>(width, 1));
  else if (kind == 0x70) print_hex(value, 16);
  else if (kind == 0x73) print_text(value, precision);
  else if (kind == 0x63) print_byte((<u32>value) & 0x7f);
  else print("?");
}

/** Prints what the CPU, at the entry of printk, is asked to print. */
export function print_format(cpu: Cpu): void {
  const va = cpu.rdi;
  let next: u32 = 0;
  let i: u32 = 0;
  // Log levels: "<1>" and alike.
  if (byte_at(va) == 0x3c && byte_at(va + 2) == 0x3e) i = 3;
  for (; i < FORMAT_MAX; i++) {
    let c = byte_at(va + i);
    if (c == 0) return;
    if (c != 0x25) {
      print_byte(c == 10 || (c >= 0x20 && c < 0x7f) ? c : 0x3f);
      continue;
    }
    let width: u32 = 0;
    let precision: u32 = FORMAT_MAX;
    let longs: u32 = 0;
    c = byte_at(va + ++i);
    while (c == 0x2d || c == 0x23 || c == 0x2b || c == 0x20) c = byte_at(va + ++i);
    while (is_digit(c)) {
      width = min<u32>(width * 10 + (c - 0x30), 64);
      c = byte_at(va + ++i);
    }
    if (c == 0x2e) {
      precision = 0;
      c = byte_at(va + ++i);
      if (c == 0x2a) {
        precision = <u32>argument(cpu, next++);
        c = byte_at(va + ++i);
      }
      while (is_digit(c)) {
        precision = min<u32>(precision * 10 + (c - 0x30), FORMAT_MAX);
        c = byte_at(va + ++i);
      }
    }
    while (c == 0x6c || c == 0x68 || c == 0x7a) {
      if (c != 0x68) longs++;
      c = byte_at(va + ++i);
    }
    if (c == 0) return;
    if (c == 0x25) print_byte(0x25);
    else print_value(c, argument(cpu, next++), longs != 0, min<u32>(width, 16), precision);
  }
}
