// The other way of looking at a stack (R181): from frame pointer to frame pointer (psABI, 3.2.2),
// which sees return addresses only, and not the words that merely look like one. Sound in an image
// where some functions have frames and others do not: a function's locals are passed over only
// when its code begins with the frame's set-up; from the first frame for which that cannot be
// said, every word up to the stack's end is looked at, as hv/stack_scan.ts does it. Relied on: a
// function that sets a frame up at its entry keeps rbp until its epilogue, as compilers have it.

import { Cpu } from "./cpu";
import { peek_off } from "./mem";
import { is_in_ranges, scan_words } from "./stack_scan";
import { symbol, symbol_at } from "./symbols";

const ENDBR64: u32 = 0xfa1e0ff3;
const PUSH_RBP: u8 = 0x55;
const MOV_RSP_RBP: u32 = 0xe58948; // mov %rsp,%rbp
const MOV_RSP_RBP_LOAD: u32 = 0xec8b48; // the same in its other encoding
const POP_RBP: u8 = 0x5d;
const LEAVE: u8 = 0xc9;

/** Saved rbp and return address. */
const FRAME_SIZE: u64 = 16;

function byte_at(va: u64): u8 {
  const off = peek_off(va);
  return off == 0 ? 0 : load<u8>(off);
}

/** `n` bytes of code, little-endian; they may cross a page. */
function code_at(va: u64, n: u32): u32 {
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < n; i++) bytes |= (<u32>byte_at(va + <u64>i)) << (i << 3);
  return bytes;
}

/** Whether the function that `va` belongs to has its frame there: it sets one up at its very
 *  entry, as memory has it now, and `va` is behind that. */
export function has_frame(va: u64): bool {
  const index = symbol_at(va);
  if (index < 0) return false;
  let at = symbol(<u32>index).va;
  if (code_at(at, 4) == ENDBR64) at += 4;
  if (byte_at(at) != PUSH_RBP) return false;
  const mov = code_at(at + 1, 3);
  return (mov == MOV_RSP_RBP || mov == MOV_RSP_RBP_LOAD) && va >= at + 4;
}

/** Whether the function may have given its frame up already: behind POP RBP or LEAVE, or at a
 *  return or jump that leaves it. */
function is_leaving(rip: u64): bool {
  const before = byte_at(rip - 1);
  if (before == POP_RBP || before == LEAVE) return true;
  switch (<u32>byte_at(rip)) {
    case 0xc2: // RET
    case 0xc3:
    case 0xf2: // their prefixes
    case 0xf3:
    case 0xe9: // JMP
    case 0xeb:
    case 0xff:
      return true;
    default:
      return false;
  }
}


@inline
function is_frame(va: u64, lo_va: u64, end_va: u64): bool {
  return (va & 7) == 0 && va >= lo_va && va < end_va && end_va - va >= FRAME_SIZE;
}

/** Address of the first word of the stack in [va, end_va) that is, or may be, a return address
 *  into the ranges of prepare_scan(); 0 when there is none. */
export function find_in_frames(cpu: Cpu, va: u64, end_va: u64): u64 {
  const off = peek_off(va); // the stack's frames are adjacent
  if (off == 0) return 0;
  let from_va = va; // nothing below is left to look at
  let frame_va = cpu.rbp;
  let pc = cpu.rip;
  let framed = !is_leaving(pc) && has_frame(pc) && is_frame(frame_va, va, end_va);
  if (framed) {
    // The innermost frame is looked at as a whole: its function may be in the middle of anything.
    from_va = frame_va + FRAME_SIZE;
    const found = scan_words(off, off + <usize>(from_va - va));
    if (found != 0) return va + <u64>(found - off);
  }
  while (framed) {
    const frame_off = off + <usize>(frame_va - va);
    frame_va = load<u64>(frame_off);
    pc = load<u64>(frame_off, 8) - 1; // of the call: what does not return may end its function
    framed = has_frame(pc) && is_frame(frame_va, from_va, end_va);
    if (!framed) break;
    from_va = frame_va + FRAME_SIZE;
    const return_va = from_va - 8;
    if (is_in_ranges(load<u64>(off + <usize>(return_va - va)))) return return_va;
  }
  const found = scan_words(off + <usize>(from_va - va), off + <usize>(end_va - va));
  return found == 0 ? 0 : va + <u64>(found - off);
}
