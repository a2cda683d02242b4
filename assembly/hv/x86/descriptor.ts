// Segment descriptors (Intel SDM vol. 3, 3.4.5 and 3.5): read from the tables in memory that GDTR
// and LDTR name. One is looked at at a time; what was read stays in `low` and `high`.

import { VECTOR_GP } from "../../abi";
import { Cpu } from "../cpu";
import { PERM_W } from "../../abi";
import { entry_of, latch_fault, latch_implicit, peek, PF_PRESENT, PF_WRITE, poke } from "../mem";
import { system_of } from "./state";

/** The descriptor read last. */
const DESCRIPTOR = memory.data(16);

/** What looking up a selector comes to. */
export const FOUND: u32 = 0;
export const BEYOND: u32 = 1; // no such entry
export const UNREADABLE: u32 = 2; // #PF, latched

// Types (bits 43:40 with S set), and S.
export const CODE: u32 = 8;
/** Of code: may be entered from less privileged code. */
export const CONFORMING: u32 = 4;
/** Of data: writable; of code: readable. */
export const WRITABLE: u32 = 2;
const ACCESSED: u32 = 1;
// System types in 64-bit mode (table 3-2).
export const TYPE_LDT: u32 = 2;
export const TYPE_TSS: u32 = 9;
export const TYPE_TSS_BUSY: u32 = 11;
export const TYPE_CALL_GATE: u32 = 12;


@inline
export function low(): u32 {
  return load<u32>(DESCRIPTOR);
}


@inline
export function high(): u32 {
  return load<u32>(DESCRIPTOR, 4);
}

export function type(): u32 {
  return (high() >> 8) & 15;
}
/** Code or data, not a system descriptor. */
export function is_segment(): bool {
  return (high() & 0x1000) != 0;
}
export function is_code(): bool {
  return is_segment() && (type() & CODE) != 0;
}
export function is_writable_data(): bool {
  return is_segment() && (type() & (CODE | WRITABLE)) == WRITABLE;
}
/** Code that is not readable is the one segment that data cannot be read from. */
export function is_readable(): bool {
  return is_segment() && (type() & (CODE | WRITABLE)) != CODE;
}
export function is_conforming(): bool {
  return is_code() && (type() & CONFORMING) != 0;
}
/** L without D. */
export function is_64bit(): bool {
  return (high() & 0x600000) == 0x200000;
}
export function dpl(): u32 {
  return (high() >> 13) & 3;
}
export function is_present(): bool {
  return (high() & 0x8000) != 0;
}
export function base(): u64 {
  return (low() >> 16) | ((high() & 0xff) << 16) | (high() & 0xff000000);
}
/** The upper half of a system descriptor's base, which `look_up_system` has read. */
export function wide_base(): u64 {
  return base() | ((<u64>load<u32>(DESCRIPTOR, 8)) << 32);
}
/** Bits 12:8 of a system descriptor's last word: the type of a descriptor that is not there. */
export function wide_type(): u32 {
  return (load<u32>(DESCRIPTOR, 12) >> 8) & 31;
}
export function limit(): u32 {
  const units = (low() & 0xffff) | (high() & 0xf0000);
  return (high() & 0x800000) != 0 ? (units << 12) | 0xfff : units;
}


@inline
export function is_null(selector: u32): bool {
  return (selector & 0xfffc) == 0;
}

/** Address of a selector's descriptor of `size` bytes, 0 when its table has none. */
function place_of(cpu: Cpu, selector: u32, size: u32): u64 {
  const system = system_of(cpu);
  const at = selector & 0xfff8;
  if ((selector & 4) != 0) {
    if (system.ldtr == 0 || at + size - 1 > system.ldt_limit) return 0;
    return system.ldt_base + at;
  }
  return at + size - 1 > system.gdt_limit ? 0 : system.gdt_base + at;
}

function look(cpu: Cpu, selector: u32, size: u32): u32 {
  const va = place_of(cpu, selector, size);
  if (va == 0) return BEYOND;
  const left = peek(DESCRIPTOR, va, size);
  if (left == 0) return FOUND;
  latch_implicit(va + (size - left), 0);
  return UNREADABLE;
}

/** Reads the descriptor of a selector that is not null. */
export function look_up(cpu: Cpu, selector: u32): u32 {
  return look(cpu, selector, 8);
}

/** The same of a system descriptor, which has 16 bytes. */
export function look_up_system(cpu: Cpu, selector: u32): u32 {
  return look(cpu, selector, 16);
}

/** Writes the type of the descriptor read last back to its table. False: #PF, latched. */
function write_type(cpu: Cpu, selector: u32, value: u32): bool {
  const va = place_of(cpu, selector, 8) + 5;
  if ((entry_of(va) & PERM_W) == 0) {
    latch_implicit(va, PF_PRESENT | PF_WRITE);
    return false;
  }
  store<u8>(DESCRIPTOR, <u8>((load<u8>(DESCRIPTOR, 5) & 0xf0) | value), 5);
  return poke(va, DESCRIPTOR + 5, 1) == 0;
}

/** What loading a segment leaves in its descriptor (vol. 3, 3.4.5.1). */
export function set_accessed(cpu: Cpu, selector: u32): bool {
  return (type() & ACCESSED) != 0 || write_type(cpu, selector, type() | ACCESSED);
}

/** What loading TR leaves in its descriptor. */
export function set_busy(cpu: Cpu, selector: u32): bool {
  return write_type(cpu, selector, TYPE_TSS_BUSY);
}

/** Latches `vector` about a selector. Always false. */
export function bad_selector(vector: u32, selector: u32): bool {
  latch_fault(vector, selector & 0xfffc);
  return false;
}

/** Reads the descriptor of a selector, or latches #GP (or #PF) and returns false. */
export function find(cpu: Cpu, selector: u32): bool {
  const found = look_up(cpu, selector);
  return found == FOUND || (found == BEYOND && bad_selector(VECTOR_GP, selector));
}
