// The root of a payload: `struct xsplice` in the section named `.xsplice`, found by name (R66); all
// else is reached from it by pointers. This file finds it and validates it; root_code.ts follows
// `new` and `old`. Only the payload's own format is judged here (at UPLOAD); whether it suits the
// hypervisor is for CHECK. Specification: requirements A2, K1, K5, K7; D2 "structures".

import { EFAULT, EINVAL, EOPNOTSUPP, XSPLICE_NAME_MAX, XSPLICE_SIZE } from "../abi";
import { SHF_ALLOC } from "../hv/elf";
import { refuse_at, refusal } from "../hv/refusal";
import {
  PLACE_XSPLICE,
  REASON_FOREIGN_FORMAT,
  REASON_NAME_LENGTH,
  REASON_PAD_NONZERO,
  REASON_PAYLOAD_POINTER,
  REASON_PAYLOAD_VERSION,
  REASON_ROOT_MANY,
  REASON_ROOT_MISSING,
  REASON_STRUCT_SIZE,
} from "../reasons";
import {
  ElfFile,
  find_section,
  refuse_section,
  refused_value,
  section,
  section_place,
} from "./elf";
import { payload_off, payload_string, STRING_OUTSIDE } from "./memory";
import { Payload } from "./payload";
import { check_code } from "./root_code";
import { is_zero, ROOT_PAD, ROOT_PAD_SIZE, XspliceRoot } from "./structs";

const NAME_ROOT = memory.data<u8>([0x2e, 0x78, 0x73, 0x70, 0x6c, 0x69, 0x63, 0x65]); // ".xsplice"
const NAME_ROOT_LEN: usize = 8;
const NAME_FUNCS = memory.data<u8>([
  0x2e, 0x6c, 0x69, 0x76, 0x65, 0x70, 0x61, 0x74, 0x63, 0x68, 0x2e, 0x66, 0x75, 0x6e, 0x63, 0x73,
]); // ".livepatch.funcs"
const NAME_FUNCS_LEN: usize = 16;

/** Longest hypervisor version string or textual id that is read (id_size 0, K5). */
const ID_STRING_MAX: u32 = 255;

/** After this `e.root` is the one section of exactly one struct xsplice. */
export function find_root(e: ElfFile): i32 {
  e.root = find_section(e, 1, NAME_ROOT, NAME_ROOT_LEN);
  if (e.root == 0) {
    const funcs = find_section(e, 1, NAME_FUNCS, NAME_FUNCS_LEN);
    if (funcs != 0) return refuse_section(e, EINVAL, REASON_FOREIGN_FORMAT, funcs);
    return refuse_section(e, EINVAL, REASON_ROOT_MISSING, 0);
  }
  const another = find_section(e, e.root + 1, NAME_ROOT, NAME_ROOT_LEN);
  if (another != 0) return refuse_section(e, EINVAL, REASON_ROOT_MANY, another);
  const s = section(e, e.root);
  const size = s.sh_size;
  if (size == 0 || (s.sh_flags & SHF_ALLOC) == 0) {
    return refuse_section(e, EINVAL, REASON_ROOT_MISSING, e.root);
  }
  if (size == XSPLICE_SIZE) return 0;
  const many = size % XSPLICE_SIZE == 0;
  const rc = refuse_section(e, EINVAL, many ? REASON_ROOT_MANY : REASON_STRUCT_SIZE, e.root);
  refused_value(size, XSPLICE_SIZE);
  return rc;
}

/** `field` is the byte offset in struct xsplice, `value` what stands there. */
function refuse_root(errno: i32, reason: u32, field: u32, value: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_XSPLICE, field);
  refusal().value = value;
  refusal().va = value;
  return rc;
}

/** The payload's own name (R23): a string of up to 40 characters, copied to the record. */
function check_name(p: Payload, root: XspliceRoot): i32 {
  const length = payload_string(p, root.name, XSPLICE_NAME_MAX);
  if (length == STRING_OUTSIDE) return refuse_root(EFAULT, REASON_PAYLOAD_POINTER, 8, root.name);
  if (length < 0) {
    const rc = refuse_root(EINVAL, REASON_NAME_LENGTH, 8, root.name);
    refusal().limit = XSPLICE_NAME_MAX;
    return rc;
  }
  memory.fill(p.name_off, 0, XSPLICE_NAME_MAX);
  memory.copy(p.name_off, payload_off(p, root.name, <u64>length), <usize>length);
  return 0;
}

/** The hypervisor's id (R24, K5): id_size bytes, or a string when that is 0. */
function check_id(p: Payload, root: XspliceRoot): i32 {
  if (root.id_size != 0) {
    if (payload_off(p, root.id, root.id_size) != 0) return 0;
    return refuse_root(EFAULT, REASON_PAYLOAD_POINTER, 16, root.id);
  }
  const length = payload_string(p, root.id, ID_STRING_MAX);
  if (length == STRING_OUTSIDE) return refuse_root(EFAULT, REASON_PAYLOAD_POINTER, 16, root.id);
  if (length < 0) {
    const rc = refuse_root(EINVAL, REASON_NAME_LENGTH, 16, root.id);
    refusal().limit = ID_STRING_MAX;
    return rc;
  }
  return 0;
}

/**
 * struct xsplice and everything that it reaches. After this every pointer in the payload's
 * structures is 0 where that is allowed or leads into the payload, every count has its array,
 * every string ends.
 */
export function check_root(e: ElfFile, p: Payload): i32 {
  const place = section_place(e, e.root);
  const root = changetype<XspliceRoot>(place.mem_off);
  p.root_va = place.va;
  if (root.version != 0) return refuse_root(EOPNOTSUPP, REASON_PAYLOAD_VERSION, 0, root.version);
  if (!is_zero(place.mem_off + ROOT_PAD, ROOT_PAD_SIZE)) {
    return refuse_root(EINVAL, REASON_PAD_NONZERO, <u32>ROOT_PAD, 0);
  }
  let rc = check_name(p, root);
  if (rc != 0) return rc;
  rc = check_id(p, root);
  if (rc != 0) return rc;
  p.new_va = root.new_code;
  p.old_va = root.old_code;
  rc = check_code(p, root.new_code, false);
  if (rc != 0) return rc;
  return root.old_code == 0 ? 0 : check_code(p, root.old_code, true);
}
