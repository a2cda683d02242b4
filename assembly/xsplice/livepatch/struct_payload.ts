// struct payload as Xen 4.17 hands it to hooks: 552 bytes at these offsets (spec/livepatch-today
// 4), with the state of each function behind it. It lies in memory of the hypervisor that belongs
// to the payload but not to its pages. The machine's own record is authoritative; this is brought
// up to date before a hook runs. The functions' state is kept here alone; of the rest, what a hook
// may change for Xen to see (state, rc, reverted, safe_to_reapply) is taken over when it returns.

import { ENOMEM, PERM_R, PERM_W } from "../../abi";
import { LIVEPATCH_STATE_CHECKED } from "../../abi_today";
import { are_pages } from "../../hv/claims";
import { alloc_frames, free_frames, OWNER_PAYLOAD, pages_for } from "../../hv/frames";
import { header } from "../../hv/header";
import { keep } from "../../hv/journal";
import { PRIVATE_STRIDE, PRIVATE_VA } from "../../hv/layout";
import { map_pages, unmap_pages } from "../../hv/pages";
import { PAGE_SHIFT } from "../../hv/param";
import { refuse } from "../../hv/refusal";
import { REASON_NO_MEMORY } from "../../reasons";
import { ElfFile } from "../elf";
import { is_payload, no_payload, Payload } from "../payload";
import {
  first_today,
  HOOK_APPLY,
  HOOK_LOAD,
  HOOK_POSTAPPLY,
  HOOK_POSTREVERT,
  HOOK_PREAPPLY,
  HOOK_PREREVERT,
  HOOK_REVERT,
  HOOK_UNLOAD,
  livepatch,
  next_today,
  NR_BUG_FRAMES,
} from "./record";
import { symtab_bytes } from "./symtab";

const STRUCT_ROOM: u64 = 576; // 552, aligned
const STRUCT_SIZE: usize = 552;
export const FSTATE_SIZE: usize = 40;
export const FSTATE_APPLIED: usize = 4;
export const FSTATE_SAVED: usize = 8;
const LIST: u64 = 16;
const APPLIED_LIST: u64 = 88;
const NAME: usize = 408;

/** Private memory: struct payload, state of the functions, symbol table, names. */
export function alloc_private(e: ElfFile, p: Payload): i32 {
  const lp = livepatch(p);
  const states = <u64>lp.nfuncs * <u64>FSTATE_SIZE;
  const bytes = STRUCT_ROOM + states + symtab_bytes(e, p);
  if (bytes > PRIVATE_STRIDE) return refuse(ENOMEM, REASON_NO_MEMORY);
  const pages = pages_for(bytes);
  const off = alloc_frames(pages, OWNER_PAYLOAD);
  if (off == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  lp.private_off = off;
  lp.private_pages = pages;
  lp.private_va = PRIVATE_VA + PRIVATE_STRIDE * <u64>p.slot;
  lp.fstate_off = off + <usize>STRUCT_ROOM;
  lp.fstate_va = lp.private_va + STRUCT_ROOM;
  lp.symtab_off = lp.fstate_off + <usize>states;
  lp.symtab_va = lp.fstate_va + states;
  lp.strtab_off = lp.symtab_off + 24 * <usize>lp.nsyms;
  lp.strtab_va = lp.symtab_va + 24 * <u64>lp.nsyms;
  const root = <usize>header().hv_root;
  if (map_pages(root, lp.private_va, off, pages, PERM_R | PERM_W)) return 0;
  free_private(p, false);
  return refuse(ENOMEM, REASON_NO_MEMORY);
}

/** Of a machine from a file: the private memory is where alloc_private() puts it. */
export function is_private(p: Payload): bool {
  const lp = livepatch(p);
  const off = lp.private_off;
  const states = <u64>lp.nfuncs * <u64>FSTATE_SIZE;
  const table = STRUCT_ROOM + states;
  const names = table + 24 * <u64>lp.nsyms;
  if (names > (<u64>lp.private_pages) << PAGE_SHIFT) return false;
  if (lp.private_va != PRIVATE_VA + PRIVATE_STRIDE * <u64>p.slot) return false;
  if (lp.fstate_off != off + <usize>STRUCT_ROOM) return false;
  if (lp.symtab_off != off + <usize>table) return false;
  if (lp.strtab_off != off + <usize>names || lp.strtab_va != lp.private_va + names) return false;
  return are_pages(<u64>off, lp.private_pages, OWNER_PAYLOAD, -1, lp.private_va);
}

export function free_private(p: Payload, mapped: bool): void {
  const lp = livepatch(p);
  if (lp.private_off == 0) return;
  if (mapped) unmap_pages(<usize>header().hv_root, lp.private_va, lp.private_pages);
  free_frames(lp.private_off, lp.private_pages);
  lp.private_off = 0;
}


@inline
export function fstate_at(p: Payload, i: u32): usize {
  return livepatch(p).fstate_off + FSTATE_SIZE * <usize>i;
}


@inline
export function is_applied(p: Payload, i: u32): bool {
  return load<u32>(fstate_at(p, i), FSTATE_APPLIED) != 0;
}


@inline
function struct_va(p: Payload): u64 {
  return livepatch(p).private_va;
}

/** Fields that do not change while the payload is loaded. */
export function fill_struct(p: Payload): void {
  const lp = livepatch(p);
  const at = lp.private_off;
  store<u64>(at, p.text_va, 32);
  store<u64>(at, p.text_size, 40);
  store<u64>(at, p.rw_va, 48);
  store<u64>(at, p.rw_size, 56);
  store<u64>(at, p.ro_va, 64);
  store<u64>(at, p.ro_size, 72);
  store<u32>(at, p.mem_pages, 80);
  store<u64>(at, lp.funcs_va, 104);
  store<u64>(at, lp.nfuncs == 0 ? 0 : lp.fstate_va, 112);
  store<u32>(at, lp.nfuncs, 120);
  store<u64>(at, lp.symtab_va, 128);
  store<u64>(at, lp.strtab_va, 136);
  store<u64>(at, p.text_va, 160);
  store<u64>(at, p.text_va + p.text_size, 168);
  store<u64>(at, p.ro_va, 176);
  store<u64>(at, p.ro_va + p.ro_size, 184);
  for (let n: u32 = 0; n < NR_BUG_FRAMES; n++) {
    store<u64>(at + ((<usize>n) << 4), lp.bugs_va(n), 200);
    store<u64>(at + ((<usize>n) << 4), lp.bugs_count(n), 208);
  }
  store<u64>(at, p.extable_va, 264);
  store<u64>(at, p.extable_end_va, 272);
  store<u32>(at, lp.nsyms, 280);
  store<u64>(at, p.build_id_va, 288);
  store<u32>(at, p.build_id_len, 296);
  store<u64>(at, p.depends_va, 304);
  store<u32>(at, p.depends_len, 312);
  store<u64>(at, lp.xen_depends_va, 320);
  store<u32>(at, lp.xen_depends_len, 328);
  fill_hooks(p, at);
  memory.copy(at + NAME, lp.name_off, 128);
  store<u64>(at, lp.meta_va, 536);
  store<u32>(at, lp.meta_len, 544);
}
if (NAME + 128 != 536 || STRUCT_SIZE != 552) ERROR("struct payload of 4.17");

function fill_hooks(p: Payload, at: usize): void {
  const lp = livepatch(p);
  store<u64>(at, lp.hook_va(HOOK_LOAD), 336);
  store<u64>(at, lp.hook_va(HOOK_UNLOAD), 344);
  store<u64>(at, lp.hook_va(HOOK_PREAPPLY), 352);
  store<u64>(at, lp.hook_va(HOOK_APPLY), 360);
  store<u64>(at, lp.hook_va(HOOK_POSTAPPLY), 368);
  store<u64>(at, lp.hook_va(HOOK_PREREVERT), 376);
  store<u64>(at, lp.hook_va(HOOK_REVERT), 384);
  store<u64>(at, lp.hook_va(HOOK_POSTREVERT), 392);
  store<u32>(at, lp.hook_entries(HOOK_LOAD), 400);
  store<u32>(at, lp.hook_entries(HOOK_UNLOAD), 404);
}

/** The applied payload right above (`up`) or below `p` on the stack, or none. */
function neighbour(p: Payload, up: bool): Payload {
  const order = livepatch(p).applied_order;
  let best = no_payload();
  for (let q = first_today(); is_payload(q); q = next_today(q)) {
    const o = livepatch(q).applied_order;
    if (o == 0 || o == order || o > order != up) continue;
    const nearer = !is_payload(best) || o < livepatch(best).applied_order == up;
    if (nearer) best = q;
  }
  return best;
}

function link(at: usize, field: u64, up: Payload, down: Payload, own: u64): void {
  store<u64>(at + <usize>field, is_payload(up) ? struct_va(up) + field : own);
  store<u64>(at + <usize>field, is_payload(down) ? struct_va(down) + field : own, 8);
}

/** State, result and list neighbours, as they are now. */
export function refresh_struct(p: Payload): void {
  const lp = livepatch(p);
  const at = lp.private_off;
  if (!keep(at, STRUCT_SIZE)) return; // the journal's failure is seen when the hook has ended
  store<u32>(at, lp.state == 0 ? LIVEPATCH_STATE_CHECKED : lp.state);
  store<i32>(at, lp.rc, 4);
  store<u8>(at, <u8>lp.reverted, 8);
  store<u8>(at, <u8>lp.safe_to_reapply, 9);
  // The lists' heads are the hypervisor's own, which keeps no such list here: ends point to
  // themselves.
  link(at, LIST, next_today(p), no_payload(), struct_va(p) + LIST);
  const own = struct_va(p) + APPLIED_LIST;
  if (lp.applied_order == 0) link(at, APPLIED_LIST, no_payload(), no_payload(), own);
  else link(at, APPLIED_LIST, neighbour(p, true), neighbour(p, false), own);
}

export function refresh_structs(): void {
  for (let p = first_today(); is_payload(p); p = next_today(p)) refresh_struct(p);
}

/** Takes over what a hook may have changed. */
export function absorb_structs(): void {
  for (let p = first_today(); is_payload(p); p = next_today(p)) {
    const lp = livepatch(p);
    const at = lp.private_off;
    lp.state = load<u32>(at);
    lp.rc = load<i32>(at, 4);
    lp.reverted = load<u8>(at, 8);
    lp.safe_to_reapply = load<u8>(at, 9);
  }
}
