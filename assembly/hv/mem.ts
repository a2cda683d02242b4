// The one gate to memory by virtual address: va -> linear offset, with permissions. The running
// context (domain, user mode) decides which half may be reached; a software TLB keeps translations,
// tagged with the context so that switching costs nothing. Offset 0 means "fault": page 0 of linear
// memory is never a frame.

import { PERM_R, PERM_W, PERM_X, VECTOR_GP, VECTOR_PF } from "../abi";
import { keep_frame } from "./journal";
import { DECODE_OFF, HYPERVISOR_VA, TLB_ENTRIES, TLB_OFF } from "./layout";
import { PAGE_SIZE } from "./param";
import { bump_code, walk } from "./pages";
import { is_shared } from "./watch";

const OFFSET_MASK: u64 = PAGE_SIZE - 1;
const ENTRY_OFF: u64 = ~OFFSET_MASK;
const TLB_MASK: u64 = TLB_ENTRIES - 1;
const TLB_ARRAY: usize = TLB_ENTRIES * 16;

// Page-fault error code (Intel SDM vol. 3, 4.7).
export const PF_PRESENT: u32 = 1;
export const PF_WRITE: u32 = 2;
const PF_USER: u32 = 4;
const PF_FETCH: u32 = 16;

// Derived from the CPU that runs; set by set_context before any access.
let hv_root: usize = 0;
let lower_root: usize = 0;
let user_mode: bool = false;
/** Context in the tag bits that a page number leaves free: never 0, so an empty entry never
 *  matches. */
let tag_bits: u64 = 1 << 52;

/** Chooses what virtual addresses mean from now on. `domain` -1: hypervisor half only. */
export function set_context(hypervisor: usize, lower: usize, domain: i32, user: bool): void {
  hv_root = hypervisor;
  lower_root = lower;
  user_mode = user;
  tag_bits = ((<u64>((domain + 2) << 1)) | (<u64>user)) << 52;
}


@inline
export function is_hypervisor_va(va: u64): bool {
  return va >= HYPERVISOR_VA;
}


@inline
export function is_canonical(va: u64): bool {
  return <u64>(((<i64>va) << 16) >> 16) == va;
}

/** Which address space code at `va` belongs to: the hypervisor's half is the same in every one. */
@inline
export function code_context(va: u64): u64 {
  return !user_mode && is_hypervisor_va(va) ? 1 : tag_bits;
}

/** The page-table entry for `va` in the current context, 0 when there is none. */
export function entry_of(va: u64): u64 {
  if (!is_canonical(va)) return 0;
  const root = is_hypervisor_va(va) ? hv_root : lower_root;
  return root == 0 ? 0 : walk(root, va);
}

// Why the last access by an instruction failed (Intel SDM vol. 3, 6.15), for the CPU's fault latch.
export let fault_vector: u32 = 0;
export let fault_error: u32 = 0;
export let fault_va: u64 = 0;
/** #GP because an operand's address is not canonical: #SS when it is on the stack. */
export let fault_is_address: bool = false;

/** Latches a fault that is not about an address. */
export function latch_fault(vector: u32, error: u32): void {
  fault_vector = vector;
  fault_error = error;
  fault_va = 0;
  fault_is_address = false;
}

/** Latches the page fault of an access that the processor makes for itself (descriptors): at
 *  privilege 0 whatever runs (SDM vol. 3, 4.6.1). */
export function latch_implicit(va: u64, error: u32): void {
  latch_fault(VECTOR_PF, error);
  fault_va = va;
}

function latch_access(va: u64, access: u32, entry: u64): void {
  latch_fault(VECTOR_GP, 0);
  fault_is_address = !is_canonical(va);
  if (fault_is_address) return;
  fault_vector = VECTOR_PF;
  fault_va = va;
  fault_error = entry != 0 ? PF_PRESENT : 0;
  if (access == PERM_W) fault_error |= PF_WRITE;
  else if (access == PERM_X) fault_error |= PF_FETCH;
  if (user_mode) fault_error |= PF_USER;
}

/** Hypervisor code may write to its read-only pages, as while CR0.WP is clear (Intel SDM vol. 3,
 *  4.6.1): today's live patching has it so while it patches. Off between two calls of the host. */
let relaxed: bool = false;
export function relax_protection(on: bool): void {
  relaxed = on;
}


@inline
export function is_relaxed(): bool {
  return relaxed;
}

/** A write to a read-only page: never in the TLB, so that code cached from it gets stale with each
 *  one. */
function write_through(va: u64, entry: u64): usize {
  bump_code(entry);
  return <usize>((entry & ENTRY_OFF) | (va & OFFSET_MASK));
}

/** The miss path: walks, fills the entry at `at`, or latches the fault and returns 0. */
function translate_slow(va: u64, access: u32, at: usize, tag: u64): usize {
  const entry = entry_of(va);
  const denied = user_mode && is_hypervisor_va(va);
  const over = relaxed && access == PERM_W && entry != 0 && !denied;
  if ((!over && (entry & (<u64>access)) == 0) || denied) {
    latch_access(va, access, entry);
    return 0;
  }
  if (access == PERM_W && !keep_frame(<usize>(entry & ENTRY_OFF))) {
    latch_access(va, access, entry);
    return 0;
  }
  if (over && (entry & (<u64>PERM_W)) == 0) return write_through(va, entry);
  const delta = <usize>(entry & ENTRY_OFF) - <usize>(va & ~OFFSET_MASK);
  if (is_shared(entry, access)) return <usize>va + delta;
  store<u64>(at, tag);
  store<usize>(at, delta, 8);
  return <usize>va + delta;
}


@inline
function tlb_slot(va: u64, array: usize): usize {
  return TLB_OFF + array + ((<usize>((va >> 12) & TLB_MASK)) << 4);
}


@inline
function translate_in(va: u64, access: u32, array: usize): usize {
  const tag = (va >> 12) | tag_bits;
  const at = tlb_slot(va, array);
  if (load<u64>(at) == tag) return <usize>va + load<usize>(at, 8);
  return translate_slow(va, access, at, tag);
}

// An operand that crosses into the next page is gathered in BOUNCE; what was changed there goes
// back by `commit_split`. Both pages are checked before anything is touched.
export const BOUNCE_OFF: usize = DECODE_OFF;
let split_low_off: usize = 0;
let split_high_off: usize = 0;
let split_low_bytes: usize = 0;
let split_bytes: usize = 0;

function access_slow(va: u64, size: u32, access: u32, array: usize): usize {
  const low = <usize>(PAGE_SIZE - (va & OFFSET_MASK));
  const low_off = translate_in(va, access, array);
  if (low_off == 0 || low >= <usize>size) return low_off;
  const high_off = translate_in(va + low, access, array);
  if (high_off == 0) return 0;
  split_low_off = low_off;
  split_high_off = high_off;
  split_low_bytes = low;
  split_bytes = size;
  memory.copy(BOUNCE_OFF, low_off, low);
  memory.copy(BOUNCE_OFF + low, high_off, <usize>size - low);
  return BOUNCE_OFF;
}

/** Brings an operand that was changed in BOUNCE back to its two pages. */
export function commit_split(): void {
  memory.copy(split_low_off, BOUNCE_OFF, split_low_bytes);
  memory.copy(split_high_off, BOUNCE_OFF + split_low_bytes, split_bytes - split_low_bytes);
}


@inline
function access_off(va: u64, size: u32, access: u32, array: usize): usize {
  const at = tlb_slot(va, array);
  // The last byte's page in the tag: an operand that crosses never hits.
  const tag = ((va + (size - 1)) >> 12) | tag_bits;
  if (load<u64>(at) == tag) return <usize>va + load<usize>(at, 8);
  return access_slow(va, size, access, array);
}

/** Linear offset of the `size` bytes at `va` (or of a copy in BOUNCE) to read, or 0 and a latched
 *  fault. Inlined, for the executor. */
@inline
export function read_at(va: u64, size: u32): usize {
  return access_off(va, size, PERM_R, 0);
}

/** The same to read and write; after writing at BOUNCE_OFF, `commit_split`. */
@inline
export function write_at(va: u64, size: u32): usize {
  return access_off(va, size, PERM_W, TLB_ARRAY);
}

/** The same for all others, where size counts more than speed. */
export function read_off(va: u64, size: u32): usize {
  return access_off(va, size, PERM_R, 0);
}
export function write_off(va: u64, size: u32): usize {
  return access_off(va, size, PERM_W, TLB_ARRAY);
}

/** Linear offset of the byte at `va`, or 0 when it cannot be read (written, executed). */
@inline
export function translate_read(va: u64): usize {
  return translate_in(va, PERM_R, 0);
}


@inline
export function translate_write(va: u64): usize {
  return translate_in(va, PERM_W, TLB_ARRAY);
}


@inline
export function translate_exec(va: u64): usize {
  return translate_in(va, PERM_X, 2 * TLB_ARRAY);
}

/** Bytes from `va` to the end of its page, at most `len`. */
@inline
function run_in_page(va: u64, len: u64): u64 {
  return min<u64>(PAGE_SIZE - (va & OFFSET_MASK), len);
}

/** Copies out of the context's memory. Returns the bytes NOT copied (0 = done), as Xen's
 *  copy_from_guest. */
export function copy_from_va(dst_off: usize, va: u64, len: u64): u64 {
  while (len != 0) {
    const src_off = translate_read(va);
    if (src_off == 0) return len;
    const run = run_in_page(va, len);
    memory.copy(dst_off, src_off, <usize>run);
    dst_off += <usize>run;
    va += run;
    len -= run;
  }
  return 0;
}

/** Copies into the context's memory, respecting write permission. Returns the bytes NOT copied. */
export function copy_to_va(va: u64, src_off: usize, len: u64): u64 {
  while (len != 0) {
    const dst_off = translate_write(va);
    if (dst_off == 0) return len;
    const run = run_in_page(va, len);
    memory.copy(dst_off, src_off, <usize>run);
    src_off += <usize>run;
    va += run;
    len -= run;
  }
  return 0;
}

/** The machine's own view: any mapped byte, whatever its permissions. 0 when not mapped. */
export function peek_off(va: u64): usize {
  const entry = entry_of(va);
  return entry == 0 ? 0 : <usize>((entry & ENTRY_OFF) | (va & OFFSET_MASK));
}

/** True when every byte of [va, va + len) is mapped with all of `perms`. */
export function is_mapped(va: u64, len: u64, perms: u32): bool {
  if (len != 0 && va + (len - 1) < va) return false;
  let page = va & ~OFFSET_MASK;
  const last = len == 0 ? page : (va + (len - 1)) & ~OFFSET_MASK;
  while (true) {
    if ((entry_of(page) & (<u64>perms)) != <u64>perms || entry_of(page) == 0) return false;
    if (page == last) return true;
    page += PAGE_SIZE;
  }
}

/** Reads whatever the permissions. Returns the bytes NOT copied. */
export function peek(dst_off: usize, va: u64, len: u64): u64 {
  while (len != 0) {
    const src_off = peek_off(va);
    if (src_off == 0) return len;
    const run = run_in_page(va, len);
    memory.copy(dst_off, src_off, <usize>run);
    dst_off += <usize>run;
    va += run;
    len -= run;
  }
  return 0;
}

/** Writes whatever the permissions (the machine patching itself). Code cached from the pages
 *  written is dropped. Returns the bytes NOT written. */
export function poke(va: u64, src_off: usize, len: u64): u64 {
  while (len != 0) {
    const entry = entry_of(va);
    if (entry == 0) return len;
    if (!keep_frame(<usize>(entry & ENTRY_OFF))) return len;
    const run = run_in_page(va, len);
    memory.copy(<usize>((entry & ENTRY_OFF) | (va & OFFSET_MASK)), src_off, <usize>run);
    bump_code(entry);
    src_off += <usize>run;
    va += run;
    len -= run;
  }
  return 0;
}
