// Which functions a call enters: recorded while somebody listens, one instruction at a time. Kept
// outside of the machine: listening changes nothing in it. Branches as in the Intel SDM, vol. 2:
// call (e8, ff /2), jmp (e9, ff /4), ret (c3, c2), which enters a function where a thunk has
// pushed its address.

import { peek_off } from "../mem";
import { symbol, symbol_at } from "../symbols";

/** Entries {from, to}; the first ones are kept. */
export const TRACE_MAX: u32 = 2048;
const ENTRIES = memory.data(32768);
let listening = false;
let count: u32 = 0;

/** Begins (forgetting what was recorded) or ends. Returns how many entries there are. */
export function trace(on: bool): u32 {
  if (on) count = 0;
  listening = on;
  return count;
}


@inline
export function is_traced(): bool {
  return listening;
}

/** {u64 from, u64 to}, oldest first. */
export function trace_entry(i: u32): usize {
  return ENTRIES + ((<usize>i) << 4);
}

/** The first opcode byte behind prefixes that branches have, and its ModRM. */
function opcode_at(va: u64): u32 {
  for (let i: u64 = 0; i < 4; i++) {
    const off = peek_off(va + i);
    if (off == 0) return 0;
    const byte = <u32>load<u8>(off);
    if (byte == 0x2e || byte == 0x3e || byte == 0x67 || byte == 0xf2 || (byte & 0xf0) == 0x40) {
      continue;
    }
    const next = peek_off(va + i + 1);
    return byte | (next == 0 ? 0 : (<u32>load<u8>(next)) << 8);
  }
  return 0;
}

/** What the instruction at a place does, as far as entering functions goes. */
const CALLS: u32 = 1;
const JUMPS: u32 = 2;
const RETURNS: u32 = 3;

function kind_of(opcode: u32): u32 {
  const byte = opcode & 0xff;
  const digit = (opcode >> 11) & 7;
  if (byte == 0xe8 || (byte == 0xff && digit == 2)) return CALLS;
  if (byte == 0xe9 || (byte == 0xff && digit == 4)) return JUMPS;
  return byte == 0xc3 || byte == 0xc2 ? RETURNS : 0;
}

/** The instruction at `from` was executed, the next one is at `to`. `opcode`: what stood at
 *  `from`. */
function note(from: u64, to: u64, opcode: u32): void {
  const kind = kind_of(opcode);
  if (kind == 0 || count == TRACE_MAX) return;
  const index = symbol_at(to);
  const entry = index >= 0 && symbol(<u32>index).va == to;
  if (kind == RETURNS && !entry) return;
  // Code of a payload has no symbols here: a jump from the image to it is a trampoline.
  if (kind == JUMPS && !entry && (index >= 0 || symbol_at(from) < 0)) return;
  store<u64>(trace_entry(count), from);
  store<u64>(trace_entry(count), to, 8);
  count++;
}

let opcode_before: u32 = 0;
/** Call before and after an instruction. */
export function before_instruction(va: u64): void {
  opcode_before = opcode_at(va);
}
export function after_instruction(from: u64, to: u64): void {
  note(from, to, opcode_before);
}
