// The livepatch operation of Xen 4.17's sysctl (spec/livepatch-today 7): beside the RFC's, chosen
// by its number (27, interface version 0x15). Offsets are those in struct xen_sysctl, whose copy is
// changed in place.

import { EFAULT, EINVAL, ENOENT, EOPNOTSUPP, SYSCTL_U } from "../../abi";
import {
  LIVEPATCH_ACTION_PAD,
  LIVEPATCH_CMD,
  LIVEPATCH_NAME_LEN,
  LIVEPATCH_NAME_PTR,
  LIVEPATCH_PAD,
  LIVEPATCH_STATUS_RC,
  LIVEPATCH_STATUS_STATE,
  XEN_LIVEPATCH_NAME_SIZE,
  XEN_SYSCTL_LIVEPATCH_ACTION,
  XEN_SYSCTL_LIVEPATCH_GET,
  XEN_SYSCTL_LIVEPATCH_LIST,
  XEN_SYSCTL_LIVEPATCH_OP,
  XEN_SYSCTL_LIVEPATCH_UPLOAD,
  LIVEPATCH_ACTION_CMD,
  LIVEPATCH_ACTION_UNLOAD,
  LIVEPATCH_ACTION_REVERT,
  LIVEPATCH_ACTION_APPLY,
} from "../../abi_today";
import { copy_from_va, is_hypervisor_va } from "../../hv/mem";
import { refusal, refusal_name, refuse, refuse_at } from "../../hv/refusal";
import { install_sysctl_op } from "../../hv/sysctl";
import { xsm_check } from "../../hv/xsm";
import {
  PLACE_SYSCTL,
  REASON_ARG_FAULT,
  REASON_LP_NAME,
  REASON_LP_PAD,
  REASON_NO_SUCH_ID,
  REASON_UNKNOWN_OP,
  STEP_APPLY,
  STEP_GET,
  STEP_LIST,
  STEP_REPLACE,
  STEP_REVERT,
  STEP_UNLOAD,
  STEP_UPLOAD,
} from "../../reasons";
import { begin_step, keep_refusal_of } from "../explain";
import { is_payload, Payload } from "../payload";
import { act } from "./action";
import { list_today } from "./list";
import { find_today, livepatch } from "./record";
import { upload_today } from "./upload";
import { install_livepatch_work } from "./work";

const NAME = memory.data(136);

function refuse_name(errno: i32, reason: u32, field: u32, value: u64): i32 {
  const rc = refuse_at(errno, reason, PLACE_SYSCTL, field);
  refusal().value = value;
  refusal().limit = XEN_LIVEPATCH_NAME_SIZE;
  return rc;
}

/** Reads the name to NAME, NUL-terminated. Its length, or -errno. */
function read_name(s_off: usize): i32 {
  const size = <u32>load<u16>(s_off, LIVEPATCH_NAME_LEN);
  if (size == 0 || size > <u32>XEN_LIVEPATCH_NAME_SIZE) {
    return refuse_name(EINVAL, REASON_LP_NAME, LIVEPATCH_NAME_LEN, size);
  }
  const pad = load<u64>(s_off, LIVEPATCH_NAME_LEN) >> 16;
  if (pad != 0) return refuse_name(EINVAL, REASON_LP_PAD, LIVEPATCH_NAME_LEN, pad);
  const va = load<u64>(s_off, LIVEPATCH_NAME_PTR);
  const outside = va + size < va || is_hypervisor_va(va) || is_hypervisor_va(va + size - 1);
  if (outside || copy_from_va(NAME, va, size) != 0) {
    const rc = refuse_name(EFAULT, REASON_ARG_FAULT, LIVEPATCH_NAME_PTR, size);
    refusal().va = va;
    return rc;
  }
  if (load<u8>(NAME + <usize>size - 1) != 0) {
    return refuse_name(EINVAL, REASON_LP_NAME, LIVEPATCH_NAME_PTR, size);
  }
  let len: i32 = 0;
  while (load<u8>(NAME + <usize>len) != 0) len++;
  return len;
}

function upload(s_off: usize, domain: i32): i32 {
  begin_step(STEP_UPLOAD);
  const len = read_name(s_off);
  if (len < 0) {
    refusal().errno = EINVAL;
    return -EINVAL;
  }
  const rc = upload_today(s_off, NAME, <u32>len, domain);
  // Ids of the ring are 40 bytes; a refused upload has no record of its own.
  if (rc != 0 && len != 0) keep_refusal_of(NAME);
  return rc;
}

/** The payload that the request names, in `found`; 0 or -errno. */
let found: usize = 0;
function find(s_off: usize): i32 {
  const len = read_name(s_off);
  if (len < 0) return len;
  const p = find_today(NAME, <usize>len);
  found = changetype<usize>(p);
  if (is_payload(p)) return 0;
  refusal_name(NAME, 127);
  return refuse(ENOENT, REASON_NO_SUCH_ID);
}

function get(s_off: usize): i32 {
  begin_step(STEP_GET);
  const rc = find(s_off);
  if (rc != 0) return rc;
  const lp = livepatch(changetype<Payload>(found));
  store<u32>(s_off, lp.state, LIVEPATCH_STATUS_STATE);
  store<i32>(s_off, lp.rc, LIVEPATCH_STATUS_RC);
  return 0;
}

function step_of(cmd: u32): u32 {
  switch (cmd) {
    case LIVEPATCH_ACTION_UNLOAD:
      return STEP_UNLOAD;
    case LIVEPATCH_ACTION_REVERT:
      return STEP_REVERT;
    case LIVEPATCH_ACTION_APPLY:
      return STEP_APPLY;
  }
  return STEP_REPLACE;
}

function action(s_off: usize, domain: i32): i32 {
  begin_step(step_of(load<u32>(s_off, LIVEPATCH_ACTION_CMD)));
  const pad = load<u32>(s_off, LIVEPATCH_ACTION_PAD);
  if (pad != 0) return refuse_name(EINVAL, REASON_LP_PAD, LIVEPATCH_ACTION_PAD, pad);
  const rc = find(s_off);
  return rc != 0 ? rc : act(changetype<Payload>(found), s_off, domain);
}

/** Handler of XEN_SYSCTL_LIVEPATCH_OP. */
export function livepatch_op(u_off: usize, domain: i32): i32 {
  const s_off = u_off - SYSCTL_U;
  const cmd = load<u32>(s_off, LIVEPATCH_CMD);
  const denied = xsm_check(domain, min<u32>(cmd, XEN_SYSCTL_LIVEPATCH_ACTION));
  if (denied != 0) return denied;
  const pad = load<u32>(s_off, LIVEPATCH_PAD);
  if (pad != 0) return refuse_name(EINVAL, REASON_LP_PAD, LIVEPATCH_PAD, pad);
  switch (cmd) {
    case XEN_SYSCTL_LIVEPATCH_UPLOAD:
      return upload(s_off, domain);
    case XEN_SYSCTL_LIVEPATCH_GET:
      return get(s_off);
    case XEN_SYSCTL_LIVEPATCH_LIST: {
      begin_step(STEP_LIST);
      return list_today(s_off);
    }
    case XEN_SYSCTL_LIVEPATCH_ACTION:
      return action(s_off, domain);
  }
  const rc = refuse_at(EOPNOTSUPP, REASON_UNKNOWN_OP, PLACE_SYSCTL, LIVEPATCH_CMD);
  refusal().value = cmd;
  return rc;
}

export function install_livepatch(): void {
  install_sysctl_op(XEN_SYSCTL_LIVEPATCH_OP, livepatch_op);
  install_livepatch_work();
}
