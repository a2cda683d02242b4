// A CPU that runs on its own is borrowed for a call of the host: it is brought to where its
// hypervisor stack holds nothing of its own (in its guest, idle, or before either), its context
// is put aside in its record, and given back afterwards. What was below its stack pointer is the
// only thing that changes.

import { EBUSY, GATE_GUEST_ENTRY } from "../abi";
import { REASON_CPU_BUSY } from "../reasons";
import { Cpu, CPU_IDLE, CPU_OFFLINE } from "./cpu";
import { VECTOR_EVENT_CHECK } from "./entries";
import { header } from "./header";
import { pend } from "./interrupt";
import { refusal, refuse } from "./refusal";
import { RFLAGS_IF, set_current } from "./smp";
import { entry_rsp } from "./stack";
import { LEGACY_SIZE } from "./x86/state";

const REGISTERS: usize = 272;
/** XMM registers, and behind them the state of the x87 and MXCSR. */
const XMM: usize = 256 + LEGACY_SIZE;
const STATE: usize = offsetof<Cpu>("state");
const WAITS: usize = offsetof<Cpu>("halted");
// In the saved context.
const SAVED_STATE: usize = REGISTERS; // state, domain, user
const SAVED_WAITS: usize = REGISTERS + 16; // halted, waiting, idling
const SAVED_XMM: usize = REGISTERS + 32;

/** Could the CPU be borrowed right now? */
export function is_free(cpu: Cpu): bool {
  if (cpu.live == 0) return cpu.state == CPU_IDLE;
  if (cpu.borrowed != 0 || cpu.crashed != 0 || cpu.state == CPU_OFFLINE) return false;
  if (cpu.user != 0 || cpu.waiting == GATE_GUEST_ENTRY) return true;
  if (cpu.halted != 0) return cpu.idling != 0;
  return cpu.rip == header().idle_loop_va || cpu.rip == header().test_all_events_va;
}

/** -EBUSY cpu-busy, with where the CPU is. */
export function refuse_busy(cpu: Cpu): i32 {
  const rc = refuse(EBUSY, REASON_CPU_BUSY);
  refusal().cpu = cpu.id;
  refusal().va = cpu.rip;
  return rc;
}

/** Puts the context aside, if the CPU has one. Returns rsp for the call's first frame. */
export function borrow(cpu: Cpu): u64 {
  if (cpu.live == 0 || cpu.borrowed != 0) return entry_rsp(cpu);
  const at = changetype<usize>(cpu);
  const to = cpu.saved_off;
  memory.copy(to, at, REGISTERS);
  memory.copy(to + SAVED_STATE, at + STATE, 12);
  memory.copy(to + SAVED_WAITS, at + WAITS, 12);
  memory.copy(to + SAVED_XMM, cpu.xmm_off, XMM);
  const rsp = cpu.user != 0 ? entry_rsp(cpu) : ((cpu.rsp - 128) & ~15) - 8;
  cpu.halted = 0;
  cpu.waiting = 0;
  cpu.idling = 0;
  cpu.borrowed = 1;
  return rsp;
}

// What a borrowed CPU was before, for whoever looks a machine from a file through.

@inline
export function saved_state(cpu: Cpu): u32 {
  return load<u32>(cpu.saved_off + SAVED_STATE);
}


@inline
export function saved_domain(cpu: Cpu): i32 {
  return load<i32>(cpu.saved_off + SAVED_STATE, 4);
}


@inline
export function saved_user(cpu: Cpu): u32 {
  return load<u32>(cpu.saved_off + SAVED_STATE, 8);
}


@inline
export function saved_gate(cpu: Cpu): u32 {
  return load<u32>(cpu.saved_off + SAVED_WAITS, 4);
}

/** Afterwards. Interrupts that the call has taken have not led past the patch point, nor to
 *  softirqs: the CPU comes by once more. */
export function give_back(cpu: Cpu): void {
  const borrowed = cpu.borrowed != 0;
  cpu.borrowed = 0;
  if (cpu.live == 0 || !borrowed) {
    cpu.state = CPU_IDLE;
    cpu.rflags |= RFLAGS_IF;
    set_current(cpu, -1);
    return;
  }
  const at = changetype<usize>(cpu);
  const from = cpu.saved_off;
  memory.copy(at, from, REGISTERS);
  memory.copy(at + STATE, from + SAVED_STATE, 12);
  memory.copy(at + WAITS, from + SAVED_WAITS, 12);
  memory.copy(cpu.xmm_off, from + SAVED_XMM, XMM);
  set_current(cpu, cpu.domain);
  pend(cpu, VECTOR_EVENT_CHECK);
}
