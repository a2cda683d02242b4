// UPLOAD of today's door (spec/livepatch-today 0): the steps in Xen 4.17's order, because the first
// that fails decides the errno. Everything is built aside; the payload is listed when the last step
// has succeeded, and a failure gives all of it back.

import { EEXIST, EFAULT, EINVAL, ENOMEM, PERM_R, PERM_W, PERM_X } from "../../abi";
import {
  LIVEPATCH_PAYLOAD_MAX,
  LIVEPATCH_STATE_CHECKED,
  LIVEPATCH_UPLOAD_LEN,
  LIVEPATCH_UPLOAD_PAYLOAD,
} from "../../abi_today";
import { register_bugframes, unregister_bugframes } from "../../hv/bugframes";
import { register_extable, unregister_extable } from "../../hv/extable";
import { alloc_frames, free_frames, OWNER_STAGING, pages_for } from "../../hv/frames";
import { header } from "../../hv/header";
import { copy_from_va, is_hypervisor_va } from "../../hv/mem";
import { map_pages, unmap_pages } from "../../hv/pages";
import { PAGE_SHIFT } from "../../hv/param";
import { refusal, refuse, refuse_at } from "../../hv/refusal";
import {
  PLACE_SYSCTL,
  REASON_ARG_FAULT,
  REASON_LP_NAME_EXISTS,
  REASON_NO_MEMORY,
  REASON_SIZE_LIMIT,
  REASON_SIZE_ZERO,
} from "../../reasons";
import { close_elf, ElfFile, elf_file, open_work } from "../elf";
import { claim_payload, is_payload, Payload, release_payload } from "../payload";
import { apply_altinstructions } from "./altinstr";
import { check_file, forget_hazards, noted_hazards } from "./file";
import { take_funcs } from "./funcs";
import { load_sections } from "./grouping";
import { find_hazards } from "./hazards";
import { take_hooks } from "./hooks";
import { relocate, resolve_names } from "./linking";
import { check_hypervisor, read_notes } from "./notes";
import { find_today, link_today, livepatch, NR_BUG_FRAMES, unlink_today } from "./record";
import { check_patching, check_required } from "./sections";
import { alloc_private, fill_struct, free_private } from "./struct_payload";
import { build_symtab } from "./symtab";
import { take_bug_frames, take_extable, take_modinfo } from "./tables";

/** Steps 4 to 8: the file becomes memory. */
function load_file(e: ElfFile, p: Payload): i32 {
  let rc = check_file(e);
  if (rc != 0) return rc;
  if (!open_work(e)) return refuse(ENOMEM, REASON_NO_MEMORY);
  rc = load_sections(e, p);
  if (rc == 0) rc = resolve_names(e);
  if (rc == 0) rc = relocate(e);
  return rc;
}

/** Steps 9 to 12: the memory becomes a payload. */
function prepare(e: ElfFile, p: Payload): i32 {
  let rc = check_required(e);
  if (rc == 0) rc = check_patching(e);
  if (rc == 0) rc = take_funcs(e, p);
  if (rc == 0) rc = take_hooks(e, p);
  if (rc == 0) rc = read_notes(e, p);
  if (rc == 0) rc = check_hypervisor(p);
  if (rc == 0) rc = take_bug_frames(e, p);
  if (rc == 0) rc = apply_altinstructions(e, p);
  if (rc == 0) rc = take_extable(e, p);
  if (rc == 0) rc = take_modinfo(e, p);
  if (rc == 0) rc = alloc_private(e, p);
  if (rc == 0) rc = build_symtab(e, p);
  return rc;
}


@inline
function span(size: u64): u32 {
  return <u32>((size + 0xfff) >> PAGE_SHIFT);
}

/** Step 13. What could not be mapped is left unmapped. */
function map_payload(p: Payload): i32 {
  const root = <usize>header().hv_root;
  const text = span(p.text_size);
  const rw = span(p.rw_size);
  const ro = p.mem_pages - text - rw;
  const rw_off = p.mem_off + ((<usize>text) << PAGE_SHIFT);
  const ro_off = rw_off + ((<usize>rw) << PAGE_SHIFT);
  let done = map_pages(root, p.text_va, p.mem_off, text, PERM_R | PERM_X);
  if (done && !map_pages(root, p.rw_va, rw_off, rw, PERM_R | PERM_W)) {
    unmap_pages(root, p.text_va, text);
    done = false;
  }
  if (done && !map_pages(root, p.ro_va, ro_off, ro, PERM_R)) {
    unmap_pages(root, p.text_va, text + rw);
    done = false;
  }
  return done ? 0 : refuse(ENOMEM, REASON_NO_MEMORY);
}

/** Gives back what an upload took so far; nothing of the payload is mapped but its private memory.
 *  */
function give_back(p: Payload): void {
  free_private(p, true);
  if (p.mem_pages != 0) free_frames(p.mem_off, p.mem_pages);
  release_payload(p);
}

/** All steps on the file at `off`. On success `p` is complete and listed. */
function load_payload(off: usize, size: u32, p: Payload): i32 {
  const e = elf_file();
  memory.fill(changetype<usize>(e), 0, offsetof<ElfFile>());
  forget_hazards();
  e.file_off = off;
  e.file_size = size;
  let rc = load_file(e, p);
  if (rc == 0) rc = prepare(e, p);
  if (rc == 0) rc = map_payload(p);
  if (rc == 0) {
    fill_struct(p);
    const lp = livepatch(p);
    lp.state = LIVEPATCH_STATE_CHECKED;
    lp.hazards = noted_hazards();
    find_hazards(p);
    if (p.extable_va != 0) register_extable(p.slot, p.extable_va, p.extable_end_va);
    for (let n: u32 = 0; n < NR_BUG_FRAMES; n++) {
      register_bugframes(p.slot, n, lp.bugs_va(n), lp.bugs_count(n));
    }
    link_today(p);
  }
  close_elf(e);
  return rc;
}

function refuse_field(errno: i32, reason: u32, field: u32, value: u64, limit: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_SYSCTL, field);
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

/** Copies the guest's bytes once; what is judged is what is loaded. */
function stage_and_load(p: Payload, handle: u64, size: u32): i32 {
  const pages = pages_for(size);
  const off = alloc_frames(pages, OWNER_STAGING);
  if (off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  p.raw_size = size;
  let rc = 0;
  const lost = copy_from_va(off, handle, size);
  if (lost != 0) {
    rc = refuse_field(EFAULT, REASON_ARG_FAULT, LIVEPATCH_UPLOAD_PAYLOAD, lost, size);
    refusal().va = handle + (size - lost);
  } else rc = load_payload(off, size, p);
  free_frames(off, pages);
  return rc;
}

/** `s_off`: the copy of struct xen_sysctl; the name has been read: `len` characters at `name_off`.
 *  */
export function upload_today(s_off: usize, name_off: usize, len: u32, domain: i32): i32 {
  const size = load<u64>(s_off, LIVEPATCH_UPLOAD_LEN);
  const handle = load<u64>(s_off, LIVEPATCH_UPLOAD_PAYLOAD);
  if (size == 0) return refuse_field(EINVAL, REASON_SIZE_ZERO, LIVEPATCH_UPLOAD_LEN, 0, 1);
  if (size > <u64>LIVEPATCH_PAYLOAD_MAX) {
    return refuse_field(
      EINVAL,
      REASON_SIZE_LIMIT,
      LIVEPATCH_UPLOAD_LEN,
      size,
      LIVEPATCH_PAYLOAD_MAX,
    );
  }
  if (handle + size < handle || is_hypervisor_va(handle) || is_hypervisor_va(handle + size - 1)) {
    const rc = refuse_field(EFAULT, REASON_ARG_FAULT, LIVEPATCH_UPLOAD_PAYLOAD, size, 0);
    refusal().va = handle;
    return rc;
  }
  if (is_payload(find_today(name_off, len))) return refuse(EEXIST, REASON_LP_NAME_EXISTS);
  const p = claim_payload();
  if (!is_payload(p)) return refuse(ENOMEM, REASON_NO_MEMORY);
  const lp = livepatch(p);
  memory.copy(lp.name_off, name_off, len);
  lp.name_len = len;
  memory.copy(p.id_off, name_off, min<u32>(len, 40));
  p.domain = domain;
  const rc = stage_and_load(p, handle, <u32>size);
  if (rc != 0) give_back(p);
  return rc;
}

/** Takes a listed payload away. */
export function free_today(p: Payload): void {
  unlink_today(p);
  unregister_extable(p.slot);
  unregister_bugframes(p.slot);
  unmap_pages(<usize>header().hv_root, p.base_va, p.mem_pages);
  give_back(p);
}
