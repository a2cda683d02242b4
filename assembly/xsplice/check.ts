// CHECK: may this payload be applied to this hypervisor, now? (R45-R50, R182-R187, R215, R216,
// R221, D2). A list of questions; the first "no" is the answer, with its reason, and nothing has
// been changed. APPLY asks all of them again before it writes.

import {
  EFAULT,
  EINVAL,
  ENOMEM,
  ENOSPC,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  PERM_R,
  PERM_X,
  REGION_DATA,
  REGION_INIT,
  REGION_NONE,
  REGION_RODATA,
  REGION_TEXT,
  XSPLICE_SECTION_DATA,
  XSPLICE_SECTION_TEXT,
} from "../abi";
import { is_mapped, peek_off } from "../hv/mem";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { region_of } from "../hv/regions";
import {
  PLACE_XSPLICE_HOWTO,
  PLACE_XSPLICE_PATCH,
  PLACE_XSPLICE_SECTION,
  REASON_CONTENT_NOT_EXECUTABLE,
  REASON_DISTANCE,
  REASON_INIT_TEXT,
  REASON_NO_MEMORY,
  REASON_NOT_MAPPED,
  REASON_RELOC_VALUE,
  REASON_SELF_PATCH,
  REASON_TOO_SMALL,
  REASON_WRITABLE_DATA,
  REASON_WRONG_SECTION,
} from "../reasons";
import { check_conflicts, check_overlaps } from "./conflict";
import { field_holds, relocated_value, shifted_value } from "./howto";
import { fix_up } from "./fixups";
import { check_ident } from "./ident";
import { add_bug_places, bug_trampolines, hop_possible } from "./island";
import { payload_perms } from "./memory";
import { check_midway, finish_instructions } from "./midway";
import { close_old, open_old } from "./oldcode";
import { Payload } from "./payload";
import { find_places, sort_splices } from "./places";
import { is_patching_code } from "./selfpatch";
import {
  free_splices,
  MARK_ENDBR,
  MARK_HOP,
  Splice,
  splice_at,
  SPLICE_DATA,
  SPLICE_FIELD,
  SPLICE_TEXT,
  SPLICE_TRAMPOLINE,
} from "./splice";
import { note_shared_strings } from "./strings";
import { name_symbol } from "./target";
import { JMP_REL32_LEN, jump_reaches, kept_at_entry, padding_length } from "./trampoline";

/** A refusal about one place, with its symbol and address. */
function refuse_place(s: Splice, errno: i32, reason: u32): i32 {
  name_symbol(s.symbol);
  refusal().va = s.va;
  return refuse_at(errno, reason, PLACE_XSPLICE_PATCH, s.index);
}

/** (a) in memory, and in the image (R46). */
function check_mapped(p: Payload, s: Splice): i32 {
  if (s.va - p.base_va < (<u64>p.mem_pages) << 12) return refuse_place(s, EPERM, REASON_SELF_PATCH);
  if (!is_mapped(s.va, s.length, PERM_R)) return refuse_place(s, EFAULT, REASON_NOT_MAPPED);
  const last = s.va + (s.length == 0 ? 0 : s.length - 1);
  if (region_of(s.va) == REGION_NONE || region_of(last) == REGION_NONE) {
    return refuse_place(s, EFAULT, REASON_NOT_MAPPED);
  }
  return 0;
}

/** (c) in the section that it claims, of a kind that may be changed (R48, R180, K18). */
function check_region(s: Splice): i32 {
  const region = region_of(s.va);
  const claims_text = (s.flags & XSPLICE_SECTION_TEXT) != 0;
  const claims_data = (s.flags & XSPLICE_SECTION_DATA) != 0;
  if (region == REGION_DATA && claims_data) {
    return refuse_region(s, EOPNOTSUPP, REASON_WRITABLE_DATA, region);
  }
  if (claims_data || region == REGION_DATA || claims_text != (region == REGION_TEXT)) {
    return refuse_region(s, EINVAL, REASON_WRONG_SECTION, region);
  }
  // Code goes to text, data to .rodata.
  const wants = s.kind == SPLICE_DATA ? REGION_RODATA : REGION_TEXT;
  if (s.kind == SPLICE_FIELD || region == wants) return 0;
  return refuse_region(s, EINVAL, REASON_WRONG_SECTION, region);
}

function refuse_region(s: Splice, errno: i32, reason: u32, region: u32): i32 {
  refusal().value = region;
  refusal().limit = s.flags;
  return refuse_place(s, errno, reason);
}

/** Room for the jump: the function and real padding behind it (R185, R187, 6974c75180). */
function check_room(s: Splice): i32 {
  const kept = is_mapped(s.va, 4, PERM_R) ? entry_kept(s.va) : 0;
  if (kept != 0 && s.room > kept) {
    s.va += kept;
    s.room -= kept;
    s.marks |= MARK_ENDBR;
  }
  if (s.room < JMP_REL32_LEN) return refuse_room(s, s.room);
  let va = s.object_va + s.object_size;
  while (va < s.va + JMP_REL32_LEN) {
    const off = peek_off(va);
    const length = off == 0 ? 0 : padding_length(off, 1 + <u32>(0xfff - (va & 0xfff)));
    // Zeros are what a linker leaves between sections.
    if (length == 0 && (off == 0 || load<u8>(off) != 0)) return refuse_room(s, va - s.va);
    va += max<u32>(length, 1);
  }
  return 0;
}

function refuse_room(s: Splice, room: u64): i32 {
  refusal().value = room;
  refusal().limit = JMP_REL32_LEN;
  return refuse_place(s, ENOSPC, REASON_TOO_SMALL);
}

/** ENDBR64 may cross a page: looked at byte by byte through a copy. */
const ENTRY = memory.data(8);
function entry_kept(va: u64): u32 {
  for (let i: usize = 0; i < 4; i++) store<u8>(ENTRY + i, load<u8>(peek_off(va + i)));
  return kept_at_entry(ENTRY);
}

function check_trampoline(p: Payload, s: Splice): i32 {
  const rc = check_room(s);
  if (rc != 0) return rc;
  // A14: what a trampoline leads to must be executable code of the payload.
  if ((payload_perms(p, s.target, max<u64>(s.new_size, 1)) & PERM_X) == 0) {
    refusal().va2 = s.target;
    return refuse_place(s, EINVAL, REASON_CONTENT_NOT_EXECUTABLE);
  }
  if (jump_reaches(s.va, s.target)) return 0;
  s.marks |= MARK_HOP;
  if (hop_possible(p)) return 0;
  refusal().va2 = s.target;
  return refuse_place(s, EOVERFLOW, REASON_DISTANCE);
}

function check_field(s: Splice): i32 {
  const value = relocated_value(s.field_flag, s.target, s.field_added, s.va);
  const shifted = shifted_value(s.field_flag, value, s.field_shift);
  if (field_holds(s.field_flag, shifted, s.field_size, s.field_mask)) return 0;
  name_symbol(s.symbol);
  refusal().va = s.va;
  refusal().va2 = s.target;
  refusal().value = value;
  refusal().limit = s.field_mask;
  return refuse_at(EOVERFLOW, REASON_RELOC_VALUE, PLACE_XSPLICE_HOWTO, s.index);
}

/** Everything about one place that needs no other place (R175: not in .init). */
function check_place(p: Payload, s: Splice): i32 {
  // Init code is named as what it is, although it is not in memory any more.
  if (region_of(s.va) == REGION_INIT)
    return refuse_region(s, EINVAL, REASON_INIT_TEXT, REGION_INIT);
  let rc = check_mapped(p, s);
  if (rc == 0) rc = check_region(s);
  if (rc != 0) return rc;
  if (s.kind == SPLICE_TRAMPOLINE) rc = check_trampoline(p, s);
  else if (s.kind == SPLICE_FIELD) rc = check_field(s);
  else if (s.kind == SPLICE_TEXT) finish_instructions(s);
  if (rc == 0 && is_patching_code(s)) return refuse_place(s, EPERM, REASON_SELF_PATCH);
  return rc;
}

function questions(p: Payload, entries: bool): i32 {
  let rc = check_ident(p);
  if (rc != 0) return rc;
  // The payload is for this build.
  rc = find_places(p);
  if (rc != 0) return rc;
  rc = fix_up(p, false);
  if (rc != 0) return rc;
  // Every symbol is known, every address agrees with it.
  for (let i: u32 = 0; i < p.splices_count; i++) {
    rc = check_place(p, splice_at(p, i));
    if (rc != 0) return rc;
  }
  // Every place may be changed, every value fits.
  if (bug_trampolines()) {
    p.splices_count += add_bug_places(p);
    if (!sort_splices(p)) return refuse(ENOMEM, REASON_NO_MEMORY);
  }
  rc = check_overlaps(p);
  if (rc != 0) return rc;
  rc = open_old(p);
  if (rc == 0) rc = check_conflicts(p);
  close_old();
  if (rc != 0) return rc;
  // Nobody else's bytes are touched, unless on purpose.
  if (!entries) return 0;
  rc = check_midway(p);
  if (rc != 0) return rc;
  // Nothing jumps into the middle of what is replaced.
  note_shared_strings(p);
  return 0;
}

/** All questions. 0: the payload's splices are there, sorted. Otherwise -errno, and none are
 *  left. `entries` false leaves out the search for jumps into replaced ranges (R220): APPLY asks
 *  again only what can have changed, and the text it would search is the text that CHECK has
 *  searched. */
export function check_payload(p: Payload, entries: bool): i32 {
  free_splices(p);
  const rc = questions(p, entries);
  if (rc != 0) free_splices(p);
  return rc;
}
if (XSPLICE_SECTION_TEXT == 0 || PLACE_XSPLICE_SECTION == 0) ERROR("flags are bits");
