// What Xen accepts of a payload and lives to regret: found when it is uploaded, told to whoever
// asks (`verify`), never a reason to refuse. Bits: HAZARD_* (reasons.ts).

import { PERM_X, REGION_INIT, REGION_TEXT } from "../../abi";
import { site_count, site_touching } from "../../hv/alternatives";
import { entry_of, peek } from "../../hv/mem";
import { region_of } from "../../hv/regions";
import { symbol, symbol_at } from "../../hv/symbols";
import { decode } from "../../hv/x86/decode";
import { Insn, INSN_SIZE } from "../../hv/x86/insn";
import {
  HAZARD_ALREADY_PATCHED,
  HAZARD_DATA_REAPPLY,
  HAZARD_DISTANCE_EDGE,
  HAZARD_EXPECT_BOOT_SITE,
  HAZARD_NEVER_REACHED,
  HAZARD_NEW_FOREIGN,
  HAZARD_NEW_MIDWAY,
  HAZARD_NEW_NO_CODE,
  HAZARD_NEW_NOT_EXECUTABLE,
  HAZARD_NOP_JUMP,
  HAZARD_NOP_MID_INSTRUCTION,
  HAZARD_OLD_INIT,
  HAZARD_OLD_MIDWAY,
  HAZARD_OLD_NOT_TEXT,
  HAZARD_OLD_SIZE,
  HAZARD_OVERLAP,
  HAZARD_SAME_FUNCTION_TWICE,
} from "../../reasons";
import { Payload } from "../payload";
import { jump_reaches } from "../trampoline";
import { ENDBR64_LEN, endbr_length, Func, func_at, JUMP_LEN } from "./funcs";
import { LP_SYMBOL } from "./names";
import { livepatch } from "./record";
import { is_patched_before } from "./stacking";

const CODE = memory.data(64);
const INSN = memory.data(256);
if (INSN_SIZE > 256) ERROR("an instruction outgrows its buffer");

let found: u64 = 0;
function note(bit: u32): void {
  found |= (<u64>1) << (<u64>bit);
}

/** Instructions that end a function or leave it: ret, jmp, iret and their kin, by first opcode
 *  byte. */
function leaves(off: usize): bool {
  const b = load<u8>(off);
  return (
    b == 0xc3 ||
    b == 0xc2 ||
    b == 0xe9 ||
    b == 0xeb ||
    b == 0xcf ||
    (b == 0xff && (load<u8>(off, 1) & 0x38) == 0x20)
  );
}

/** NOPs from old_addr on: do they end where an instruction ends, and what do they take away? */
function look_at_nops(f: Func, endbr: u32): void {
  if (f.new_size > 31 || f.new_size <= endbr) {
    note(HAZARD_NEVER_REACHED);
    return;
  }
  memory.fill(CODE, 0, 64);
  peek(CODE, f.old_addr, 48);
  let at: u32 = 0;
  while (at < f.new_size) {
    if (leaves(CODE + at)) note(HAZARD_NOP_JUMP);
    const length = decode(CODE + at, 48 - at, f.old_addr + at, changetype<Insn>(INSN));
    if (length == 0) return;
    at += length;
  }
  if (at != f.new_size) note(HAZARD_NOP_MID_INSTRUCTION);
}

function has_symbol(p: Payload, value: u64): bool {
  const lp = livepatch(p);
  for (let i: u32 = 0; i < lp.nsyms; i++) {
    if (load<u64>(lp.symtab_off + LP_SYMBOL * <usize>i, 8) == value) return true;
  }
  return false;
}

function look_at_new(p: Payload, f: Func, endbr: u32): void {
  const own = f.new_addr - p.base_va < (<u64>p.mem_pages) << 12;
  if (!own) note(HAZARD_NEW_FOREIGN);
  else if (!has_symbol(p, f.new_addr)) note(HAZARD_NEW_MIDWAY);
  if ((entry_of(f.new_addr) & PERM_X) == 0) note(HAZARD_NEW_NOT_EXECUTABLE);
  if (peek(CODE, f.new_addr, 8) == 0 && load<u64>(CODE) == 0) note(HAZARD_NEW_NO_CODE);
  if (!jump_reaches(f.old_addr + endbr, f.new_addr)) note(HAZARD_DISTANCE_EDGE);
}

function look_at_old(f: Func): void {
  const region = region_of(f.old_addr);
  if (region == REGION_INIT) note(HAZARD_OLD_INIT);
  else if (region != REGION_TEXT) {
    note(HAZARD_OLD_NOT_TEXT);
    return; // no function, so neither its start nor its size
  }
  const index = symbol_at(f.old_addr);
  if (index < 0) return;
  const s = symbol(<u32>index);
  if (s.va != f.old_addr) note(HAZARD_OLD_MIDWAY);
  else if (s.size != 0 && s.size != <u64>f.old_size) note(HAZARD_OLD_SIZE);
}


@inline
function length_of(f: Func, endbr: u32): u64 {
  if (f.new_addr != 0) return JUMP_LEN;
  return f.new_size > endbr ? f.new_size - endbr : 0;
}

function look_at_others(p: Payload, i: u32): void {
  const f = func_at(p, i);
  const length = length_of(f, 0) + <u64>ENDBR64_LEN;
  // Bounded: a payload with very many functions is compared with its neighbours only.
  const all = livepatch(p).nfuncs <= 512;
  const from: u32 = all || i < 8 ? 0 : i - 8;
  const to = all ? livepatch(p).nfuncs : min<u32>(i + 8, livepatch(p).nfuncs);
  for (let j = from; j < to; j++) {
    if (j == i) continue;
    const g = func_at(p, j);
    if (g.old_addr == f.old_addr) note(HAZARD_SAME_FUNCTION_TWICE);
    else if (g.old_addr - f.old_addr < length) note(HAZARD_OVERLAP);
  }
}

/** HAZARD_* of one function. */
export function function_hazards(p: Payload, i: u32): u64 {
  const f = func_at(p, i);
  found = 0;
  const at = endbr_length(p, f.old_addr);
  const endbr: u32 = at < 0 ? 0 : <u32>at;
  look_at_old(f);
  look_at_others(p, i);
  if (is_patched_before(p, f.old_addr + endbr, length_of(f, endbr))) note(HAZARD_ALREADY_PATCHED);
  if (f.new_addr == 0) look_at_nops(f, endbr);
  else look_at_new(p, f, endbr);
  const site = f.expect_enabled ? site_touching(0, f.old_addr, f.expect_len) : site_count();
  if (site < site_count()) note(HAZARD_EXPECT_BOOT_SITE);
  return found;
}

/** Adds what the functions and the payload as a whole show. The payload is mapped. */
export function find_hazards(p: Payload): void {
  const lp = livepatch(p);
  let all: u64 = 0;
  for (let i: u32 = 0; i < lp.nfuncs; i++) all |= function_hazards(p, i);
  if (lp.safe_to_reapply == 0) all |= (<u64>1) << (<u64>HAZARD_DATA_REAPPLY);
  lp.hazards |= all;
}
