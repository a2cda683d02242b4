// The xSplice operation of the sysctl hypercall (RFC R84-R124): five sub-operations on a copy of
// the caller's struct, in place, so that what is set here is what is copied back (R82). ABI sizes
// and offsets are those of abi.ts (requirements.md A6). ACTION answers at once; the work is done
// when the machine runs (R92).

import {
  E2BIG,
  EFAULT,
  EINVAL,
  ENOBUFS,
  ENODATA,
  ENOENT,
  ENOSYS,
  PERM_W,
  XEN_SYSCTL_XSPLICE_ACTION,
  XEN_SYSCTL_XSPLICE_GET,
  XEN_SYSCTL_XSPLICE_INFO,
  XEN_SYSCTL_XSPLICE_LIST,
  XEN_SYSCTL_XSPLICE_OP,
  XEN_SYSCTL_XSPLICE_UPLOAD,
  XSPLICE_ACTION_CMD,
  XSPLICE_ACTION_ID,
  XSPLICE_ACTION_SIZE,
  XSPLICE_ACTION_TIME,
  XSPLICE_INFO_BUFFER,
  XSPLICE_INFO_LEN,
  XSPLICE_INFO_SIZE,
  XSPLICE_LIST_IDX,
  XSPLICE_LIST_MAX,
  XSPLICE_LIST_NR,
  XSPLICE_LIST_SIZE,
  XSPLICE_LIST_SUMMARY,
  XSPLICE_LIST_VERSION,
  XSPLICE_OP_CMD,
  XSPLICE_OP_SIZE,
  XSPLICE_OP_U,
  XSPLICE_SUMMARY_ID,
  XSPLICE_SUMMARY_SIZE,
  XSPLICE_SUMMARY_STATUS,
  XSPLICE_UPLOAD_SIZE,
  SYSCTL_SIZE,
  SYSCTL_U,
} from "../abi";
import { BUILD_ID_OFF, header } from "../hv/header";
import { copy_to_va, is_mapped } from "../hv/mem";
import { refusal, refuse, refuse_at } from "../hv/refusal";
import { install_functions } from "../hv/hooks";
import { install_sysctl_op } from "../hv/sysctl";
import { xsm_check } from "../hv/xsm";
import {
  PLACE_SYSCTL,
  REASON_GET_STATUS_NONZERO,
  REASON_INFO_BUFFER,
  REASON_LIST_BATCH,
  REASON_LIST_HANDLE,
  REASON_LIST_INDEX,
  REASON_NO_BUILD_ID,
  REASON_NO_SUCH_ID,
  REASON_UNKNOWN_OP,
  REASON_XSM_DENIED,
  STEP_GET,
  STEP_INFO,
  STEP_LIST,
} from "../reasons";
import { GONE, judge, step_of } from "./action";
import { begin_step, keep_refusal, keep_refusal_of } from "./explain";
import { install_dump } from "./dump";
import { copy_id, find_payload, first_payload, is_payload, next_payload } from "./payload";
import { payload_function_at } from "./payload_symbols";
import { bad_handle, check_id, is_guest_range, sysctl_field, upload } from "./upload";
import { expire_waiting, install_deferred, remove_payload, start_action } from "./work";

if (SYSCTL_U + XSPLICE_OP_SIZE > SYSCTL_SIZE) ERROR("the operation outgrows struct xen_sysctl");
if (XSPLICE_OP_U + XSPLICE_UPLOAD_SIZE > XSPLICE_OP_SIZE) ERROR("upload outgrows the operation");
if (XSPLICE_OP_U + XSPLICE_ACTION_SIZE > XSPLICE_OP_SIZE) ERROR("action outgrows the operation");
if (XSPLICE_SUMMARY_SIZE != XSPLICE_SUMMARY_STATUS + 4) ERROR("status ends the summary");
if (XSPLICE_LIST_SIZE != XSPLICE_LIST_SUMMARY + 8) ERROR("the handle ends the list");
if (XSPLICE_INFO_SIZE != XSPLICE_INFO_BUFFER + 8) ERROR("the handle ends the info");

/** One summary under construction: whole, so that no stale byte leaks (R83). */
const SUMMARY = memory.data(48);
if (XSPLICE_SUMMARY_SIZE > 48) ERROR("a summary outgrows its buffer");

function no_such_id(id_off: usize): i32 {
  copy_id(refusal().id_off, id_off);
  return refuse_at(ENOENT, REASON_NO_SUCH_ID, PLACE_SYSCTL, sysctl_field(0));
}

/** GET: the status, whatever it is (R103-R105). */
function get(u_off: usize): i32 {
  begin_step(STEP_GET);
  const status = load<i32>(u_off, XSPLICE_SUMMARY_STATUS);
  if (status != 0) {
    refusal().value = <u64>status;
    const place = sysctl_field(XSPLICE_SUMMARY_STATUS);
    return refuse_at(EINVAL, REASON_GET_STATUS_NONZERO, PLACE_SYSCTL, place);
  }
  const p = find_payload(u_off + XSPLICE_SUMMARY_ID);
  if (!is_payload(p)) return no_such_id(u_off + XSPLICE_SUMMARY_ID);
  store<i32>(u_off, p.status, XSPLICE_SUMMARY_STATUS);
  return 0;
}

function check_list(u_off: usize): i32 {
  const nr = load<u32>(u_off, XSPLICE_LIST_NR);
  if (nr > <u32>XSPLICE_LIST_MAX) {
    refusal().value = nr;
    refusal().limit = XSPLICE_LIST_MAX;
    return refuse_at(E2BIG, REASON_LIST_BATCH, PLACE_SYSCTL, sysctl_field(XSPLICE_LIST_NR));
  }
  if (nr != 0 && load<u64>(u_off, XSPLICE_LIST_SUMMARY) == 0) {
    const place = sysctl_field(XSPLICE_LIST_SUMMARY);
    return refuse_at(EINVAL, REASON_LIST_HANDLE, PLACE_SYSCTL, place);
  }
  const idx = load<u32>(u_off, XSPLICE_LIST_IDX);
  if (idx > header().payload_count) {
    refusal().value = idx;
    refusal().limit = header().payload_count;
    return refuse_at(EINVAL, REASON_LIST_INDEX, PLACE_SYSCTL, sysctl_field(XSPLICE_LIST_IDX));
  }
  return 0;
}

/** LIST: summaries in upload order from idx on. Returns how many; `nr` becomes what is left
 *  (K26), `idx` stays, nr 0 is a probe (K30), the version on input is ignored (K27). */
function list(u_off: usize): i32 {
  begin_step(STEP_LIST);
  const rc = check_list(u_off);
  if (rc != 0) return rc;
  const nr = load<u32>(u_off, XSPLICE_LIST_NR);
  const idx = load<u32>(u_off, XSPLICE_LIST_IDX);
  const handle = load<u64>(u_off, XSPLICE_LIST_SUMMARY);
  let at: u32 = 0;
  let done: u32 = 0;
  let failed = 0;
  for (let p = first_payload(); is_payload(p) && done < nr; p = next_payload(p)) {
    if (at++ < idx) continue;
    copy_id(SUMMARY + XSPLICE_SUMMARY_ID, p.id_off);
    store<i32>(SUMMARY, p.status, XSPLICE_SUMMARY_STATUS);
    const to_va = handle + <u64>done * XSPLICE_SUMMARY_SIZE;
    // All of a summary or nothing of it: a copy that stops half-way would look like an answer.
    if (
      !is_guest_range(to_va, XSPLICE_SUMMARY_SIZE) ||
      !is_mapped(to_va, XSPLICE_SUMMARY_SIZE, PERM_W) ||
      copy_to_va(to_va, SUMMARY, XSPLICE_SUMMARY_SIZE) != 0
    ) {
      failed = bad_handle(to_va, XSPLICE_LIST_SUMMARY);
      break;
    }
    done++;
  }
  store<u32>(u_off, header().payload_version, XSPLICE_LIST_VERSION);
  store<u32>(u_off, header().payload_count - idx - done, XSPLICE_LIST_NR);
  return failed != 0 ? failed : done;
}

/** ACTION (R116-R123, K40): id, cmd, time. Unknown id before unknown cmd (R121). */
function action(u_off: usize): i32 {
  const cmd = load<u32>(u_off, XSPLICE_ACTION_CMD);
  begin_step(step_of(cmd));
  const id_off = u_off + XSPLICE_ACTION_ID;
  const rc = check_id(id_off);
  if (rc != 0) return rc;
  const p = find_payload(id_off);
  if (!is_payload(p)) {
    const unknown = no_such_id(id_off);
    keep_refusal_of(id_off);
    return unknown;
  }
  let verdict = judge(p, cmd, sysctl_field(XSPLICE_ACTION_CMD));
  if (verdict == GONE) verdict = remove_payload(p);
  else if (verdict > 0) verdict = start_action(p, cmd, load<u64>(u_off, XSPLICE_ACTION_TIME));
  if (verdict < 0) keep_refusal(p);
  return verdict;
}

/** INFO: the running hypervisor's build-id (R91, K24). `len` becomes its size. */
function info(u_off: usize): i32 {
  begin_step(STEP_INFO);
  const len = <u64>header().build_id_len;
  const room = load<u64>(u_off, XSPLICE_INFO_LEN);
  const handle = load<u64>(u_off, XSPLICE_INFO_BUFFER);
  if (len == 0) return refuse(ENODATA, REASON_NO_BUILD_ID);
  store<u64>(u_off, len, XSPLICE_INFO_LEN);
  if (handle == 0) return 0;
  if (room < len) {
    refusal().value = room;
    refusal().limit = len;
    return refuse_at(ENOBUFS, REASON_INFO_BUFFER, PLACE_SYSCTL, sysctl_field(XSPLICE_INFO_LEN));
  }
  if (!is_guest_range(handle, len) || !is_mapped(handle, len, PERM_W)) {
    return bad_handle(handle, XSPLICE_INFO_BUFFER);
  }
  return copy_to_va(handle, BUILD_ID_OFF, len) == 0 ? 0 : -EFAULT;
}

function unknown_op(cmd: u32): i32 {
  const rc = refuse_at(ENOSYS, REASON_UNKNOWN_OP, PLACE_SYSCTL, SYSCTL_U + XSPLICE_OP_CMD);
  refusal().value = cmd;
  return rc;
}

/** Handler of XEN_SYSCTL_XSPLICE_OP. A caller that may do nothing learns nothing; one that may do
 *  something is told which numbers exist (R90). */
export function xsplice_control(op_off: usize, domain: i32): i32 {
  const cmd = load<u32>(op_off, XSPLICE_OP_CMD);
  const denied = xsm_check(domain, cmd);
  if (denied != 0) {
    const unknown = cmd > <u32>XEN_SYSCTL_XSPLICE_INFO && refusal().reason == REASON_XSM_DENIED;
    return unknown ? unknown_op(cmd) : denied;
  }
  expire_waiting();
  const u_off = op_off + XSPLICE_OP_U;
  switch (cmd) {
    case XEN_SYSCTL_XSPLICE_UPLOAD:
      return upload(u_off, domain);
    case XEN_SYSCTL_XSPLICE_GET:
      return get(u_off);
    case XEN_SYSCTL_XSPLICE_LIST:
      return list(u_off);
    case XEN_SYSCTL_XSPLICE_ACTION:
      return action(u_off);
    case XEN_SYSCTL_XSPLICE_INFO:
      return info(u_off);
  }
  return unknown_op(cmd);
}

/** Installs everything that the layers below call: the operation, the key, the deferred work. */
export function install_xsplice(): void {
  install_sysctl_op(XEN_SYSCTL_XSPLICE_OP, xsplice_control);
  install_dump();
  install_deferred();
  install_functions(payload_function_at);
}
