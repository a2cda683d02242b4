// A guest that faults has done nothing to the hypervisor: it is crashed, as Xen crashes a PV
// guest that has set no handler for the trap (domain_crash). Its vcpu runs no more, what it was
// doing is kept in its CPU's record, and the CPU goes on without a guest. Nobody else is
// touched. An IRETQ that cannot go back to the guest, because of what the guest has put into its
// frame, counts as the guest's own.

import { STOP_FAULT } from "../abi";
import { end_hypercall, is_under_way } from "./begun";
import { print, print_byte, print_dec, print_hex } from "./console";
import { Cpu } from "./cpu";
import { start_idle } from "./guest";
import { header } from "./header";
import { peek_off } from "./mem";
import { INFO_RIP } from "./stack";

/** `iretq` */
const IRETQ: u16 = 0xcf48;

/** At the IRETQ that would pop the guest's frame. */
function is_at_way_back(cpu: Cpu): bool {
  const off = peek_off(cpu.rip);
  return off != 0 && load<u16>(off) == IRETQ && cpu.rsp == cpu.stack_top_va - INFO_RIP;
}

/** True for a fault that is its guest's alone, or that of who has begun a hypercall there. */
export function is_guests_own(cpu: Cpu): bool {
  if (cpu.live == 0 || (cpu.borrowed != 0 && !is_under_way(cpu))) return false;
  return cpu.user != 0 || is_at_way_back(cpu);
}

function report(cpu: Cpu): void {
  print("d");
  print_dec(cpu.lost_domain);
  print("v");
  print_dec(cpu.id);
  print(" is crashed on CPU ");
  print_dec(cpu.id);
  print(": vector ");
  print_dec(cpu.lost_vector);
  print(", error code ");
  print_hex(cpu.lost_error, 4);
  print(", rip ");
  print_hex(cpu.lost_rip, 16);
  print(", address ");
  print_hex(cpu.lost_va, 16);
  print_byte(10);
}

/** Crashes the guest that has just faulted; a hypercall that was begun ends with the fault. */
export function crash_guest(cpu: Cpu): void {
  if (is_under_way(cpu)) {
    end_hypercall(cpu, STOP_FAULT);
    return;
  }
  cpu.lost = 1;
  cpu.lost_domain = cpu.domain;
  cpu.lost_vector = cpu.fault_vector;
  cpu.lost_error = cpu.fault_error;
  cpu.lost_rip = cpu.user != 0 ? cpu.fault_rip : load<u64>(peek_off(cpu.rsp));
  cpu.lost_va = cpu.fault_va;
  header().lost_guests++;
  report(cpu);
  start_idle(cpu);
}
