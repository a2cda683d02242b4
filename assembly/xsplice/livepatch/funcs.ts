// `.livepatch.funcs`: struct livepatch_func, payload version 2 (spec/livepatch-today 2). What is
// checked of an entry when it is uploaded, in Xen's order; nothing else is, and what that lets pass
// is noted as a hazard (hazards.ts).

import { EFAULT, EINVAL, ENOENT, EOPNOTSUPP, EOVERFLOW } from "../../abi";
import { ENDBR64, ENDBR64_POISON } from "../../hv/alternatives";
import { SHT_NOBITS } from "../../hv/elf";
import { peek } from "../../hv/mem";
import { refusal, refusal_name, refuse_at } from "../../hv/refusal";
import {
  HAZARD_NEW_NO_CODE,
  PLACE_LP_FUNC,
  REASON_DISTANCE,
  REASON_LP_FUNC_VERSION,
  REASON_LP_NOP_SIZE,
  REASON_LP_OLD_SIZE_ZERO,
  REASON_LP_TOO_SMALL,
  REASON_SYM_MISSING,
  REASON_XEN_CRASH_NAME_POINTER,
  REASON_XEN_CRASH_OLD_ADDR,
} from "../../reasons";
import { ElfFile, section, section_place } from "../elf";
import { Payload } from "../payload";
import { note_hazard } from "./file";
import { look_up } from "./names";
import { livepatch } from "./record";
import { check_entries, check_placed, named_section, section_size } from "./sections";

const FUNC_VERSION: u8 = 2;
export const FUNC_SIZE: usize = 104;
/** Bytes that can be saved for one function. */
export const SAVED_MAX: u32 = 31;
export const JUMP_LEN: u32 = 5;
export const ENDBR64_LEN: u32 = 4;


@unmanaged
export class Func {
  name: u64;
  new_addr: u64;
  old_addr: u64;
  new_size: u32;
  old_size: u32;
  version: u8;


  @inline get expect_enabled(): bool {
    return (load<u8>(changetype<usize>(this), 72) & 1) != 0;
  }


  @inline get expect_len(): u32 {
    return ((<u32>load<u8>(changetype<usize>(this), 72)) >> 1) & 31;
  }


  @inline get expect_reserved(): u32 {
    return (<u32>load<u8>(changetype<usize>(this), 72)) >> 6;
  }


  @inline get expect_off(): usize {
    return changetype<usize>(this) + 73;
  }
}


@inline
export function func_at(p: Payload, i: u32): Func {
  return changetype<Func>(livepatch(p).funcs_off + FUNC_SIZE * <usize>i);
}

const TEXT_MAX: u64 = 256;
const TEXT = memory.data(264);
const CODE = memory.data(8);

/** Copies `len` bytes of hypervisor memory or of the payload under load, which is not mapped yet.
 *  Returns how many there were. */
export function copy_bytes(to: usize, p: Payload, va: u64, len: u64): u64 {
  const at = va - p.base_va;
  const size = (<u64>p.mem_pages) << 12;
  if (at < size) {
    const run = min<u64>(len, size - at);
    memory.copy(to, p.mem_off + <usize>at, <usize>run);
    return run;
  }
  return len - peek(to, va, len);
}

/** A NUL-terminated string, cut; 0 when there is no memory. */
export function copy_text(p: Payload, va: u64): usize {
  const got = copy_bytes(TEXT, p, va, TEXT_MAX);
  store<u8>(TEXT + <usize>got, 0);
  return got == 0 ? 0 : TEXT;
}

/** Length of ENDBR64, or of what boot writes over one, at a function's start; -1: no memory there.
 *  */
export function endbr_length(p: Payload, va: u64): i32 {
  if (copy_bytes(CODE, p, va, 4) != 4) return -1;
  const word = load<u32>(CODE);
  return word == ENDBR64 || word == ENDBR64_POISON ? <i32>ENDBR64_LEN : 0;
}

function refuse_func(errno: i32, reason: u32, i: u32, f: Func): i32 {
  const rc = refuse_at(errno, reason, PLACE_LP_FUNC, i);
  refusal().va = f.old_addr;
  refusal().va2 = f.new_addr;
  return rc;
}

/** The name for messages. */
export function name_refusal(p: Payload, f: Func): void {
  if (f.name == 0) return;
  const text = copy_text(p, f.name);
  if (text != 0) refusal_name(text, 127);
}

function resolve_old(p: Payload, f: Func, i: u32): i32 {
  if (f.old_addr != 0) return 0;
  const text: usize = f.name == 0 ? 0 : copy_text(p, f.name);
  if (text == 0) {
    const rc = refuse_func(EINVAL, REASON_XEN_CRASH_NAME_POINTER, i, f);
    refusal().value = f.name;
    return rc;
  }
  f.old_addr = look_up(text);
  if (f.old_addr != 0) return 0;
  const rc = refuse_func(ENOENT, REASON_SYM_MISSING, i, f);
  refusal_name(text, 127);
  return rc;
}

/** old_addr - new_addr, as the real check has it: without the bytes of the jump. */
@inline
function is_near(f: Func): bool {
  const distance = f.old_addr - f.new_addr;
  return distance == <u64>(<i64>(<i32>distance));
}

function check_size(p: Payload, f: Func, i: u32): i32 {
  if (f.new_addr == 0) {
    const long = f.new_size > SAVED_MAX;
    if (!long && f.old_size >= f.new_size) return 0;
    const rc = refuse_func(long ? EOPNOTSUPP : EINVAL, REASON_LP_NOP_SIZE, i, f);
    refusal().value = f.new_size;
    refusal().limit = long ? SAVED_MAX : f.old_size;
    return rc;
  }
  const endbr = endbr_length(p, f.old_addr);
  if (endbr < 0) {
    // Not mapped here. Far away the real one has its direct map; near by it has nothing either.
    if (!is_near(f)) return refuse_func(EOVERFLOW, REASON_DISTANCE, i, f);
    return refuse_func(EFAULT, REASON_XEN_CRASH_OLD_ADDR, i, f);
  }
  const needed = JUMP_LEN + <u32>endbr;
  if (f.old_size >= needed) return 0;
  const rc = refuse_func(EINVAL, REASON_LP_TOO_SMALL, i, f);
  refusal().value = f.old_size;
  refusal().limit = needed;
  return rc;
}

/** True when `va` lies in a section that has no bytes in the file. */
function is_nobits(e: ElfFile, va: u64): bool {
  for (let i: u32 = 1; i < e.shnum; i++) {
    const s = section(e, i);
    if (s.sh_type != SHT_NOBITS || section_place(e, i).region == 0) continue;
    if (va - section_place(e, i).va < s.sh_size) return true;
  }
  return false;
}

function check_func(p: Payload, f: Func, i: u32): i32 {
  if (f.version != FUNC_VERSION) {
    const rc = refuse_func(EOPNOTSUPP, REASON_LP_FUNC_VERSION, i, f);
    refusal().value = f.version;
    refusal().limit = FUNC_VERSION;
    return rc;
  }
  if (f.old_size == 0) return refuse_func(EINVAL, REASON_LP_OLD_SIZE_ZERO, i, f);
  let rc = resolve_old(p, f, i);
  if (rc == 0) rc = check_size(p, f, i);
  if (rc == 0 && f.new_addr != 0 && !is_near(f)) rc = refuse_func(EOVERFLOW, REASON_DISTANCE, i, f);
  if (rc != 0 && refusal().reason != REASON_SYM_MISSING) name_refusal(p, f);
  return rc;
}

/** Step 11: finds the functions, resolves where they are. */
export function take_funcs(e: ElfFile, p: Payload): i32 {
  const index = named_section(e, ".livepatch.funcs");
  if (index == 0) return 0;
  let rc = check_entries(e, index, FUNC_SIZE);
  if (rc == 0) rc = check_placed(e, index);
  if (rc != 0) return rc;
  const lp = livepatch(p);
  const place = section_place(e, index);
  lp.funcs_off = place.mem_off;
  lp.funcs_va = place.va;
  lp.nfuncs = <u32>(section_size(e, index) / FUNC_SIZE);
  for (let i: u32 = 0; i < lp.nfuncs; i++) {
    rc = check_func(p, func_at(p, i), i);
    if (rc != 0) return rc;
    const f = func_at(p, i);
    if (lp.blank_func == 0 && f.new_addr != 0 && is_nobits(e, f.new_addr)) {
      lp.blank_func = i + 1;
      note_hazard(HAZARD_NEW_NO_CODE);
    }
  }
  return 0;
}
