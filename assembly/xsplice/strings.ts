// A string that the compiler merged has users that its author does not know of (R176): editing it
// in place changes what all of them see. The users are found, told on the console and counted in
// the record; the edit itself is the author's decision. To give only some users a new string, a
// payload patches their references instead (R179).

import { REGION_DATA, REGION_RODATA, REGION_TEXT, XSPLICE_SECTION_STRING } from "../abi";
import { XEN_XSPLICE_ID_SIZE } from "../abi";
import { print, print_byte, print_bytes, print_dec, print_hex } from "../hv/console";
import { peek_off } from "../hv/mem";
import { INSN_IMM, INSN_MEM } from "../hv/x86/insn";
import { Payload } from "./payload";
import {
  close_sieve,
  found_insn,
  insn_around,
  mark,
  open_sieve,
  scan_addresses,
  scan_displacements,
  scan_regions,
} from "./scan";
import { Splice, splice_at, SPLICE_DATA } from "./splice";

const USERS_MAX: u32 = 16;
const STRING_MAX: u64 = 4096;

// The string under examination, and who uses it.
let string_va: u64 = 0;
let string_end: u64 = 0;
let users: u32 = 0;
const USERS = memory.data(128);

function byte_at(va: u64): u8 {
  const off = peek_off(va);
  return off == 0 ? 0 : load<u8>(off);
}


@inline
function is_in_string(va: u64): bool {
  return va >= string_va && va < string_end;
}

function add_user(va: u64): i32 {
  if (users < USERS_MAX) store<u64>(USERS + ((<usize>users) << 3), va);
  users++;
  return 0;
}

/** Bytes of code that look like a reference: the instruction around them decides. */
function judge_reference(field_va: u64, target_va: u64): i32 {
  if (!is_in_string(target_va)) return 0;
  const at = insn_around(field_va);
  if (at == 0) return 0;
  const insn = found_insn();
  const by_memory = insn.has(INSN_MEM) && insn.disp == target_va;
  const by_value = insn.has(INSN_IMM) && insn.imm == target_va;
  return by_memory || by_value ? add_user(at) : 0;
}

function judge_pointer(word_va: u64, value: u64): i32 {
  return is_in_string(value) ? add_user(word_va) : 0;
}

/** The NUL-terminated string around the patched bytes, users counted. */
function find_users(s: Splice): void {
  string_va = s.va;
  while (s.va - string_va < STRING_MAX && byte_at(string_va - 1) != 0) string_va--;
  string_end = s.va + s.length;
  while (string_end - s.va < STRING_MAX && byte_at(string_end - 1) != 0) string_end++;
  users = 0;
  if (!open_sieve(string_va, string_end)) return;
  mark(string_va, string_end);
  // A displacement may be followed by an immediate of 0, 1, 2 or 4 bytes.
  scan_displacements(0, judge_reference, REGION_TEXT);
  scan_displacements(1, judge_reference, REGION_TEXT);
  scan_displacements(2, judge_reference, REGION_TEXT);
  scan_displacements(4, judge_reference, REGION_TEXT);
  scan_addresses(judge_reference, REGION_TEXT);
  scan_regions(REGION_RODATA, judge_pointer);
  scan_regions(REGION_DATA, judge_pointer);
  close_sieve();
}

function tell(p: Payload): void {
  print("xsplice: ");
  print_bytes(p.id_off, XEN_XSPLICE_ID_SIZE);
  print(": string at ");
  print_hex(string_va, 16);
  print(" has ");
  print_dec(users);
  print(" users:");
  for (let i: u32 = 0; i < min<u32>(users, USERS_MAX); i++) {
    print_byte(0x20);
    print_hex(load<u64>(USERS + ((<usize>i) << 3)), 16);
  }
  print("\n");
}

/** After a CHECK that found nothing wrong: reports strings with more than one user. */
export function note_shared_strings(p: Payload): void {
  p.shared_users = 0;
  for (let i: u32 = 0; i < p.splices_count; i++) {
    const s = splice_at(p, i);
    if (s.kind != SPLICE_DATA || (s.flags & XSPLICE_SECTION_STRING) == 0) continue;
    find_users(s);
    if (users < 2) continue;
    p.shared_users += users;
    tell(p);
  }
}
