// Hook sections of today's payload (spec/livepatch-today 4): six single functions and two arrays.
// The real loader does not look at the pointers; a null or stray one crashes the hypervisor when it
// is called, so it is refused here.

import { EINVAL, PERM_X } from "../../abi";
import { entry_of } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import {
  HAZARD_HOOK_NULL,
  PLACE_LP_HOOK,
  REASON_LP_SECTION_SIZE,
  REASON_XEN_CRASH_HOOK_ADDRESS,
  REASON_XEN_CRASH_HOOK_NULL,
} from "../../reasons";
import { ElfFile, refuse_section, refused_value, section_place } from "../elf";
import { Payload } from "../payload";
import { note_hazard } from "./file";
import { HOOK_LOAD, livepatch, NR_HOOKS } from "./record";
import {
  check_entries,
  check_placed,
  hook_section,
  is_placed,
  named_section,
  section_size,
} from "./sections";
import { is_own_text } from "./tables";

const POINTER: u64 = 8;

/** Code can be fetched from `va` once the payload is mapped. */
export function is_executable(p: Payload, va: u64): bool {
  const pages = (p.text_size + 0xfff) & ~0xfff;
  return is_own_text(p, va) || va - p.text_va < pages || (entry_of(va) & PERM_X) != 0;
}

function refuse_hook(reason: u32, kind: u32, entry: u32, va: u64): i32 {
  const rc = refuse_at(EINVAL, reason, PLACE_LP_HOOK, kind);
  refusal().index2 = entry;
  refusal().va = va;
  return rc;
}

function take_hook(e: ElfFile, p: Payload, kind: u32): i32 {
  const index = named_section(e, hook_section(kind));
  if (index == 0) return 0;
  const many = kind >= HOOK_LOAD;
  const size = section_size(e, index);
  if (!many && size != POINTER) {
    const rc = refuse_section(e, EINVAL, REASON_LP_SECTION_SIZE, index);
    refused_value(size, POINTER);
    return rc;
  }
  let rc = check_entries(e, index, POINTER);
  if (rc != 0) return rc;
  if (!is_placed(e, index)) {
    // A null pointer to the section: no hook for the single ones, a crash for the arrays.
    note_hazard(HAZARD_HOOK_NULL);
    return many ? check_placed(e, index) : 0;
  }
  const place = section_place(e, index);
  const entries = <u32>(size / POINTER);
  const lp = livepatch(p);
  lp.set_hook(kind, place.va, entries);
  for (let i: u32 = 0; i < entries; i++) {
    const va = load<u64>(place.mem_off + ((<usize>i) << 3));
    if (va == 0 && !many) {
      note_hazard(HAZARD_HOOK_NULL);
      return 0;
    }
    if (va == 0) return refuse_hook(REASON_XEN_CRASH_HOOK_NULL, kind, i, 0);
    if (!is_executable(p, va)) return refuse_hook(REASON_XEN_CRASH_HOOK_ADDRESS, kind, i, va);
  }
  lp.hook_mask |= 1 << kind;
  return rc;
}

export function take_hooks(e: ElfFile, p: Payload): i32 {
  let rc = 0;
  for (let kind: u32 = 0; kind < NR_HOOKS && rc == 0; kind++) rc = take_hook(e, p, kind);
  return rc;
}

/** Where hook `entry` of a kind points to now: its section may be writable. */
export function hook_target(p: Payload, kind: u32, entry: u32): u64 {
  const va = livepatch(p).hook_va(kind) + ((<u64>entry) << 3);
  return load<u64>(p.mem_off + <usize>(va - p.base_va));
}
