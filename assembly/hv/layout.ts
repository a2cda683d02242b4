// The map of linear memory, and the fixed places of the virtual address space. No other file holds
// an address of the machine. Each region starts where the one before it ends.
//
//   0x00000000  page 0, never used: a null overlay would land here
//   HEADER      boot parameters, counters, virtual time, image facts         (hv/header.ts)
//   CPUS        one record per CPU                                            (hv/cpu.ts)
//   DOMAINS     one record per domain                                         (hv/domain.ts)
//   PAYLOADS    one record per payload                                        (xsplice/payload.ts)
//   REFUSALS    last refusal per payload slot, then the ring of 16            (hv/refusal.ts)
//   CONSOLE     console ring                                                  (hv/console.ts)
//   KEYSTORE    DER certificates for signature checking                   (xsplice/signature.ts)
//   EXTABLES    exception tables that payloads registered                     (hv/extable.ts)
//   TASKLETS    deferred work                                                 (hv/tasklet.ts)
//   BUGFRAMES   tables of bug frames that payloads registered                (hv/bugframes.ts)
//   OWNERS      one byte per frame: who owns it                               (hv/frames.ts)
//   FRAMES      page frames: image, page tables, stacks, domain RAM, payloads
//   MACHINE_END ------------------------------------------------------------- end of the snapshot
//   SCRATCH     I/O window, software TLB, decode cache: derived, never saved
//   AS_BASE     AssemblyScript's own static data and (unused) heap
//
// 192 MiB: the largest payload (32 MiB, K37) exists three times during an upload (guest buffer,
// staging, loaded), beside image and stacks. Untouched pages cost nothing.

import {
  CONSOLE_RING_SIZE,
  IO_SIZE,
  KEYSTORE_SIZE,
  NR_CPUS,
  NR_DOMAINS,
  NR_PAYLOADS,
  NR_REFUSALS,
  NR_TASKLETS,
  PAGE_SIZE,
  STACK_SIZE,
} from "./param";

export const HEADER_OFF: usize = PAGE_SIZE;
export const HEADER_SIZE: usize = PAGE_SIZE;

export const CPU_SIZE: usize = 2048;
export const CPUS_OFF: usize = HEADER_OFF + HEADER_SIZE;

export const DOMAIN_SIZE: usize = 256;
export const DOMAINS_OFF: usize = CPUS_OFF + CPU_SIZE * <usize>NR_CPUS;

export const PAYLOAD_SIZE: usize = 1024;
export const PAYLOADS_OFF: usize = DOMAINS_OFF + DOMAIN_SIZE * <usize>NR_DOMAINS;

export const REFUSAL_SIZE: usize = 1024;
export const REFUSALS_OFF: usize = PAYLOADS_OFF + PAYLOAD_SIZE * <usize>NR_PAYLOADS;

export const CONSOLE_OFF: usize = REFUSALS_OFF + REFUSAL_SIZE * <usize>(NR_PAYLOADS + NR_REFUSALS);
export const KEYSTORE_OFF: usize = CONSOLE_OFF + <usize>CONSOLE_RING_SIZE;

export const MACHINE_END: usize = 0x0a000000;
export const EXTABLE_SIZE: usize = 16;
export const EXTABLES_OFF: usize = KEYSTORE_OFF + <usize>KEYSTORE_SIZE;
export const TASKLET_SIZE: usize = 16;
export const TASKLETS_OFF: usize = EXTABLES_OFF + EXTABLE_SIZE * <usize>NR_PAYLOADS;
/** Four tables of each payload, {va, count}. */
export const BUGFRAMES_SIZE: usize = 64;
export const BUGFRAMES_OFF: usize = TASKLETS_OFF + TASKLET_SIZE * <usize>NR_TASKLETS;
export const OWNERS_OFF: usize = BUGFRAMES_OFF + BUGFRAMES_SIZE * <usize>NR_PAYLOADS;
/** One owner byte for each frame that fits behind the owner map. */
export const NR_FRAMES: usize = (MACHINE_END - OWNERS_OFF - 2 * PAGE_SIZE) / (PAGE_SIZE + 1);
export const FRAMES_OFF: usize = (OWNERS_OFF + NR_FRAMES + (PAGE_SIZE - 1)) & ~(PAGE_SIZE - 1);
export const FRAMES_END: usize = FRAMES_OFF + NR_FRAMES * PAGE_SIZE;
if (FRAMES_END > MACHINE_END) ERROR("frames end behind the machine");

// --- scratch: derived state, dropped at restore ------------------------------------------------
export const IO_OFF: usize = MACHINE_END;
export const TLB_OFF: usize = IO_OFF + <usize>IO_SIZE;
/** Three direct-mapped arrays (read, write, execute) of {tag u64, frame offset u64}. */
export const TLB_ENTRIES: usize = 1024;
export const TLB_SIZE: usize = TLB_ENTRIES * 16 * 3;
/** u32 per frame, bumped when bytes or permissions of an executable frame change: cached code of an
 *  older generation is never executed (the model of instruction-cache coherence). */
export const CODE_GEN_OFF: usize = TLB_OFF + TLB_SIZE;
export const CODE_GEN_SIZE: usize = NR_FRAMES * 4;
const CODE_GEN_END: usize = CODE_GEN_OFF + CODE_GEN_SIZE;
export const DECODE_OFF: usize = (CODE_GEN_END + (PAGE_SIZE - 1)) & ~(PAGE_SIZE - 1);
export const DECODE_SIZE: usize = 0x01000000;
export const SCRATCH_OFF: usize = DECODE_OFF + DECODE_SIZE;
/** Refusal being written (first KiB), then work space of single operations. */
export const SCRATCH_SIZE: usize = 0x00100000;
/** Work space of the hypervisor services: a name (hv/text.ts), the matches of the last symbol
 *  lookup (hv/symbols.ts), a sysctl's copy (hv/sysctl.ts), the image being booted
 *  (hv/image_file.ts) and the counters of a sort (hv/sort.ts). */
export const NAME_OFF: usize = SCRATCH_OFF + SCRATCH_SIZE;
export const MATCHES_OFF: usize = NAME_OFF + 0x200;
export const SYSCTL_OFF: usize = NAME_OFF + 0x400;
export const IMAGE_FILE_OFF: usize = NAME_OFF + 0x600;
export const CALL_OFF: usize = NAME_OFF + 0x800;
export const HISTOGRAM_OFF: usize = NAME_OFF + 0x1000;
export const SERVICES_SIZE: usize = 0x4000;
/** Map of the code that a stack check looks for (hv/stack_scan.ts). */
export const STACK_MAP_OFF: usize = NAME_OFF + SERVICES_SIZE;
export const STACK_MAP_SIZE: usize = 0x8000;
/** u32 per frame: where its bytes were put aside when it was first written (hv/journal.ts). */
export const JOURNAL_OFF: usize = STACK_MAP_OFF + STACK_MAP_SIZE;
export const JOURNAL_SIZE: usize = NR_FRAMES * 4;
/** A byte per frame that was written while somebody watches, and a record for each
 *  (hv/watch.ts). */
export const WATCH_MAP_OFF: usize = JOURNAL_OFF + JOURNAL_SIZE;
export const WATCH_LIST_OFF: usize = (WATCH_MAP_OFF + NR_FRAMES + 15) & ~15;
const WATCH_END: usize = WATCH_LIST_OFF + NR_FRAMES * 16;
/** asconfig's memoryBase. */
export const AS_BASE: usize = 0x0b400000;
if (WATCH_END > AS_BASE) ERROR("scratch reaches into AssemblyScript's data");

// --- virtual addresses -------------------------------------------------------------------------
/** Lowest hypervisor address: everything below is guest space (x86-64 canonical halves). */
export const HYPERVISOR_VA: u64 = 0xffff800000000000;
/** Stacks: CPU n owns [base, base + STACK_SIZE), with STACK_SIZE of unmapped guard below it. */
export const STACKS_VA: u64 = 0xffff830000000000;
export const STACK_STRIDE: u64 = 2 * STACK_SIZE;
/** struct vcpu / struct domain blocks that image code reads through `current`. */
export const CURRENT_VA: u64 = 0xffff830010000000;
/** Per-CPU areas of the image, except CPU 0's, which stays where the image has it. */
export const PER_CPU_VA: u64 = 0xffff830020000000;
/** What the hypervisor keeps in its own memory for a payload and shows to image code, by payload
 *  slot. */
export const PRIVATE_VA: u64 = 0xffff830040000000;
export const PRIVATE_STRIDE: u64 = 0x400000;
/** The GDT begins here; only the page with Xen's own descriptors is mapped (hv/gdt.ts). */
export const GDT_VA: u64 = 0xffff8300d0000000;
/** The machine's own entries (hv/entry_page.ts): a page of code and two that it writes. */
export const ENTRIES_VA: u64 = 0xffff8300e0000000;
/** Never mapped: a function that returns here has returned to the machine. */
export const RETURN_VA: u64 = 0xffff8300fffff000;
/** The same for a function that a bug frame calls (hv/bug_call.ts). */
export const BUG_RETURN_VA: u64 = RETURN_VA + 0x10;
/** Domain RAM starts here in every domain's own lower half; guest code pages at GUEST_TEXT_VA. */
export const GUEST_RAM_VA: u64 = 0x0000000010000000;
export const GUEST_TEXT_VA: u64 = 0x0000000000400000;
/** A page for the guest on each CPU. */
export const GUEST_DATA_VA: u64 = 0x0000000000600000;
/** What the machine keeps for itself of the hypervisor half: no image and no payload may lie
 *  there. */
export const MACHINE_LO_VA: u64 = STACKS_VA;
export const MACHINE_HI_VA: u64 = 0xffff830100000000;


@inline
export function stack_base_va(cpu: u32): u64 {
  return STACKS_VA + <u64>cpu * STACK_STRIDE + <u64>STACK_SIZE;
}
