// The front panel: every export of the core, nothing else.
import { ABI_VERSION } from "./abi";
import "./hv/panic";

export function hv_abi_version(): u32 {
  return ABI_VERSION;
}
