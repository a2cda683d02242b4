// Boot: from an image's bytes to a machine at rest. The file is checked before anything is changed,
// so a bad file leaves a running machine as it was. From there on the old machine is gone: if
// frames run out, what is left is an empty machine, never half of one.

import {
  ABI_VERSION,
  BOOT_CPUS,
  BOOT_OPTIONS,
  BOOT_PAYLOAD_BASE,
  BOOT_QUIESCE,
  BOOT_SEED,
  BOOT_WORKLOAD,
  EINVAL,
  ENOMEM,
  OPTION_ENTRIES_IMAGE,
  OPTION_ENTRIES_MACHINE,
  REGION_TEXT,
  STOP_RETURN,
} from "../abi";
import { REASON_BOOT_PARAMETER, REASON_NO_MEMORY, STEP_BOOT } from "../reasons";
import { apply_alternatives } from "./alternatives";
import { call_function } from "./call";
import { Cpu, cpu_at } from "./cpu";
import { check_features, take_features, tell_features } from "./cpu_features";
import { boot_current } from "./current";
import { boot_domains, enter_domain } from "./domain";
import { boot_entries } from "./entries";
import { sort_image_extable } from "./extable_sort";
import { free_frames, OWNER_FREE } from "./frames";
import { boot_gdt } from "./gdt";
import { boot_guests } from "./guest";
import { check_workload } from "./guest_programs";
import { HEADER_MAGIC, header, VERSION_MAX, VERSION_OFF } from "./header";
import { boot_hypercalls } from "./hypercall";
import { copy_segments, find_build_id, known_symbol, map_image } from "./image";
import { check_image_file, image_file, ImageFile } from "./image_file";
import { secure_image } from "./image_pages";
import { FRAMES_OFF, HEADER_OFF, NR_FRAMES, OWNERS_OFF } from "./layout";
import { peek_off } from "./mem";
import { flush_tlb, new_root } from "./pages";
import { DEFAULT_CPUS, NR_CPUS, PAGE_SHIFT } from "./param";
import { boot_payload_area } from "./payload_area";
import { clear_refusal, refusal, refuse } from "./refusal";
import { load_regions, region_at, region_holding } from "./regions";
import { drop_code } from "./restore";
import { boot_cpus } from "./smp";
import { load_symbols } from "./symbols_load";

/** Everything but the host's staging area becomes zero. */
export function wipe_machine(): void {
  const h = header();
  const staging_off = h.staging_off;
  const staging_frames = h.staging_frames;
  for (let i: usize = 0; i < NR_FRAMES; i++) {
    const owner = load<u8>(OWNERS_OFF + i);
    const off = FRAMES_OFF + (i << PAGE_SHIFT);
    const staged =
      off >= <usize>staging_off &&
      off < <usize>staging_off + ((<usize>staging_frames) << PAGE_SHIFT);
    if (owner != OWNER_FREE && !staged) free_frames(off, 1);
  }
  // The owner map stays; all records in front of it go.
  memory.fill(HEADER_OFF, 0, OWNERS_OFF - HEADER_OFF);
  h.staging_off = staging_off;
  h.staging_frames = staging_frames;
  flush_tlb();
  drop_code();
}

function refuse_parameter(index: u32, value: u32, limit: u32): i32 {
  const rc = refuse(EINVAL, REASON_BOOT_PARAMETER);
  refusal().index = index;
  refusal().value = value;
  refusal().limit = limit;
  return rc;
}

function check_parameters(boot: usize): i32 {
  const cpus = load<u32>(boot + BOOT_CPUS);
  if (cpus > NR_CPUS) return refuse_parameter(BOOT_CPUS, cpus, NR_CPUS);
  const both = OPTION_ENTRIES_IMAGE | OPTION_ENTRIES_MACHINE;
  const options = load<u32>(boot + BOOT_OPTIONS);
  if ((options & both) == both) return refuse_parameter(BOOT_OPTIONS, options, 0);
  return check_features(boot);
}

function take_parameters(boot: usize): void {
  const h = header();
  const cpus = load<u32>(boot + BOOT_CPUS);
  h.abi_version = ABI_VERSION;
  h.nr_cpus = cpus == 0 ? DEFAULT_CPUS : cpus;
  h.options = load<u32>(boot + BOOT_OPTIONS);
  h.seed = load<u64>(boot + BOOT_SEED);
  h.rng = h.seed;
  h.quiesce = load<u32>(boot + BOOT_QUIESCE);
  h.workload = load<u32>(boot + BOOT_WORKLOAD);
  h.payload_version = 1; // R131
  take_features(boot);
}

function note_text(): void {
  const h = header();
  for (let i: u32 = 0; i < h.regions_count; i++) {
    const region = region_at(i);
    if (region.kind != REGION_TEXT) continue;
    // A section that no segment brings into memory is no text of the hypervisor's.
    if (region.va < h.image_lo_va || region.end_va > h.image_hi_va) continue;
    if (h.text_lo_va == 0) h.text_lo_va = region.va;
    h.text_hi_va = region.end_va;
  }
}

/** The image: mapped, copied, symbols, permissions, what is needed by name. */
function boot_image(f: ImageFile): i32 {
  const h = header();
  h.hv_root = <u64>new_root();
  h.image_lo_va = f.lo_va;
  h.image_hi_va = f.hi_va;
  if (h.hv_root == 0) return refuse(ENOMEM, REASON_NO_MEMORY);
  enter_domain(-1, false);
  let rc = map_image(f);
  if (rc != 0) return rc;
  copy_segments(f);
  rc = load_regions(f);
  if (rc == 0) rc = load_symbols(f);
  if (rc == 0) rc = apply_alternatives();
  if (rc != 0) return rc;
  note_extable();
  sort_image_extable();
  tell_features();
  rc = secure_image(f);
  if (rc != 0) return rc;
  note_text();
  find_build_id(f);
  boot_hypercalls();
  rc = boot_entries(f);
  return rc != 0 ? rc : check_workload();
}

/** The image's exception table: as far as its two symbols lie in one section. */
function note_extable(): void {
  const va = known_symbol("__start___ex_table");
  const region = region_holding(va);
  if (region == null) return;
  header().extable_va = va;
  header().extable_end_va = min<u64>(known_symbol("__stop___ex_table"), region.end_va);
}

/** Calls a parameterless function of the image; false when it has none or it does not return. */
function ask(cpu: Cpu, name: string): bool {
  const va = known_symbol(name);
  return va != 0 && call_function(cpu, va, 0, 0, 10000) == STOP_RETURN;
}

function append(at: u32, byte: u32): u32 {
  if (at + 1 >= VERSION_MAX) return at;
  store<u8>(VERSION_OFF + <usize>at, <u8>byte);
  return at + 1;
}

function append_number(at: u32, value: u32): u32 {
  if (value >= 10) at = append_number(at, value / 10);
  return append(at, 0x30 + (value % 10));
}

/** "Xen 4.6-unstable-…": the image's own xen_major_version(), … called, as far as it has them. */
function boot_version(): void {
  const cpu = cpu_at(0);
  if (!ask(cpu, "xen_major_version")) return;
  let at: u32 = 0;
  for (let i = 0; i < 4; i++) at = append(at, <u32>"Xen ".charCodeAt(i));
  at = append_number(at, <u32>cpu.rax);
  if (ask(cpu, "xen_minor_version")) at = append_number(append(at, 0x2e), <u32>cpu.rax);
  if (ask(cpu, "xen_extra_version")) {
    enter_domain(-1, false);
    for (let va = cpu.rax; at + 1 < VERSION_MAX; va++) {
      const off = peek_off(va);
      const c: u32 = off == 0 ? 0 : load<u8>(off);
      if (c == 0) break;
      at = append(at, c >= 0x20 && c < 0x7f ? c : 0x3f);
    }
  }
  header().version_len = at;
  // The calls were the machine's own business: it starts at time 0.
  header().retired = 0;
  header().time_ns = 0;
  cpu.retired = 0;
}

function build(boot: usize): i32 {
  take_parameters(boot);
  let rc = boot_image(image_file());
  if (rc == 0) rc = boot_payload_area(load<u64>(boot + BOOT_PAYLOAD_BASE));
  if (rc == 0) rc = boot_domains();
  if (rc == 0) rc = boot_current();
  if (rc == 0) rc = boot_gdt();
  if (rc == 0) rc = boot_cpus();
  if (rc != 0) return rc;
  boot_version();
  rc = boot_guests();
  header().magic = HEADER_MAGIC;
  return rc;
}

/** Boots the image at `off` with the parameters at `boot` (BOOT_*). 0 or -errno. */
export function boot_machine(off: usize, size: u32, boot: usize): i32 {
  clear_refusal();
  let rc = check_parameters(boot);
  if (rc == 0) rc = check_image_file(off, size);
  if (rc == 0) {
    wipe_machine();
    rc = build(boot);
    if (rc != 0) wipe_machine();
  }
  if (rc != 0) refusal().step = STEP_BOOT;
  return rc;
}
