// The machine's header: what boot was asked for, what it found, counters and virtual time. One page
// at the bottom of linear memory; the host reads a few fields through exports, never by offset.

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
  measured: u64; // chain over everything applied and reverted (R18)
  measured_count: u64;
  options: u32; // BOOT_* of the boot parameters
  quiesce: u32; // where CPUs rendezvous
  console_head: u64; // bytes ever written
  refusal_next: u32; // ring cursor
  pad0: u32;
  next_timer_ns: u64;
  call_depth: u32;
  frame_hint: u32; // no frame below this index is free (hv/frames.ts); derived, not counted
  // More image facts, each 0 when the image has none.
  regions_off: u64; // region table in frames (hv/regions.ts)
  regions_count: u32;
  regions_frames: u32;
  names_off: u64; // name index in frames (hv/symbols.ts)
  names_frames: u32;
  names_shift: u32; // a hash's bucket is hash >> names_shift
  strings_frames: u32;
  pad1: u32;
  per_cpu_va: u64;
  per_cpu_size: u64;
  staging_off: u32; // the host's staging area
  staging_frames: u32;
  next_tasklet: u64; // order of tasklets
  nr_tasklets: u32; // pending
  work_id: u32; // rendezvous under way (hv/rendezvous.ts), 0 none
  work_data: u32;
  pad2: u32;
  work_deadline_ns: u64; // 0: no bound
  version_len: u32;
  workload: u32; // WORKLOAD_*
  // The image's entries (hv/entries.ts), each 0 when it has none.
  lstar_enter_va: u64;
  event_check_va: u64;
  call_function_va: u64;
  timer_va: u64;
  nmi_va: u64;
  idle_loop_va: u64;
  test_all_events_va: u64;
  online_map_va: u64;
  // Scheduler.
  live_cpus: u32; // CPUs that run on their own
  in_call: u32; // the host's call is under way
  kicked: u32; // a CPU was sent to where tasklets run
  tail_count: u32; // CPUs that have reached the tail of the present time rendezvous
  tail_armed: u32; // they wait there
  hold: u32; // hotplug: 1 + CPU that comes or goes, 0 none
  hold_online: u32;
  test_guards: u32; // GUARD_* that a test has taken out
  crashes: u32; // CPUs that stopped on a fault
  torn: u32; // code is being changed (hv/preempt.ts)
  torn_lo_va: u64;
  torn_hi_va: u64;
  violation: u32; // VIOLATION_*, 0 none
  violation_cpu: u32;
  violation_va: u64;
  stop_since_ns: u64; // when the first CPU came to the patch point, 0: none waits there
  stop_ns: u64; // how long CPUs stood still in the last rendezvous, its retries included
  begun: u32; // hypercalls that were begun and have not ended (hv/begun.ts)
  entries: u32; // ENTRIES_*: whose entries the addresses above are
  lost_guests: u32; // guests that were crashed by faults of their own
  pad3: u32;
  alarm_ns: u64; // when work that waits is looked at (hv/alarm.ts), 0: none has a bound
  // 2048: build-id, BUILD_ID_MAX bytes; 2112: version string, VERSION_MAX bytes, NUL-terminated
}
if (offsetof<Header>() > 2048) ERROR("Header outgrows the first half of its page");

export const BUILD_ID_MAX: u32 = 64;
export const VERSION_MAX: u32 = 128;
/** Copies, so that they can be told whatever becomes of the image's own bytes. */
export const BUILD_ID_OFF: usize = HEADER_OFF + 2048;
export const VERSION_OFF: usize = BUILD_ID_OFF + <usize>BUILD_ID_MAX;
/** Value of `magic` once an image is running: "xsplice\0". */
export const HEADER_MAGIC: u64 = 0x006563696c707378;


@inline
export function header(): Header {
  return changetype<Header>(HEADER_OFF);
}
