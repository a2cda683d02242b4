// UNLOAD gives a payload's memory to the next one, so nothing may refer to it any more. Revert has
// taken the trampolines away; what can be left are pointers that the payload's own code stored (a
// handler that it registered), references from another payload, and return addresses. All of these
// are looked for: data of the image, per-CPU areas, other payloads, every CPU's stack.

import { EBUSY, REGION_DATA, REGION_RODATA } from "../abi";
import { header } from "../hv/header";
import { PER_CPU_VA } from "../hv/layout";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { symbol_at } from "../hv/symbols";
import { REASON_NO_MEMORY, REASON_STILL_REFERENCED, PLACE_XSPLICE } from "../reasons";
import { ENOMEM } from "../abi";
import {
  copy_id,
  first_payload,
  is_payload,
  next_payload,
  Payload,
  payload_of_va,
} from "./payload";
import { close_sieve, mark, open_sieve, scan_regions, scan_words } from "./scan";
import { is_held } from "./stackcheck";
import { name_symbol } from "./target";

// The payload's addresses.
let lo_va: u64 = 0;
let hi_va: u64 = 0;

function judge(word_va: u64, value: u64): i32 {
  if (value < lo_va || value >= hi_va) return 0;
  name_symbol(symbol_at(word_va));
  const rc = refuse_at(EBUSY, REASON_STILL_REFERENCED, PLACE_XSPLICE, 0);
  refusal().va = word_va;
  refusal().va2 = value;
  const owner = payload_of_va(word_va);
  if (is_payload(owner)) copy_id(refusal().other_off, owner.id_off);
  return rc;
}

function scan_others(p: Payload): i32 {
  for (let q = first_payload(); is_payload(q); q = next_payload(q)) {
    if (changetype<usize>(q) == changetype<usize>(p)) continue;
    const rc = scan_words(q.base_va, q.base_va + ((<u64>q.mem_pages) << 12), judge);
    if (rc != 0) return rc;
  }
  return 0;
}

const RANGE = memory.data(16);

/** 0, or -EBUSY still-referenced with the place of the pointer. */
export function check_unreferenced(p: Payload): i32 {
  if (p.mem_pages == 0) return 0;
  lo_va = p.base_va;
  hi_va = p.base_va + ((<u64>p.mem_pages) << 12);
  if (!open_sieve(lo_va, hi_va)) return refuse(ENOMEM, REASON_NO_MEMORY);
  mark(lo_va, hi_va);
  const h = header();
  let rc = scan_regions(REGION_DATA, judge);
  if (rc == 0) rc = scan_regions(REGION_RODATA, judge);
  if (rc == 0) rc = scan_words(PER_CPU_VA, PER_CPU_VA + h.per_cpu_size * h.nr_cpus, judge);
  if (rc == 0) rc = scan_others(p);
  close_sieve();
  if (rc != 0) return rc;
  store<u64>(RANGE, lo_va);
  store<u64>(RANGE, hi_va, 8);
  if (!is_held(RANGE, 1)) return 0;
  const r = refusal();
  const held = r.va;
  r.va = r.va2 == 0 ? held : r.va2; // as judge() has it: where the pointer is, then the pointer
  r.va2 = held;
  r.value = 1;
  return refuse(EBUSY, REASON_STILL_REFERENCED);
}
