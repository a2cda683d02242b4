// The exception table that a payload brings for its own code (R195): section `.ex_table`, Xen's
// format, pairs of s32 {faulting instruction, continuation}, each relative to its own field. It
// is sorted by the faulting instruction when the payload is loaded (livepatch-today 5.5).

import { EFAULT, EINVAL } from "../abi";
import { SHF_ALLOC } from "../hv/elf";
import { sort_entries } from "../hv/extable_sort";
import { refusal } from "../hv/refusal";
import { REASON_PAYLOAD_POINTER, REASON_STRUCT_SIZE } from "../reasons";
import {
  ElfFile,
  find_section,
  refuse_section,
  refused_value,
  section,
  section_place,
} from "./elf";
import { Payload } from "./payload";

const NAME_EXTABLE = memory.data<u8>([0x2e, 0x65, 0x78, 0x5f, 0x74, 0x61, 0x62, 0x6c, 0x65]);
const NAME_EXTABLE_LEN: usize = 9; // ".ex_table"
const ENTRY: usize = 8;

/** Index of the first entry that leaves the payload's text; -1 when none does. */
function find_stray(p: Payload, off: usize, va: u64, bytes: usize): i32 {
  for (let at: usize = 0; at < bytes; at += 4) {
    const target = va + <u64>at + <u64>(<i64>load<i32>(off + at));
    if (target - p.text_va < p.text_size) continue;
    refusal().va = target;
    return <i32>(at / ENTRY);
  }
  return -1;
}

/** After this the payload's exception table, if it has one, can be searched by halves. */
export function sort_extable(e: ElfFile, p: Payload): i32 {
  p.extable_va = 0;
  p.extable_end_va = 0;
  const index = find_section(e, 1, NAME_EXTABLE, NAME_EXTABLE_LEN);
  if (index == 0) return 0;
  const s = section(e, index);
  if (s.sh_size == 0 || (s.sh_flags & SHF_ALLOC) == 0) return 0;
  if (s.sh_size % ENTRY != 0) {
    const rc = refuse_section(e, EINVAL, REASON_STRUCT_SIZE, index);
    refused_value(s.sh_size, ENTRY);
    return rc;
  }
  const place = section_place(e, index);
  const bytes = <usize>s.sh_size;
  const stray = find_stray(p, place.mem_off, place.va, bytes);
  if (stray >= 0) {
    const rc = refuse_section(e, EFAULT, REASON_PAYLOAD_POINTER, index);
    refusal().index2 = <u32>stray;
    return rc;
  }
  sort_entries(place.mem_off, bytes);
  p.extable_va = place.va;
  p.extable_end_va = place.va + s.sh_size;
  return 0;
}
