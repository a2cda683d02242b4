// Keyhandler 'x' (RFC R137-R140): one line per payload on the console, and what today's Xen tells
// of its own (livepatch/dump_today.ts). Bounded by the list; ids are printed by length, never as C
// strings (K49).

import {
  XEN_XSPLICE_ID_SIZE,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_LOADED,
  XSPLICE_STATUS_PROGRESS,
  XSPLICE_STATUS_REVERTED,
} from "../abi";
import { print, print_bytes, print_signed } from "../hv/console";
import { register_key } from "../hv/keyhandler";
import { print_today } from "./livepatch/dump_today";
import { first_payload, is_payload, next_payload } from "./payload";

const KEY_X: u32 = 0x78;

/** R139, K47: a look-up, not an array indexed by a bit. */
export function status2str(status: i32): string {
  if (status < 0) return "-EXX";
  switch (status) {
    case XSPLICE_STATUS_LOADED:
      return "LOADED";
    case XSPLICE_STATUS_PROGRESS:
      return "PROGRESS";
    case XSPLICE_STATUS_CHECKED:
      return "CHECKED";
    case XSPLICE_STATUS_APPLIED:
      return "APPLIED";
    case XSPLICE_STATUS_REVERTED:
      return "REVERTED";
  }
  return "unknown";
}

/** R138. */
export function xsplice_printall(): void {
  for (let p = first_payload(); is_payload(p); p = next_payload(p)) {
    print(" id=");
    print_bytes(p.id_off, XEN_XSPLICE_ID_SIZE);
    print(" status=");
    print(status2str(p.status));
    print("(");
    print_signed(p.status);
    print(",old=");
    print_signed(p.old_status);
    print("): \n");
  }
  print_today();
}

export function install_dump(): void {
  register_key(KEY_X, xsplice_printall, "print splicing information");
}
