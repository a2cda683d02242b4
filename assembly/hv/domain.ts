// Domains: dom0, which may manage the hypervisor, and dom1, an ordinary guest. Each has its own
// lower half of the address space with its RAM at GUEST_RAM_VA, not executable.

import { ENOMEM, PERM_R, PERM_W } from "../abi";
import { REASON_NO_MEMORY, REASON_NO_SUCH_DOMAIN } from "../reasons";
import { alloc_frames, OWNER_DOMAIN } from "./frames";
import { header } from "./header";
import { DOMAINS_OFF, DOMAIN_SIZE, GUEST_RAM_VA } from "./layout";
import { set_context } from "./mem";
import { map_pages, new_root } from "./pages";
import { DOM0_RAM, DOMU_RAM, NR_DOMAINS, PAGE_SHIFT } from "./param";
import { refusal, refuse } from "./refusal";
import { EINVAL } from "../abi";


@unmanaged
export class Domain {
  present: u32;
  privileged: u32;
  root: usize; // page table of the lower half
  ram_off: usize;
  ram_va: u64;
  ram_size: u64;
  has_policy: u32; // hv/xsm.ts
  policy: u32;
  domain_va: u64; // struct domain for image code (hv/current.ts)
}
if (offsetof<Domain>() > DOMAIN_SIZE) ERROR("Domain outgrows its slot");


@inline
export function domain_at(id: i32): Domain {
  assert(<u32>id < NR_DOMAINS);
  return changetype<Domain>(DOMAINS_OFF + DOMAIN_SIZE * <usize>id);
}

export function is_domain(id: i32): bool {
  return <u32>id < NR_DOMAINS && domain_at(id).present != 0;
}

/** 0, or -EINVAL no-such-domain. */
export function check_domain(id: i32): i32 {
  if (is_domain(id)) return 0;
  const rc = refuse(EINVAL, REASON_NO_SUCH_DOMAIN);
  refusal().value = <u64>id;
  return rc;
}

function create_domain(id: i32, privileged: bool, ram: u32): bool {
  const d = domain_at(id);
  const root = new_root();
  const frames = ram >> PAGE_SHIFT;
  const ram_off = alloc_frames(frames, OWNER_DOMAIN);
  if (root == 0 || ram_off == 0) return false;
  if (!map_pages(root, GUEST_RAM_VA, ram_off, frames, PERM_R | PERM_W)) return false;
  d.present = 1;
  d.privileged = <u32>privileged;
  d.root = root;
  d.ram_off = ram_off;
  d.ram_va = GUEST_RAM_VA;
  d.ram_size = ram;
  return true;
}

/** Creates what every machine starts with. What was allocated before a failure is the caller's to
 *  wipe. */
export function boot_domains(): i32 {
  if (create_domain(0, true, DOM0_RAM) && create_domain(1, false, DOMU_RAM)) return 0;
  return refuse(ENOMEM, REASON_NO_MEMORY);
}

/** Virtual addresses mean `domain`'s lower half (-1: none) and the hypervisor's. */
export function enter_domain(domain: i32, user: bool): void {
  const lower: usize = domain < 0 ? 0 : domain_at(domain).root;
  set_context(<usize>header().hv_root, lower, domain, user);
}
