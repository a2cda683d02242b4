// hv/interrupt: requests, priorities, the frame that is pushed, masks (R222, R223).

import { GATE_GUEST_ENTRY, GATE_RENDEZVOUS_TAIL } from "../../../assembly/abi";
import { GUARD_NMI_MASK } from "../../../assembly/abi_schedules";
import { CPU_HYPERVISOR, cpu_at } from "../../../assembly/hv/cpu";
import { header } from "../../../assembly/hv/header";
import {
  deliver,
  enter_by_instruction,
  is_in_nmi,
  is_wanted,
  pend,
  pend_nmi,
} from "../../../assembly/hv/interrupt";
import { peek_off } from "../../../assembly/hv/mem";
import { reset_engine } from "../support/engine_machine";

const EVENT: u64 = 0xffff82d080100100;
const CALL: u64 = 0xffff82d080100200;
const NMI: u64 = 0xffff82d080100300;
const IF: u64 = 0x200;

function busy(flags: u64): void {
  const cpu = cpu_at(1);
  cpu.live = 1;
  cpu.state = CPU_HYPERVISOR;
  cpu.rip = 0xffff82d080101234;
  cpu.rsp = cpu.stack_top_va - 1003;
  cpu.rflags = 2 | flags;
}

describe("interrupts", () => {
  beforeEach(() => {
    reset_engine();
    const h = header();
    h.event_check_va = EVENT;
    h.call_function_va = CALL;
    h.nmi_va = NMI;
    h.test_guards = 0;
    busy(IF);
  });

  it("only vectors that the image serves can be requested", () => {
    expect<bool>(pend(cpu_at(1), 0xfc)).toBe(true);
    expect<bool>(pend(cpu_at(1), 0xfa)).toBe(false);
    expect<bool>(pend(cpu_at(1), 300)).toBe(false);
  });

  it("the highest vector first, in an aligned frame, interrupts off", () => {
    const cpu = cpu_at(1);
    const rsp = cpu.rsp;
    pend(cpu, 0xfb);
    pend(cpu, 0xfc);
    expect<bool>(deliver(cpu)).toBe(true);
    expect<u64>(cpu.rip).toBe(EVENT);
    expect<u64>(cpu.rsp).toBe((rsp & ~15) - 40);
    expect<u64>(cpu.rflags & IF).toBe(0);
    expect<u64>(load<u64>(peek_off(cpu.rsp))).toBe(0xffff82d080101234);
    expect<u64>(load<u64>(peek_off(cpu.rsp + 24))).toBe(rsp);
    expect<bool>(is_wanted(cpu)).toBe(false); // the other one waits for IF
    cpu.rflags |= IF;
    deliver(cpu);
    expect<u64>(cpu.rip).toBe(CALL);
  });

  it("from a guest the frame ends where cpu_user_regs does", () => {
    const cpu = cpu_at(1);
    cpu.user = 1;
    cpu.rip = 0x400000;
    pend(cpu, 0xfc);
    deliver(cpu);
    expect<u64>(cpu.rsp).toBe(cpu.stack_top_va - 136);
    expect<u32>(cpu.user).toBe(0);
  });

  it("R223: no second NMI while one is served, none while the CPU waits", () => {
    const cpu = cpu_at(1);
    pend_nmi(cpu);
    deliver(cpu);
    expect<u64>(cpu.rip).toBe(NMI);
    expect<bool>(is_in_nmi(cpu)).toBe(true);
    pend_nmi(cpu);
    expect<bool>(is_wanted(cpu)).toBe(false);
    cpu.rsp += 40; // IRETQ
    expect<bool>(is_wanted(cpu)).toBe(true);
    cpu.waiting = GATE_GUEST_ENTRY;
    expect<bool>(is_wanted(cpu)).toBe(false);
    header().test_guards = GUARD_NMI_MASK;
    expect<bool>(is_wanted(cpu)).toBe(true);
  });

  it("the window is open before a guest and closed at the rendezvous' tail", () => {
    const cpu = cpu_at(1);
    busy(0);
    pend(cpu, 0xfc);
    cpu.waiting = GATE_RENDEZVOUS_TAIL;
    expect<bool>(is_wanted(cpu)).toBe(false);
    cpu.waiting = GATE_GUEST_ENTRY;
    expect<bool>(is_wanted(cpu)).toBe(true);
    deliver(cpu);
    expect<u32>(cpu.waiting).toBe(0);
    expect<u32>(cpu.interrupted).toBe(1);
  });

  it("asked for by an instruction: the image's entries, and no others", () => {
    const cpu = cpu_at(1);
    const rsp = cpu.rsp;
    expect<bool>(enter_by_instruction(cpu, 0xfb)).toBe(true);
    expect<u64>(cpu.rip).toBe(CALL);
    expect<u64>(load<u64>(peek_off(cpu.rsp))).toBe(0xffff82d080101234);
    expect<u64>(load<u64>(peek_off(cpu.rsp + 24))).toBe(rsp);
    busy(IF);
    expect<bool>(enter_by_instruction(cpu, 2)).toBe(true);
    expect<u64>(cpu.rip).toBe(NMI);
    expect<bool>(is_in_nmi(cpu)).toBe(false); // further ones are not masked
    busy(IF);
    expect<bool>(enter_by_instruction(cpu, 0x80)).toBe(false);
    expect<u64>(cpu.rip).toBe(0xffff82d080101234);
  });
});
