// What the engine needs of a machine beside what the loader needs (bare_machine.ts): a text page
// and a .rodata page of an image, a guest with memory, CPUs, and payloads made by hand.

import { PERM_R, PERM_W, PERM_X, REGION_RODATA, REGION_TEXT } from "../../../assembly/abi";
import { CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { domain_at, enter_domain } from "../../../assembly/hv/domain";
import { alloc_frames, OWNER_DOMAIN, OWNER_IMAGE, OWNER_STACK } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import {
  CPU_SIZE,
  CPUS_OFF,
  DOMAIN_SIZE,
  DOMAINS_OFF,
  GUEST_RAM_VA,
  REFUSAL_SIZE,
  REFUSALS_OFF,
  stack_base_va,
} from "../../../assembly/hv/layout";
import {
  NR_CPUS,
  NR_DOMAINS,
  NR_PAYLOADS,
  NR_REFUSALS,
  STACK_SIZE,
} from "../../../assembly/hv/param";
import { map_pages, new_root } from "../../../assembly/hv/pages";
import { region_at } from "../../../assembly/hv/regions";
import { clear_refusal } from "../../../assembly/hv/refusal";
import { claim_payload, link_payload, Payload } from "../../../assembly/xsplice/payload";
import { alloc_splices, Splice, splice_at } from "../../../assembly/xsplice/splice";
import { reset_machine, TEXT_LO } from "./bare_machine";

/** One page of text and one of read-only data, adjacent. */
export const CODE_VA: u64 = TEXT_LO;
export const RODATA_VA: u64 = TEXT_LO + 2 * 4096;
export const RAM_PAGES: u32 = 16;

let text_off: usize = 0;

function add_region(i: u32, va: u64, pages: u32, kind: u32): void {
  const region = region_at(i);
  region.va = va;
  region.end_va = va + ((<u64>pages) << 12);
  region.kind = kind;
}

function boot_guest(): void {
  memory.fill(DOMAINS_OFF, 0, DOMAIN_SIZE * <usize>NR_DOMAINS);
  for (let id = 0; id < 2; id++) {
    const d = domain_at(id);
    d.present = 1;
    d.privileged = id == 0 ? 1 : 0;
    d.root = new_root();
    d.ram_off = alloc_frames(RAM_PAGES, OWNER_DOMAIN);
    d.ram_va = GUEST_RAM_VA;
    map_pages(d.root, GUEST_RAM_VA, d.ram_off, RAM_PAGES, PERM_R | PERM_W);
  }
}

function boot_cpus(count: u32): void {
  memory.fill(CPUS_OFF, 0, CPU_SIZE * <usize>NR_CPUS);
  header().nr_cpus = count;
  for (let id: u32 = 0; id < count; id++) {
    const cpu = cpu_at(id);
    const off = alloc_frames(STACK_SIZE >> 12, OWNER_STACK);
    map_pages(<usize>header().hv_root, stack_base_va(id), off, STACK_SIZE >> 12, PERM_R | PERM_W);
    cpu.id = id;
    cpu.state = CPU_IDLE;
    cpu.stack_top_va = stack_base_va(id) + STACK_SIZE;
    cpu.rsp = cpu.stack_top_va;
  }
}

/** Two pages of text filled with 0..255 over and over, one of .rodata filled with 0xa5. */
export function reset_engine(): void {
  reset_machine();
  memory.fill(REFUSALS_OFF, 0, REFUSAL_SIZE * <usize>(NR_PAYLOADS + NR_REFUSALS));
  clear_refusal();
  const h = header();
  const root = <usize>h.hv_root;
  text_off = alloc_frames(3, OWNER_IMAGE);
  for (let i: usize = 0; i < 2 * 4096; i++) store<u8>(text_off + i, <u8>i);
  memory.fill(text_off + 2 * 4096, 0xa5, 4096);
  map_pages(root, CODE_VA, text_off, 2, PERM_R | PERM_X);
  map_pages(root, RODATA_VA, text_off + 2 * 4096, 1, PERM_R);
  h.regions_off = <u64>alloc_frames(1, OWNER_IMAGE);
  h.regions_count = 2;
  add_region(0, CODE_VA, 2, REGION_TEXT);
  add_region(1, RODATA_VA, 1, REGION_RODATA);
  boot_cpus(2);
  boot_guest();
  enter_domain(0, false);
}

/** Linear offset of an image byte. */
export function image_off(va: u64): usize {
  return text_off + <usize>(va - CODE_VA);
}

/** Linear offset of a byte of dom0's memory. */
export function guest_off(va: u64): usize {
  return domain_at(0).ram_off + <usize>(va - GUEST_RAM_VA);
}

/** A listed payload with this id and status. */
export function list_payload(id: string, status: i32): Payload {
  const p = claim_payload();
  for (let i = 0; i < id.length; i++) store<u8>(p.id_off + i, <u8>id.charCodeAt(i));
  p.status = status;
  link_payload(p);
  return p;
}

/** Gives `p` room for `count` splices. */
export function make_splices(p: Payload, count: u32): void {
  assert(alloc_splices(p, count));
  p.splices_count = count;
}

/** Splice `i`: `length` bytes at `va`. */
export function make_splice(p: Payload, i: u32, kind: u32, va: u64, length: u32): Splice {
  const s = splice_at(p, i);
  s.kind = kind;
  s.va = va;
  s.length = length;
  s.index = i;
  s.symbol = -1;
  s.object_va = va;
  s.object_size = length;
  return s;
}
