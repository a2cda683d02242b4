// The guests of a machine with a workload: their code in every domain, a page of data for each
// CPU, and the state in which a CPU meets its guest for the first time. A CPU without a guest
// runs the image's idle loop. Either way it begins where the image says
// (images/mini-xen/README.md) and never comes back to the machine but through faults, gates, HLT
// and the guest's syscalls.

import {
  ENOMEM,
  PERM_R,
  PERM_W,
  PERM_X,
  WORKLOAD_DOMCTL,
  WORKLOAD_IDLE,
  WORKLOAD_NONE,
} from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import { Cpu, CPU_HYPERVISOR, cpu_at } from "./cpu";
import { domain_at } from "./domain";
import { alloc_frames, OWNER_DOMAIN } from "./frames";
import { GUEST_CODE, GUEST_CODE_SIZE } from "./guest_code";
import { program_of, workload_of } from "./guest_programs";
import { header } from "./header";
import { GUEST_DATA_VA, GUEST_TEXT_VA } from "./layout";
import { peek_off } from "./mem";
import { map_pages } from "./pages";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refuse } from "./refusal";
import { HYPERVISOR_CS, RFLAGS_IF, RFLAGS_RESET, set_current } from "./smp";
import { INFO_GUEST_REGS } from "./stack";

/** First tick of the timer, then once a virtual second (RFC R190). */
export const TIMER_PERIOD_NS: u64 = 1000000000;
export const GUEST_CS: u64 = 0xe033;
export const GUEST_SS: u64 = 0xe02b;
const DOMAINS: i32 = 2;
const GPRS_SIZE: usize = 128;

// struct cpu_user_regs, from its start at T - INFO_GUEST_REGS.
const UREGS_R13: usize = 16;
const UREGS_RBP: usize = 32;
const UREGS_RBX: usize = 40;
const UREGS_RIP: usize = 128;

function map_guest(domain: i32): bool {
  const h = header();
  const text = alloc_frames(1, OWNER_DOMAIN);
  const data = alloc_frames(h.nr_cpus, OWNER_DOMAIN);
  if (text == 0 || data == 0) return false;
  memory.copy(text, GUEST_CODE, GUEST_CODE_SIZE);
  const root = domain_at(domain).root;
  if (!map_pages(root, GUEST_TEXT_VA, text, 1, PERM_R | PERM_X)) return false;
  return map_pages(root, GUEST_DATA_VA, data, h.nr_cpus, PERM_R | PERM_W);
}

/** Brings a CPU to the idle loop, with an empty stack and nothing of a guest's in its registers. */
export function start_idle(cpu: Cpu): void {
  memory.fill(changetype<usize>(cpu), 0, GPRS_SIZE);
  cpu.state = CPU_HYPERVISOR;
  cpu.user = 0;
  cpu.cs = HYPERVISOR_CS;
  cpu.ss = 0;
  cpu.rsp = cpu.stack_top_va - INFO_GUEST_REGS;
  set_current(cpu, -1);
  cpu.rflags = RFLAGS_RESET | RFLAGS_IF;
  cpu.rip = header().idle_loop_va;
}

/** Brings a CPU to where it begins: its guest, or the idle loop when it has none (any more). */
export function start_cpu(cpu: Cpu): void {
  const h = header();
  const workload = workload_of(cpu.id);
  cpu.live = 1;
  if (workload == WORKLOAD_IDLE || cpu.lost != 0) {
    start_idle(cpu);
    return;
  }
  cpu.state = CPU_HYPERVISOR;
  cpu.rsp = cpu.stack_top_va - INFO_GUEST_REGS;
  set_current(cpu, workload == WORKLOAD_DOMCTL ? 0 : 1);
  cpu.rflags = RFLAGS_RESET;
  cpu.rip = h.test_all_events_va;
  const data_va = GUEST_DATA_VA + ((<u64>cpu.id) << PAGE_SHIFT);
  const regs = peek_off(cpu.rsp);
  memory.fill(regs, 0, 200);
  store<u64>(regs, <u64>cpu.id, UREGS_R13); // so that no two CPUs compute the same
  store<u64>(regs, <u64>cpu.id, UREGS_RBP);
  store<u64>(regs, data_va, UREGS_RBX);
  store<u64>(regs, GUEST_TEXT_VA + program_of(workload), UREGS_RIP);
  store<u64>(regs, GUEST_CS, UREGS_RIP + 8);
  store<u64>(regs, RFLAGS_RESET | RFLAGS_IF, UREGS_RIP + 16);
  store<u64>(regs, data_va + PAGE_SIZE, UREGS_RIP + 24);
  store<u64>(regs, GUEST_SS, UREGS_RIP + 32);
}

/** Sets the CPUs of a machine with a workload going. */
export function boot_guests(): i32 {
  const h = header();
  if (h.workload == WORKLOAD_NONE) return 0;
  for (let domain = 0; domain < DOMAINS; domain++) {
    if (!map_guest(domain)) return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  for (let id: u32 = 0; id < h.nr_cpus; id++) start_cpu(cpu_at(id));
  h.live_cpus = h.nr_cpus;
  h.next_timer_ns = TIMER_PERIOD_NS;
  return 0;
}
