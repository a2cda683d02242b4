// The code that does the patching cannot be patched (R221). In this machine that is every function
// of the image through which the hypervisor reaches the core: the ones with a gate instruction
// (vmcall: the sysctl itself, the patch points). Replacing one of them would change what runs while
// it is replaced.

import { peek_off } from "../hv/mem";
import { PAGE_SIZE } from "../hv/param";
import { Op } from "../hv/x86/ops";
import { found_insn, insn_around } from "./scan";
import { Splice, SPLICE_TEXT, SPLICE_TRAMPOLINE } from "./splice";

/** 0f 01 c1. */
const VMCALL_0: u8 = 0x0f;
const VMCALL_1: u8 = 0x01;
const VMCALL_2: u8 = 0xc1;

function byte_at(va: u64): u8 {
  const off = peek_off(va);
  return off == 0 ? 0 : load<u8>(off);
}

/** A gate instruction begins at `va`: not only its bytes. */
function is_gate(va: u64): bool {
  if (byte_at(va + 1) != VMCALL_1 || byte_at(va + 2) != VMCALL_2) return false;
  return insn_around(va) == va && found_insn().id == <u16>Op.Vmcall;
}

/** The function around this place has a gate. */
export function is_patching_code(s: Splice): bool {
  if (s.kind != SPLICE_TRAMPOLINE && s.kind != SPLICE_TEXT) return false;
  const end = s.object_va + s.object_size;
  let va = s.object_va;
  while (va < end) {
    const stop = min<u64>((va | (PAGE_SIZE - 1)) + 1, end);
    const base = peek_off(va);
    if (base != 0) {
      const last = base + <usize>(stop - va);
      for (let off = base; off < last; off++) {
        if (load<u8>(off) == VMCALL_0 && is_gate(va + <u64>(off - base))) return true;
      }
    }
    va = stop;
  }
  return false;
}
