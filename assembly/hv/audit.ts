// A machine that comes from a file is looked through before it runs: every count is within its
// limit, every place inside the machine, every frame used once, every list ends. A checksum proves
// that a file is whole, not that this program wrote it; what the rest of the core takes for granted
// about its own records is what is asked here, structure by structure. What image code and guests
// may write is not looked at: nobody relies on it.

import { ENTRIES_MACHINE, QUIESCE_RENDEZVOUS, WORKLOAD_BLOCK } from "../abi";
import { NOPS_K8, PLATFORM_AMD_K8 } from "../abi_today";
import { PART_ENTRIES, PART_FRAMES, PART_HEADER, PART_TASKLETS } from "../reasons";
import { audit_cpus, audit_domains } from "./audit_cpus";
import { audit_image } from "./audit_image";
import { audit_root } from "./audit_tables";
import { broken } from "./broken";
import { are_pages, claim_record, clear_claims } from "./claims";
import { TIME_MAX } from "./clock";
import { nop_style, platform } from "./cpu_features";
import { domain_at, enter_domain, is_domain } from "./domain";
import { ENTRY_SHARED } from "./entry_code";
import { first_free, OWNER_CURRENT, OWNER_FREE, OWNER_STAGING, used_end } from "./frames";
import { TIMER_PERIOD_NS } from "./guest";
import { BUILD_ID_MAX, Header, header, VERSION_MAX } from "./header";
import { TASKLET_LIVEPATCH, WORK_LIVEPATCH } from "./hooks";
import {
  ENTRIES_VA,
  FRAMES_OFF,
  HYPERVISOR_VA,
  MACHINE_HI_VA,
  MACHINE_LO_VA,
  NR_FRAMES,
  OWNERS_OFF,
} from "./layout";
import { peek_off } from "./mem";
import { IMAGE_PAGES_MAX, NR_CPUS, NR_DOMAINS, NR_PAYLOADS, PAGE_SHIFT, PAGE_SIZE } from "./param";
import { PAYLOAD_AREA_MAX } from "./payload_area";
import { audit_tasklets } from "./tasklet";

const PAGE_MASK: u64 = PAGE_SIZE - 1;
/** Ticks that a machine may have missed while nobody looked. */
const TICKS_MISSED: u64 = 0x10000;

/** Addresses of the image and of the area for payloads. */
function are_places(h: Header): bool {
  if (h.image_lo_va < HYPERVISOR_VA || h.image_hi_va <= h.image_lo_va) return false;
  if (h.image_hi_va - h.image_lo_va > (<u64>IMAGE_PAGES_MAX) << PAGE_SHIFT) return false;
  if (h.image_lo_va < MACHINE_HI_VA && h.image_hi_va > MACHINE_LO_VA) return false;
  if (h.text_lo_va > h.text_hi_va || h.text_hi_va > h.image_hi_va) return false;
  if (h.text_hi_va != 0 && h.text_lo_va < h.image_lo_va) return false;
  if (h.per_cpu_size > h.image_hi_va - h.image_lo_va) return false;
  if (h.payload_base_va < HYPERVISOR_VA || (h.payload_base_va & PAGE_MASK) != 0) return false;
  if (h.payload_end_va < h.payload_base_va) return false;
  return h.payload_end_va - h.payload_base_va <= PAYLOAD_AREA_MAX;
}

/** Clocks, counters, choices. */
function are_settings(h: Header): bool {
  if (h.nr_cpus == 0 || h.nr_cpus > NR_CPUS) return false;
  if (h.build_id_len > BUILD_ID_MAX || h.version_len >= VERSION_MAX) return false;
  if (h.quiesce > <u32>QUIESCE_RENDEZVOUS || h.workload > <u32>WORKLOAD_BLOCK) return false;
  if (nop_style() > <u32>NOPS_K8 || platform() > <u32>PLATFORM_AMD_K8) return false;
  if (h.time_ns >= TIME_MAX || h.retired >= TIME_MAX || h.in_call != 0) return false;
  const behind = h.time_ns - min<u64>(h.time_ns, h.next_timer_ns);
  return h.live_cpus == 0 || behind <= TICKS_MISSED * TIMER_PERIOD_NS;
}

/** What is pending names somebody who has to do it. */
function are_pending(h: Header): bool {
  if (h.work_id > WORK_LIVEPATCH || h.work_data >= NR_PAYLOADS || h.hold > h.nr_cpus) return false;
  if (h.hold == 1 || h.hold_online > 1 || (h.hold != 0 && h.live_cpus == 0)) return false;
  return h.tail_count < h.nr_cpus;
}

function audit_header(): bool {
  const h = header();
  if (!are_settings(h)) return broken(PART_HEADER, 0);
  if (!are_places(h)) return broken(PART_HEADER, 1);
  return are_pending(h) || broken(PART_HEADER, 2);
}

/** Owners exist; a free frame is all zero, as whoever takes it expects. */
function audit_frames(): bool {
  if (header().frame_hint > first_free()) return broken(PART_FRAMES, 0);
  const end = (used_end() - FRAMES_OFF) >> PAGE_SHIFT;
  for (let i: usize = 0; i < end; i++) {
    const owner = load<u8>(OWNERS_OFF + i);
    if (owner > OWNER_CURRENT) return broken(PART_FRAMES, <u32>i);
    if (owner != OWNER_FREE) continue;
    const off = FRAMES_OFF + (i << PAGE_SHIFT);
    for (let at = off; at < off + PAGE_SIZE; at += 8) {
      if (load<u64>(at) != 0) return broken(PART_FRAMES, <u32>i);
    }
  }
  return end <= NR_FRAMES;
}

function audit_roots(): bool {
  if (!audit_root(header().hv_root, -1)) return false;
  for (let id: i32 = 0; id < <i32>NR_DOMAINS; id++) {
    if (is_domain(id) && !audit_root(<u64>domain_at(id).root, id)) return false;
  }
  return true;
}

/** The machine's own entries write two adjacent pages. */
function audit_entries(): bool {
  const h = header();
  if (h.entries == 0) return true;
  const data_va = ENTRIES_VA + ENTRY_SHARED;
  if (h.entries == ENTRIES_MACHINE && peek_off(ENTRIES_VA) != 0) {
    if (are_pages(<u64>peek_off(data_va), 2, OWNER_CURRENT, -1, data_va)) return true;
  }
  return broken(PART_ENTRIES, 0);
}

/** What the host has left in staging is not of this machine, but its frames are. */
function audit_staging(): bool {
  const h = header();
  if (h.staging_frames == 0) return true;
  const claimed = claim_record(h.staging_off, h.staging_frames, OWNER_STAGING);
  return claimed || broken(PART_FRAMES, 0);
}

/** False: the refusal says what cannot be. What the layers above keep they audit themselves,
 *  afterwards and with the same claims. */
export function audit_machine(): bool {
  clear_claims();
  if (!audit_header() || !audit_frames() || !audit_roots()) return false;
  // Every address that is mapped leads to a frame of its own.
  enter_domain(-1, false);
  if (!audit_domains() || !audit_cpus() || !audit_entries()) return false;
  if (!audit_image() || !audit_staging()) return false;
  return audit_tasklets(TASKLET_LIVEPATCH) || broken(PART_TASKLETS, 0);
}
