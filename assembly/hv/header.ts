// The machine's header: what boot was asked for, what it found, counters and virtual time. One page at
// the bottom of linear memory; the host reads a few fields through exports, never by offset.

import { HEADER_OFF } from "./layout";

@unmanaged
export class Header {
  magic: u64;
  abi_version: u32;
  nr_cpus: u32;
  seed: u64;
  rng: u64; // scheduler's generator state
  time_ns: u64; // virtual time
  retired: u64; // instructions retired by all CPUs
  hv_root: u64; // page-table root of the hypervisor half (linear offset)
  // Image.
  image_lo_va: u64; // lowest and one past the highest mapped byte
  image_hi_va: u64;
  text_lo_va: u64; // executable part
  text_hi_va: u64;
  payload_base_va: u64; // area for payloads
  payload_end_va: u64;
  symbols_off: u64; // symbol table in frames (hv/symbols.ts)
  symbols_count: u32;
  symbols_frames: u32;
  strings_off: u64;
  strings_size: u32;
  build_id_len: u32;
  build_id_va: u64;
  hypercall_table_va: u64;
  hypercall_entry_va: u64;
  extable_va: u64; // Xen-style relative exception table, sorted
  extable_end_va: u64;
  // xSplice.
  payload_count: u32; // R131
  payload_version: u32; // R131, R107: starts at 1, never 0 (K28)
  payload_sequence: u64; // gives upload order
  apply_sequence: u64; // gives application order
  options: u32; // BOOT_* of the boot parameters
  quiesce: u32; // where CPUs rendezvous
  console_head: u64; // bytes ever written
  refusal_next: u32; // ring cursor
  pad0: u32;
  next_timer_ns: u64;
  call_depth: u32;
  pad1: u32;
}
if (offsetof<Header>() > 2048) ERROR("Header outgrows the first half of its page");

@inline
export function header(): Header {
  return changetype<Header>(HEADER_OFF);
}
