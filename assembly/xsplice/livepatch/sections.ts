// Sections that today's loader knows by name (spec/livepatch-today 1.5): the first of a name
// counts. Which must be there, and not be empty; where they were loaded.

import { EINVAL } from "../../abi";
import { Shdr } from "../../hv/elf";
import { refuse, refusal_name } from "../../hv/refusal";
import { ascii } from "../../hv/text";
import {
  HAZARD_SECTION_IGNORED,
  REASON_LP_NOTHING_TO_PATCH,
  REASON_LP_SECTION_EMPTY,
  REASON_LP_SECTION_MISSING,
  REASON_LP_SECTION_SIZE,
  REASON_XEN_CRASH_NOT_ALLOC,
} from "../../reasons";
import {
  ElfFile,
  find_section,
  refuse_section,
  refused_value,
  section,
  section_place,
} from "../elf";
import { note_hazard } from "./file";
import { NR_HOOKS } from "./record";

/** Index of the first section of this name, 0 when there is none. */
export function named_section(e: ElfFile, name: string): u32 {
  const len = <usize>name.length;
  const index = find_section(e, 1, ascii(name), len);
  if (index != 0 && find_section(e, index + 1, ascii(name), len) != 0) {
    note_hazard(HAZARD_SECTION_IGNORED);
  }
  return index;
}

export function hook_section(kind: u32): string {
  switch (kind) {
    case 0:
      return ".livepatch.hooks.preapply";
    case 1:
      return ".livepatch.hooks.apply";
    case 2:
      return ".livepatch.hooks.postapply";
    case 3:
      return ".livepatch.hooks.prerevert";
    case 4:
      return ".livepatch.hooks.revert";
    case 5:
      return ".livepatch.hooks.postrevert";
    case 6:
      return ".livepatch.hooks.load";
    default:
      return ".livepatch.hooks.unload";
  }
}

function missing(name: string): i32 {
  const rc = refuse(EINVAL, REASON_LP_SECTION_MISSING);
  refusal_name(ascii(name), <usize>name.length);
  return rc;
}

function require(e: ElfFile, name: string): i32 {
  const index = named_section(e, name);
  if (index == 0) return missing(name);
  if (section(e, index).sh_size != 0) return 0;
  return refuse_section(e, EINVAL, REASON_LP_SECTION_EMPTY, index);
}

/** Step 9: the three notes. */
export function check_required(e: ElfFile): i32 {
  let rc = require(e, ".livepatch.depends");
  if (rc == 0) rc = require(e, ".livepatch.xen_depends");
  if (rc == 0) rc = require(e, ".note.gnu.build-id");
  return rc;
}

/** Step 10: something that patches, nothing of it empty. */
export function check_patching(e: ElfFile): i32 {
  let found: u32 = 0;
  for (let kind: u32 = 0; kind <= NR_HOOKS; kind++) {
    const name = kind == NR_HOOKS ? ".livepatch.funcs" : hook_section(kind);
    const index = named_section(e, name);
    if (index == 0) continue;
    if (section(e, index).sh_size == 0) {
      return refuse_section(e, EINVAL, REASON_LP_SECTION_EMPTY, index);
    }
    found++;
  }
  return found == 0 ? refuse(EINVAL, REASON_LP_NOTHING_TO_PATCH) : 0;
}

/** Whole entries of `size` bytes. */
export function check_entries(e: ElfFile, index: u32, size: u64): i32 {
  const s = section(e, index);
  if (s.sh_size % size == 0) return 0;
  const rc = refuse_section(e, EINVAL, REASON_LP_SECTION_SIZE, index);
  refused_value(s.sh_size, size);
  return rc;
}


@inline
export function is_placed(e: ElfFile, index: u32): bool {
  return section_place(e, index).region != 0;
}

/** The real loader reads such a section through a null pointer when it is not ALLOC. */
export function check_placed(e: ElfFile, index: u32): i32 {
  if (is_placed(e, index)) return 0;
  return refuse_section(e, EINVAL, REASON_XEN_CRASH_NOT_ALLOC, index);
}


@inline
export function section_size(e: ElfFile, index: u32): u64 {
  const s: Shdr = section(e, index);
  return s.sh_size;
}
