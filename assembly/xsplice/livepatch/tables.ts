// Tables that today's payload brings for its own code (spec/livepatch-today 5.4-5.6): bug frames,
// exception table, module information. Step 11, after the notes.

import { EINVAL } from "../../abi";
import { bug_site } from "../../hv/bugframes";
import { sort_entries } from "../../hv/extable_sort";
import {
  HAZARD_BUG_FRAME_STRAY,
  HAZARD_EXTABLE_STRAY,
  REASON_LP_MODINFO,
  REASON_XEN_CRASH_MODINFO_EMPTY,
} from "../../reasons";
import { ElfFile, refuse_section, section, section_place } from "../elf";
import { Payload } from "../payload";
import { note_hazard } from "./file";
import { livepatch, NR_BUG_FRAMES } from "./record";
import { check_entries, check_placed, is_placed, named_section, section_size } from "./sections";

const BUG_FRAME: u64 = 8;
const EX_ENTRY: u64 = 8;

function bug_section(n: u32): string {
  switch (n) {
    case 0:
      return ".bug_frames.0";
    case 1:
      return ".bug_frames.1";
    case 2:
      return ".bug_frames.2";
    default:
      return ".bug_frames.3";
  }
}


@inline
export function is_own_text(p: Payload, va: u64): bool {
  return va - p.text_va < p.text_size;
}

export function take_bug_frames(e: ElfFile, p: Payload): i32 {
  for (let n: u32 = 0; n < NR_BUG_FRAMES; n++) {
    const index = named_section(e, bug_section(n));
    if (index == 0) continue;
    const rc = check_entries(e, index, BUG_FRAME);
    if (rc != 0) return rc;
    // Not ALLOC: registered nowhere; only a BUG in the payload would miss it.
    if (!is_placed(e, index)) {
      note_hazard(HAZARD_BUG_FRAME_STRAY);
      continue;
    }
    const place = section_place(e, index);
    const count = <u32>(section_size(e, index) / BUG_FRAME);
    livepatch(p).set_bugs(n, place.va, count);
    for (let i: u32 = 0; i < count; i += n == 3 ? 2 : 1) {
      const at = <u64>i * BUG_FRAME;
      const site = bug_site(place.mem_off + <usize>at, place.va + at);
      if (!is_own_text(p, site)) note_hazard(HAZARD_BUG_FRAME_STRAY);
    }
  }
  return 0;
}

export function take_extable(e: ElfFile, p: Payload): i32 {
  const index = named_section(e, ".ex_table");
  if (index == 0) return 0;
  let rc = check_entries(e, index, EX_ENTRY);
  if (rc != 0 || section_size(e, index) == 0) return rc;
  rc = check_placed(e, index);
  if (rc != 0) return rc;
  const place = section_place(e, index);
  const bytes = section(e, index).sh_size;
  sort_entries(place.mem_off, <usize>bytes);
  p.extable_va = place.va;
  p.extable_end_va = place.va + bytes;
  for (let at: u64 = 0; at < bytes; at += 4) {
    const target = place.va + at + <u64>(<i64>load<i32>(place.mem_off + <usize>at));
    if (!is_own_text(p, target)) note_hazard(HAZARD_EXTABLE_STRAY);
  }
  return 0;
}

export function take_modinfo(e: ElfFile, p: Payload): i32 {
  const index = named_section(e, ".modinfo");
  if (index == 0) return 0;
  const bytes = section_size(e, index);
  if (bytes == 0) return refuse_section(e, EINVAL, REASON_XEN_CRASH_MODINFO_EMPTY, index);
  const rc = check_placed(e, index);
  if (rc != 0) return rc;
  const place = section_place(e, index);
  if (load<u8>(place.mem_off + <usize>bytes - 1) != 0) {
    return refuse_section(e, EINVAL, REASON_LP_MODINFO, index);
  }
  const lp = livepatch(p);
  lp.meta_va = place.va;
  lp.meta_len = <u32>bytes;
  return 0;
}
