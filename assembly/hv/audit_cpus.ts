// CPUs, stacks and domains of a machine from a file (hv/audit.ts). Registers may hold anything:
// what a CPU executes is checked as it executes. What the scheduler keeps must be what it can be.

import { GATE_GUEST_ENTRY, GATE_RENDEZVOUS_TAIL } from "../abi";
import { PART_CPUS, PART_DOMAINS, PART_STACKS } from "../reasons";
import { begun, BEGUN_ENDED, is_under_way } from "./begun";
import { saved_domain, saved_gate, saved_state, saved_user } from "./borrow";
import { broken } from "./broken";
import { are_pages } from "./claims";
import { TIME_MAX } from "./clock";
import { Cpu, CPU_GUEST, cpu_at } from "./cpu";
import { domain_at, is_domain } from "./domain";
import { entry_of_vector } from "./entries";
import { OWNER_DOMAIN, OWNER_STACK } from "./frames";
import { header } from "./header";
import { GUEST_RAM_VA, stack_base_va } from "./layout";
import { peek_off } from "./mem";
import { NR_DOMAINS, PAGE_SHIFT, STACK_SIZE } from "./param";
import { GATE_BYTES } from "./rendezvous";

/** A domain's tables have been looked through; its RAM is where its guests find it. */
function audit_domain(id: i32): bool {
  const d = domain_at(id);
  const pages = d.ram_size >> PAGE_SHIFT;
  if (d.present > 1 || d.privileged > 1 || d.has_policy > 1) return false;
  if (d.present == 0) return d.root == 0;
  if (d.ram_va != GUEST_RAM_VA || pages << PAGE_SHIFT != d.ram_size) return false;
  return are_pages(<u64>d.ram_off, pages, OWNER_DOMAIN, id, GUEST_RAM_VA);
}

export function audit_domains(): bool {
  for (let id: i32 = 0; id < <i32>NR_DOMAINS; id++) {
    if (!audit_domain(id)) return broken(PART_DOMAINS, id);
  }
  return true;
}


@inline
function is_owner(domain: i32): bool {
  return domain == -1 || is_domain(domain);
}


@inline
function is_gate(gate: u32): bool {
  return gate == GATE_GUEST_ENTRY || gate == GATE_RENDEZVOUS_TAIL;
}

/** Only vectors that somebody serves are ever requested. */
function are_served(cpu: Cpu): bool {
  const at = changetype<usize>(cpu) + offsetof<Cpu>("irr0");
  for (let vector: u32 = 0; vector < 256; vector++) {
    const bits = load<u64>(at + ((<usize>(vector >> 6)) << 3));
    if (((bits >> (vector & 63)) & 1) != 0 && entry_of_vector(vector) == 0) return false;
  }
  return cpu.nmi_pending == 0 || header().nmi_va != 0;
}

/** A CPU waits where a gate is, in the hypervisor. */
function waits_at_gate(rip: u64): bool {
  for (let i: u32 = 0; i < 3; i++) {
    const off = peek_off(rip + i);
    if (off == 0 || <u32>load<u8>(off) != ((GATE_BYTES >> (i << 3)) & 0xff)) return false;
  }
  return true;
}

/** What was put aside for a call or a hypercall that was begun, and will come back. */
function is_put_aside(cpu: Cpu): bool {
  if (cpu.borrowed == 0) return !is_under_way(cpu);
  const gate = saved_gate(cpu);
  if (cpu.live == 0 || !is_under_way(cpu)) return false;
  if (saved_state(cpu) > CPU_GUEST || saved_user(cpu) > 1) return false;
  return is_owner(saved_domain(cpu)) && (gate == 0 || is_gate(gate));
}

function is_cpu(cpu: Cpu, id: u32): bool {
  if (cpu.id != id || cpu.state > CPU_GUEST || cpu.user > 1 || cpu.live > 1) return false;
  if (cpu.zero != 0 || !is_owner(cpu.domain)) return false;
  if (begun(cpu).state > BEGUN_ENDED || cpu.retired > TIME_MAX) return false;
  if (cpu.waiting != 0) {
    if (!is_gate(cpu.waiting) || cpu.live == 0 || cpu.user != 0) return false;
    if (!waits_at_gate(cpu.rip)) return false;
  }
  return are_served(cpu) && is_put_aside(cpu);
}

/** Every CPU has its stack where its number says, in adjacent frames. */
function has_stack(cpu: Cpu): bool {
  const base_va = stack_base_va(cpu.id);
  if (cpu.stack_top_va != base_va + STACK_SIZE) return false;
  const pages = <u64>(STACK_SIZE >> PAGE_SHIFT);
  return are_pages(<u64>peek_off(base_va), pages, OWNER_STACK, -1, base_va);
}

export function audit_cpus(): bool {
  const h = header();
  let live: u32 = 0;
  let under_way: u32 = 0;
  for (let id: u32 = 0; id < h.nr_cpus; id++) {
    const cpu = cpu_at(id);
    if (!has_stack(cpu)) return broken(PART_STACKS, id);
    if (!is_cpu(cpu, id)) return broken(PART_CPUS, id);
    if (cpu.live != 0) live++;
    if (is_under_way(cpu)) under_way++;
  }
  // A machine has guests, or none; a CPU that is gone has no guest.
  if (h.live_cpus != 0 && h.live_cpus != h.nr_cpus) return broken(PART_CPUS, 0);
  if (h.live_cpus == 0 && live != 0) return broken(PART_CPUS, 0);
  return under_way == h.begun || broken(PART_CPUS, 0);
}
