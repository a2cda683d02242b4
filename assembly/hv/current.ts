// Whom a CPU works for, as image code sees it through `current`: one struct vcpu per CPU and
// domain, with its struct domain, and an idle domain for CPUs that work for nobody. Only the fields
// that code of a hypervisor looks at without being asked to are filled (livepatch-today 6.6;
// mini-Xen has the same).

import { ENOMEM, ENTRIES_MACHINE, PERM_R, PERM_W } from "../abi";
import { REASON_NO_MEMORY } from "../reasons";
import { domain_at, is_domain } from "./domain";
import { alloc_frames, OWNER_CURRENT } from "./frames";
import { header } from "./header";
import { CURRENT_VA } from "./layout";
import { map_pages } from "./pages";
import { NR_CPUS, NR_DOMAINS, PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refuse } from "./refusal";

// struct vcpu, one page each; its sched_unit lies in the page's last part.
const VCPU_ID: usize = 0;
const VCPU_PROCESSOR: usize = 4;
const VCPU_INFO: usize = 8;
const VCPU_DOMAIN: usize = 16;
const VCPU_SCHED_UNIT: usize = 200;
const SCHED_UNIT: usize = 0xe00;
/** The guest's own struct vcpu_info, 64 bytes: no event is ever pending. */
const INFO: usize = 0xfc0;
// struct domain, one page, and a page of pointers to its vcpus.
const DOMAIN_ID: usize = 0;
const DOMAIN_MAX_VCPUS: usize = 4;
const DOMAIN_VCPUS: usize = 8;
const DOMAIN_IS_PRIVILEGED: usize = 465;
const DOMID_IDLE: u16 = 0x7fff;
/** Virtual pages set aside for one domain: two of its own, then one per CPU. */
const STRIDE: u64 = (<u64>2 + NR_CPUS) << PAGE_SHIFT;


@inline
function block_va(domain: i32): u64 {
  return CURRENT_VA + STRIDE * <u64>(domain + 1);
}

/** struct vcpu of `domain` (-1: idle) on a CPU. */
@inline
export function vcpu_va(domain: i32, cpu: u32): u64 {
  return block_va(domain) + ((<u64>2 + cpu) << PAGE_SHIFT);
}

function fill_vcpu(off: usize, va: u64, cpu: u32, domain_va: u64): void {
  store<u32>(off + VCPU_ID, cpu);
  store<u32>(off + VCPU_PROCESSOR, cpu);
  store<u64>(off + VCPU_DOMAIN, domain_va);
  store<u64>(off + VCPU_SCHED_UNIT, va + SCHED_UNIT);
  store<u64>(off + SCHED_UNIT, domain_va);
  // Xen asks it between the parts of a long hypercall; only guests make those.
  if (header().entries == ENTRIES_MACHINE) store<u64>(off + VCPU_INFO, va + INFO);
}

function create_blocks(domain: i32): bool {
  const cpus = header().nr_cpus;
  const va = block_va(domain);
  const off = alloc_frames(2 + cpus, OWNER_CURRENT);
  if (off == 0) return false;
  if (!map_pages(<usize>header().hv_root, va, off, 2 + cpus, PERM_R | PERM_W)) return false;
  store<u16>(off + DOMAIN_ID, domain < 0 ? DOMID_IDLE : <u16>domain);
  store<u32>(off + DOMAIN_MAX_VCPUS, cpus);
  store<u64>(off + DOMAIN_VCPUS, va + PAGE_SIZE);
  if (domain >= 0) {
    store<u8>(off + DOMAIN_IS_PRIVILEGED, <u8>domain_at(domain).privileged);
    domain_at(domain).domain_va = va;
  }
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const vcpu = off + ((<usize>2 + <usize>cpu) << PAGE_SHIFT);
    store<u64>(off + PAGE_SIZE + ((<usize>cpu) << 3), vcpu_va(domain, cpu));
    fill_vcpu(vcpu, vcpu_va(domain, cpu), cpu, va);
  }
  return true;
}

/** Creates the blocks of the idle domain and of every domain that exists. */
export function boot_current(): i32 {
  let done = create_blocks(-1);
  for (let domain: i32 = 0; domain < <i32>NR_DOMAINS && done; domain++) {
    if (is_domain(domain)) done = create_blocks(domain);
  }
  return done ? 0 : refuse(ENOMEM, REASON_NO_MEMORY);
}
