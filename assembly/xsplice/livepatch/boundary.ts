// Where instructions begin in the code that is patched. A jump written into the middle of one is
// not executed as a jump; NOPs that end in the middle of one leave bytes that become other
// instructions. Both bring the hypervisor down as soon as the function is called, unless what is
// left over happens to be harmless.

import { PERM_X } from "../../abi";
import { entry_of, peek } from "../../hv/mem";
import { symbol, symbol_at } from "../../hv/symbols";
import { decode } from "../../hv/x86/decode";
import { Insn, INSN_MEM } from "../../hv/x86/insn";
import { Op } from "../../hv/x86/ops";
import { REASON_XEN_CRASH_MID_INSTRUCTION, REASON_XEN_CRASH_NOP_TAIL } from "../../reasons";
import { Func } from "./funcs";

const CODE = memory.data(16);
const INSN = memory.data(64);
/** No function of a hypervisor is longer than this. */
const FUNCTION_MAX: u64 = 0x10000;


@inline
function insn(): Insn {
  return changetype<Insn>(INSN);
}

/** Length of the instruction at `va`; 0 when it cannot be told. */
function length_at(va: u64): u32 {
  memory.fill(CODE, 0, 16);
  const seen = 16 - peek(CODE, va, 16);
  return seen == 0 ? 0 : decode(CODE, <u32>seen, va, insn());
}

/** Start of the function that `va` lies in, `va` itself when it belongs to none. */
function function_start(va: u64): u64 {
  const index = symbol_at(va);
  if (index < 0) return va;
  const start = symbol(<u32>index).va;
  return va - start > FUNCTION_MAX ? va : start;
}

/** The first instruction boundary at or behind `va`, counted from `from`; 0 when it cannot be told.
 *  */
function boundary_from(from: u64, va: u64): u64 {
  let at = from;
  while (at < va) {
    const length = length_at(at);
    if (length == 0 || insn().id == <u16>Op.Invalid) return 0;
    at += length;
  }
  return at;
}

/** Calls, jumps and returns, by their opcode. */
function branches(): bool {
  const b = load<u8>(CODE);
  if (b == 0x0f) return (load<u8>(CODE, 1) & 0xf0) == 0x80;
  if (b >= 0x70 && b <= 0x7f) return true;
  return b == 0xe8 || b == 0xe9 || b == 0xeb || b == 0xc3 || b == 0xc2 || b == 0xcc || b == 0xff;
}

/** True when the bytes from `va` on run into the function's own instructions without doing harm. */
function is_harmless(va: u64, from: u64): bool {
  let at = va;
  for (let i = 0; i < 16; i++) {
    if (boundary_from(from, at) == at) return true;
    const length = length_at(at);
    if (length == 0 || insn().id == <u16>Op.Invalid) return false;
    if (insn().has(INSN_MEM) || branches()) return false;
    at += length;
  }
  return false;
}

/** REASON_* of what would go wrong when the function runs, 0 when nothing is known to. `va`: the
 *  first byte that changes, `length`: how many. Looks at memory as it is before the patch. */
export function bad_boundary(f: Func, va: u64, length: u32): u32 {
  if (length == 0 || (entry_of(va) & PERM_X) == 0) return 0;
  const from = function_start(f.old_addr);
  const begin = boundary_from(from, va);
  if (begin == 0) return 0;
  if (begin != va) return REASON_XEN_CRASH_MID_INSTRUCTION;
  if (f.new_addr != 0) return 0;
  // NOPs go on into the next function as they go on here: its instructions count from its own
  // start.
  const end = va + length;
  const last = function_start(end - 1);
  return is_harmless(end, max<u64>(last, from)) ? 0 : REASON_XEN_CRASH_NOP_TAIL;
}
