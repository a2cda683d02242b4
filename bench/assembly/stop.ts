// The core with a clock at the patch point: what it does while every CPU stands still is framed by
// two bytes on the console, which the bench takes as time stamps.

import { install_work, WORK_XSPLICE } from "../../assembly/hv/hooks";
import { give_up, run_at_patch_point } from "../../assembly/xsplice/work";

export * from "../../assembly/index";

// @ts-ignore: decorator
@external("hv", "console")
declare function stamp(byte: u32): void;

function run_stamped(slot: u32): i32 {
  stamp(1);
  const rc = run_at_patch_point(slot);
  stamp(2);
  return rc;
}

/** To be called once, before anything is applied. */
export function stamp_patch_point(): void {
  install_work(WORK_XSPLICE, run_stamped, give_up);
}
