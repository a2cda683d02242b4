// ELF notes that a payload brings: its own build-id in `.note.gnu.build-id` (R200, R201), by
// which other payloads can depend on it (R198). A payload made by `gcc -c` has none, `ld -r
// --build-id` gives it one. Format: gABI "Note Section"; name "GNU", type 3, an id of any length
// (R201).

import { EEXIST, EINVAL } from "../abi";
import { Nhdr, NHDR_SIZE, NT_GNU_BUILD_ID, SHF_ALLOC, SHT_NOBITS } from "../hv/elf";
import { refusal, refuse } from "../hv/refusal";
import { REASON_PAYLOAD_EXISTS, REASON_STRUCT_SIZE } from "../reasons";
import {
  ElfFile,
  find_section,
  refuse_section,
  refused_value,
  section,
  section_place,
} from "./elf";
import { payload_off } from "./memory";
import { copy_id, first_payload, is_payload, next_payload, Payload } from "./payload";

const NAME_BUILD_ID = memory.data<u8>([
  0x2e, 0x6e, 0x6f, 0x74, 0x65, 0x2e, 0x67, 0x6e, 0x75, 0x2e, 0x62, 0x75, 0x69, 0x6c, 0x64, 0x2d,
  0x69, 0x64,
]); // ".note.gnu.build-id"
const NAME_BUILD_ID_LEN: usize = 18;
const GNU_NAME: u32 = 0x00554e47; // "GNU\0"

/** After this the payload's own build-id is known, if it has one, and no other payload has it. */
export function find_own_build_id(e: ElfFile, p: Payload): i32 {
  p.build_id_va = 0;
  p.build_id_len = 0;
  const index = find_section(e, 1, NAME_BUILD_ID, NAME_BUILD_ID_LEN);
  if (index == 0) return 0;
  const s = section(e, index);
  if ((s.sh_flags & SHF_ALLOC) == 0 || s.sh_type == SHT_NOBITS) return 0;
  const place = section_place(e, index);
  const size = s.sh_size;
  if (size <= NHDR_SIZE + 4) return refuse_note(e, index, size);
  const n = changetype<Nhdr>(place.mem_off);
  const good =
    n.n_type == NT_GNU_BUILD_ID &&
    n.n_namesz == 4 &&
    load<u32>(place.mem_off + NHDR_SIZE) == GNU_NAME;
  if (!good || n.n_descsz == 0 || <u64>n.n_descsz > size - NHDR_SIZE - 4) {
    return refuse_note(e, index, n.n_descsz);
  }
  p.build_id_va = place.va + NHDR_SIZE + 4;
  p.build_id_len = n.n_descsz;
  return check_twins(p);
}

/** The same payload is not loaded twice under two ids (a946b8de14). */
function check_twins(p: Payload): i32 {
  const own = payload_off(p, p.build_id_va, p.build_id_len);
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (q.build_id_len != p.build_id_len || q.build_id_len == 0) continue;
    const other = payload_off(q, q.build_id_va, q.build_id_len);
    if (other == 0 || memory.compare(own, other, p.build_id_len) != 0) continue;
    copy_id(refusal().other_off, q.id_off);
    return refuse(EEXIST, REASON_PAYLOAD_EXISTS);
  }
  return 0;
}

function refuse_note(e: ElfFile, index: u32, value: u64): i32 {
  const rc = refuse_section(e, EINVAL, REASON_STRUCT_SIZE, index);
  refused_value(value, section(e, index).sh_size);
  return rc;
}
