// What a hook calls in the hypervisor is executed, except for the few functions that reach into
// machinery which is this machine's own: printk, panic, and the parts of live patching that touch
// page tables, code and lists. At their entries stands a gate while a hook runs; stopping there,
// the machine does what they would do. revert_payload and apply_payload are not among them: their
// own code runs, and calls the hooks that it finds.

import { VECTOR_PF, VECTOR_UD } from "../../abi";
import { Cpu } from "../../hv/cpu";
import { enter_domain } from "../../hv/domain";
import { known_symbol } from "../../hv/image";
import { peek, poke } from "../../hv/mem";
import { GATE_BYTES } from "../../hv/rendezvous";
import { is_payload } from "../payload";
import { func_at } from "./funcs";
import { print_format } from "./printf";
import { first_today, livepatch, next_today } from "./record";
import { denied_va, service } from "./services";
import { is_applied } from "./struct_payload";

const NR_GATES: u32 = 11;
const GATE_LEN: u32 = 3;
const BYTES = memory.data(8);

/** {u64 va, u32 bytes that were there, u32} of each gate; va 0: none. */
const GATES = memory.data(176);
if (<usize>NR_GATES * 16 > 176) ERROR("gates outgrow their table");

function gate_name(i: u32): string {
  switch (i) {
    case 0:
      return "printk";
    case 1:
      return "panic";
    case 2:
      return "arch_livepatch_quiesce";
    case 3:
      return "arch_livepatch_revive";
    case 4:
      return "arch_livepatch_apply";
    case 5:
      return "arch_livepatch_revert";
    case 6:
      return "arch_livepatch_post_action";
    case 7:
      return "revert_payload_tail";
    case 8:
      return "relax_virtual_region_perms";
    case 9:
      return "tighten_virtual_region_perms";
    default:
      return "vprintk";
  }
}
/** Instead of a vector, of a hook that called what does not return. */
const NO_VECTOR: u32 = 256;
const GATE_PRINTK: u32 = 0;
const GATE_PANIC: u32 = 1;

/** True when an applied payload has changed the bytes of [va, va + GATE_LEN). */
function is_patched(va: u64): bool {
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
      if (!is_applied(p, i)) continue;
      const old = func_at(p, i).old_addr;
      if (va < old + 36 && old < va + GATE_LEN) return true;
    }
  }
  return false;
}

export function open_gates(): void {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const at = GATES + ((<usize>i) << 4);
    const va = known_symbol(gate_name(i));
    store<u64>(at, 0);
    if (va == 0 || is_patched(va) || peek(BYTES, va, GATE_LEN) != 0) continue;
    store<u64>(at, va);
    store<u32>(at, load<u32>(BYTES), 8);
    store<u32>(BYTES, GATE_BYTES);
    poke(va, BYTES, GATE_LEN);
  }
}

/** Takes the gates away; one that has been overwritten meanwhile is somebody's patch. */
export function close_gates(): void {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const at = GATES + ((<usize>i) << 4);
    const va = load<u64>(at);
    if (va == 0) continue;
    if (peek(BYTES, va, GATE_LEN) != 0 || (load<u32>(BYTES) & 0xffffff) != GATE_BYTES) continue;
    poke(va, at + 8, GATE_LEN);
    store<u64>(at, 0);
  }
}

/** Which gate a CPU has stopped behind; NR_GATES: none of ours. */
function gate_of(rip: u64): u32 {
  for (let i: u32 = 0; i < NR_GATES; i++) {
    const va = load<u64>(GATES + ((<usize>i) << 4));
    if (va != 0 && va + GATE_LEN == rip) return i;
  }
  return NR_GATES;
}

/** Answers for the function at whose entry the CPU is, and returns from it. False: it does not
 *  return. */
export function answer_gate(cpu: Cpu): bool {
  const i = gate_of(cpu.rip);
  cpu.fault_va = 0;
  if (i == NR_GATES) {
    cpu.fault_vector = VECTOR_UD; // a vmcall of its own: nothing is below the hypervisor
    return false;
  }
  if (i == GATE_PANIC) {
    cpu.rip -= GATE_LEN;
    cpu.fault_vector = NO_VECTOR;
    return false;
  }
  if (i == GATE_PRINTK) print_format(cpu);
  else {
    // The services look at the functions that they change: no gate may be in the way.
    const result = service(gate_name(i), cpu.rdi, cpu.rsi);
    cpu.rax = <u64>(<i64>result);
    enter_domain(-1, false);
    if (denied_va() != 0) {
      cpu.rip -= GATE_LEN;
      cpu.fault_vector = VECTOR_PF;
      cpu.fault_va = denied_va();
      return false;
    }
  }
  if (peek(BYTES, cpu.rsp, 8) != 0) return false;
  cpu.rip = load<u64>(BYTES);
  cpu.rsp += 8;
  return true;
}
