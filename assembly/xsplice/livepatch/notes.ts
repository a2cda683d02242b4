// The three notes of today's payload (spec/livepatch-today 3): its own build-id, the id of what it
// must be applied on, and the id of the hypervisor that it was built for. On 4.17 whatever is wrong
// with a note is -EINVAL.

import { EEXIST, EINVAL, ENODATA } from "../../abi";
import { NHDR_SIZE, Nhdr, NT_GNU_BUILD_ID } from "../../hv/elf";
import { BUILD_ID_OFF, header } from "../../hv/header";
import { refusal, refusal_name, refuse, refuse_at } from "../../hv/refusal";
import {
  HAZARD_ID_IS_XENS,
  PLACE_LP_NOTE,
  REASON_BUILD_ID,
  REASON_DEPENDENCY,
  REASON_LP_NOTE,
  REASON_NO_BUILD_ID,
  REASON_PAYLOAD_EXISTS,
} from "../../reasons";
import { ElfFile, refuse_section, refused_value, section, section_place } from "../elf";
import { is_payload, Payload } from "../payload";
import { note_hazard } from "./file";
import { first_today, livepatch, next_today, top_applied } from "./record";
import { say, say_name } from "./say";
import { check_placed, named_section } from "./sections";

/** Found by the last parse: offset of the id in the section, and its length. */
let desc_at: u64 = 0;
let desc_len: u32 = 0;

/** "GNU" as strncmp over the name's size has it: what follows a NUL does not count. */
function is_gnu(off: usize): bool {
  return (load<u32>(off) & 0xffffffff) == 0x00554e47;
}

/** True when the section begins with a note of a GNU build-id. */
function parse(off: usize, size: u64): bool {
  if (size <= NHDR_SIZE) return false;
  const note = changetype<Nhdr>(off);
  const sum = note.n_namesz + note.n_descsz;
  if (note.n_type != NT_GNU_BUILD_ID || sum < note.n_namesz || note.n_namesz < 4) return false;
  if (<u64>sum > size - NHDR_SIZE || !is_gnu(off + NHDR_SIZE) || note.n_descsz == 0) return false;
  desc_at = NHDR_SIZE + ((<u64>note.n_namesz + 3) & ~3);
  desc_len = note.n_descsz;
  // The test above forgets the padding of the name.
  return desc_at <= size && <u64>desc_len <= size - desc_at;
}

/** Parses the note in section `name`; p's id goes to desc_*, as an address in `va`. */
function read_note(e: ElfFile, name: string): i32 {
  const index = named_section(e, name);
  const rc = check_placed(e, index);
  if (rc != 0) return rc;
  const place = section_place(e, index);
  if (!parse(place.mem_off, section(e, index).sh_size)) {
    const bad = refuse_section(e, EINVAL, REASON_LP_NOTE, index);
    refused_value(section(e, index).sh_size, 0);
    return bad;
  }
  desc_at += place.va;
  return 0;
}

/** Linear offset of bytes of a payload. */
@inline
export function in_payload(p: Payload, va: u64): usize {
  return p.mem_off + <usize>(va - p.base_va);
}

function same(p: Payload, va: u64, len: u32, off: usize, count: u32): bool {
  return len == count && memory.compare(in_payload(p, va), off, len) == 0;
}

function refuse_twin(p: Payload, q: Payload): i32 {
  refusal_name(livepatch(q).name_off, 127);
  refusal().va = p.build_id_va;
  return refuse(EEXIST, REASON_PAYLOAD_EXISTS);
}

/** Own id, then depends, then the hypervisor's. */
export function read_notes(e: ElfFile, p: Payload): i32 {
  const lp = livepatch(p);
  const h = header();
  let rc = read_note(e, ".note.gnu.build-id");
  if (rc != 0) return rc;
  p.build_id_va = desc_at;
  p.build_id_len = desc_len;
  for (let q = first_today(); is_payload(q); q = next_today(q)) {
    const id = in_payload(q, q.build_id_va);
    if (same(p, p.build_id_va, p.build_id_len, id, q.build_id_len)) return refuse_twin(p, q);
  }
  if (same(p, p.build_id_va, p.build_id_len, BUILD_ID_OFF, h.build_id_len))
    note_hazard(HAZARD_ID_IS_XENS);
  rc = read_note(e, ".livepatch.depends");
  if (rc != 0) return rc;
  p.depends_va = desc_at;
  p.depends_len = desc_len;
  rc = read_note(e, ".livepatch.xen_depends");
  if (rc != 0) return rc;
  lp.xen_depends_va = desc_at;
  lp.xen_depends_len = desc_len;
  return 0;
}

/** Puts the id that the payload has and the one that runs into the refusal. */
function refuse_id(
  reason: u32,
  p: Payload,
  va: u64,
  len: u32,
  running_off: usize,
  running: u32,
): i32 {
  const rc = refuse_at(EINVAL, reason, PLACE_LP_NOTE, 0);
  const r = refusal();
  const n = min<u32>(min<u32>(len, running), 32);
  memory.copy(r.found_off, in_payload(p, va), n);
  memory.copy(r.expected_off, running_off, n);
  r.bytes_count = n;
  r.value = len;
  r.limit = running;
  return rc;
}

/** `.livepatch.xen_depends` against the running hypervisor. */
export function check_hypervisor(p: Payload): i32 {
  const h = header();
  const lp = livepatch(p);
  if (h.build_id_len == 0) return refuse(ENODATA, REASON_NO_BUILD_ID);
  if (same(p, lp.xen_depends_va, lp.xen_depends_len, BUILD_ID_OFF, h.build_id_len)) return 0;
  say(p, "check against hypervisor build-id failed");
  return refuse_id(
    REASON_BUILD_ID,
    p,
    lp.xen_depends_va,
    lp.xen_depends_len,
    BUILD_ID_OFF,
    h.build_id_len,
  );
}

/** `.livepatch.depends` against the last applied payload, or the hypervisor when `base` or none is.
 *  */
export function check_depends(p: Payload, base: bool): i32 {
  const h = header();
  const top = top_applied();
  if (!base && is_payload(top)) {
    const id = in_payload(top, top.build_id_va);
    if (same(p, p.depends_va, p.depends_len, id, top.build_id_len)) return 0;
    refusal_name(livepatch(top).name_off, 127);
    say_name(p, "check against ", livepatch(top).name_off, " build-id failed");
    return refuse_id(REASON_DEPENDENCY, p, p.depends_va, p.depends_len, id, top.build_id_len);
  }
  if (h.build_id_len == 0) return refuse(ENODATA, REASON_NO_BUILD_ID);
  if (same(p, p.depends_va, p.depends_len, BUILD_ID_OFF, h.build_id_len)) return 0;
  say(p, "check against hypervisor build-id failed");
  return refuse_id(REASON_DEPENDENCY, p, p.depends_va, p.depends_len, BUILD_ID_OFF, h.build_id_len);
}
