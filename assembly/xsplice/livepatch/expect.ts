// Expectations (spec/livepatch-today 2): bytes that must stand at a function before it is patched.
// Compared with memory as it is, after boot's alternatives and other payloads.

import { EFAULT, EINVAL, EOVERFLOW, ERANGE } from "../../abi";
import { peek } from "../../hv/mem";
import { refusal, refuse_at } from "../../hv/refusal";
import { PLACE_LP_FUNC, REASON_LP_EXPECT_FIELD, REASON_LP_EXPECTATION } from "../../reasons";
import { Payload } from "../payload";
import { Func, func_at, name_refusal } from "./funcs";
import { livepatch } from "./record";
import { say, say_aborting, say_expectation } from "./say";

const BYTES = memory.data(32);
const EXPECT_MAX: u32 = 31;

function refuse_func(p: Payload, errno: i32, reason: u32, i: u32, f: Func): i32 {
  const rc = refuse_at(errno, reason, PLACE_LP_FUNC, i);
  refusal().va = f.old_addr;
  refusal().value = f.expect_len;
  refusal().limit = f.old_size;
  name_refusal(p, f);
  return rc;
}

function check_one(p: Payload, f: Func, i: u32): i32 {
  if (f.old_addr == 0) return refuse_func(p, EFAULT, REASON_LP_EXPECT_FIELD, i, f);
  const len = f.expect_len;
  if (len > EXPECT_MAX) return refuse_func(p, EOVERFLOW, REASON_LP_EXPECT_FIELD, i, f);
  if (f.expect_reserved != 0) return refuse_func(p, EINVAL, REASON_LP_EXPECT_FIELD, i, f);
  if (f.old_size < len) return refuse_func(p, ERANGE, REASON_LP_EXPECT_FIELD, i, f);
  if (len == 0) return 0;
  const mapped = peek(BYTES, f.old_addr, len) == 0;
  if (mapped && memory.compare(BYTES, f.expect_off, len) == 0) return 0;
  const rc = refuse_func(p, EINVAL, REASON_LP_EXPECTATION, i, f);
  const r = refusal();
  if (mapped) memory.copy(r.found_off, BYTES, len);
  memory.copy(r.expected_off, f.expect_off, len);
  r.bytes_count = len;
  return rc;
}

export function check_expectations(p: Payload): i32 {
  say(p, "Verifying enabled expectations for all functions");
  for (let i: u32 = 0; i < livepatch(p).nfuncs; i++) {
    const f = func_at(p, i);
    if (!f.expect_enabled) continue;
    const rc = check_one(p, f, i);
    if (rc == 0) continue;
    const r = refusal();
    if (r.bytes_count != 0) say_expectation(r.name_off, r.expected_off, r.found_off, r.bytes_count);
    say_aborting(p, r.name_off, rc);
    return rc;
  }
  return 0;
}
