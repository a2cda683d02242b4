// After the host has put another machine into linear memory: translations and decoded code of the
// old one are dropped, and a machine of another layout is refused.

import { ABI_VERSION, EINVAL } from "../abi";
import { REASON_ABI_VERSION } from "../reasons";
import { enter_domain } from "./domain";
import { HEADER_MAGIC, header } from "./header";
import { CODE_GEN_OFF, CODE_GEN_SIZE } from "./layout";
import { flush_tlb } from "./pages";
import { clear_refusal, refusal, refuse } from "./refusal";

/** Nothing decoded before this is current any more. */
export function drop_code(): void {
  for (let at = CODE_GEN_OFF; at < CODE_GEN_OFF + CODE_GEN_SIZE; at += 4) {
    store<u32>(at, load<u32>(at) + 1);
  }
}

/** 0, or -EINVAL when this is no machine that this core can run. */
export function restored(): i32 {
  clear_refusal();
  flush_tlb();
  drop_code();
  const h = header();
  if (h.magic == HEADER_MAGIC && h.abi_version == ABI_VERSION) {
    enter_domain(-1, false);
    return 0;
  }
  const rc = refuse(EINVAL, REASON_ABI_VERSION);
  refusal().value = h.abi_version;
  refusal().limit = ABI_VERSION;
  return rc;
}
