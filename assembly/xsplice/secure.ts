// Makes a loaded payload part of the hypervisor's address space: text R-X, rw RW-, ro R--, never
// W+X (R217), unmapped pages around it. Until here nothing outside the payload's own frames has
// changed; this is the loader's commit, and it is all or nothing.

import { ENOMEM, PERM_R, PERM_W, PERM_X } from "../abi";
import { header } from "../hv/header";
import { pages_for } from "../hv/frames";
import { map_pages, unmap_pages } from "../hv/pages";
import { refuse } from "../hv/refusal";
import { REASON_NO_MEMORY } from "../reasons";
import { Payload } from "./payload";

function map_region(p: Payload, va: u64, size: u64, perms: u32): bool {
  const off = p.mem_off + <usize>(va - p.base_va);
  return map_pages(<usize>header().hv_root, va, off, pages_for(size), perms);
}

/** After this the payload can be executed, read and written where its sections say so. */
export function map_payload(p: Payload): i32 {
  const text_pages = pages_for(p.text_size);
  const rw_pages = pages_for(p.rw_size);
  const root = <usize>header().hv_root;
  if (!map_region(p, p.text_va, p.text_size, PERM_R | PERM_X)) {
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  if (!map_region(p, p.rw_va, p.rw_size, PERM_R | PERM_W)) {
    unmap_pages(root, p.text_va, text_pages);
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  if (!map_region(p, p.ro_va, p.ro_size, PERM_R)) {
    unmap_pages(root, p.text_va, text_pages + rw_pages);
    return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  return 0;
}

export function unmap_payload(p: Payload): void {
  unmap_pages(<usize>header().hv_root, p.base_va, p.mem_pages);
}
