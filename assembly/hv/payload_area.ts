// Where payloads go: a part of the hypervisor's address space behind the image, so that a 32-bit
// displacement reaches it. First fit upwards, one unmapped guard page before every allocation, as
// Xen's vmap does it. What is taken is read off the page table, so unmapping alone gives space
// back.

import { BOOT_PAYLOAD_BASE, EINVAL } from "../abi";
import { REASON_BOOT_PARAMETER } from "../reasons";
import { header } from "./header";
import { known_symbol } from "./image";
import { HYPERVISOR_VA, MACHINE_HI_VA, MACHINE_LO_VA } from "./layout";
import { walk } from "./pages";
import { PAGE_SHIFT, PAGE_SIZE } from "./param";
import { refusal, refuse } from "./refusal";

/** End of Xen's area for payloads: fixed in its memory map, just below the fixmap. */
const XEN_VIRT_END: u64 = 0xffff82d07feff000;
const DEFAULT_SIZE: u64 = 0x40000000;
/** No area is larger. */
export const PAYLOAD_AREA_MAX: u64 = DEFAULT_SIZE;

/** An area that begins at `base` ends before the machine's own addresses and after 1 GiB. */
function end_of(base: u64): u64 {
  let end = base + DEFAULT_SIZE;
  const h = header();
  if (base < MACHINE_LO_VA && end > MACHINE_LO_VA) end = MACHINE_LO_VA;
  if (base < h.image_lo_va && end > h.image_lo_va) end = h.image_lo_va & ~(<u64>PAGE_SIZE - 1);
  return end;
}

/** A base given at boot must be free, page-aligned hypervisor space. */
function check_base(base: u64): i32 {
  const h = header();
  const machine = base >= MACHINE_LO_VA && base < MACHINE_HI_VA;
  const image = base + PAGE_SIZE > h.image_lo_va && base < h.image_hi_va;
  const outside = base < HYPERVISOR_VA || base > <u64>0 - 2 * DEFAULT_SIZE;
  if ((base & (PAGE_SIZE - 1)) == 0 && !machine && !image && !outside) return 0;
  const rc = refuse(EINVAL, REASON_BOOT_PARAMETER);
  refusal().index = BOOT_PAYLOAD_BASE;
  refusal().va = base;
  return rc;
}

/** Settles the area. `base` 0: behind the image. */
export function boot_payload_area(base: u64): i32 {
  const h = header();
  if (base != 0) {
    const rc = check_base(base);
    if (rc != 0) return rc;
    h.payload_base_va = base;
    h.payload_end_va = end_of(base);
    return 0;
  }
  const xen = known_symbol("__2M_rwdata_end");
  const begin = (max<u64>(xen, h.image_hi_va) + (PAGE_SIZE - 1)) & ~(<u64>PAGE_SIZE - 1);
  const xen_area = xen != 0 && begin < XEN_VIRT_END && XEN_VIRT_END - begin <= DEFAULT_SIZE;
  const end = xen_area ? XEN_VIRT_END : end_of(begin);
  // Xen keeps a bitmap of the area, one bit per page, in the area's own first pages.
  const bitmap = (((end - begin) >> PAGE_SHIFT) + 7) >> 3;
  h.payload_base_va = begin + ((bitmap + (PAGE_SIZE - 1)) & ~(<u64>PAGE_SIZE - 1));
  h.payload_end_va = end;
  return 0;
}

/** Free space for `pages` pages and the guard page before them; 0 when there is none. */
export function find_payload_va(pages: u32): u64 {
  const h = header();
  const root = <usize>h.hv_root;
  let run: u64 = 0;
  for (let va = h.payload_base_va; va < h.payload_end_va; va += PAGE_SIZE) {
    if (walk(root, va) != 0) {
      run = 0;
      continue;
    }
    if (++run == <u64>pages + 1) return va - ((<u64>pages - 1) << PAGE_SHIFT);
  }
  return 0;
}
