// What a machine that comes from a file is refused with: which part of it cannot be so.

import { EBADMSG } from "../abi";
import { PLACE_MACHINE, REASON_MACHINE_FILE_CORRUPT } from "../reasons";
import { refusal, refuse_at } from "./refusal";

/** Always false. `part`: PART_*; `index`: which of them. */
export function broken(part: u32, index: u32): bool {
  refuse_at(EBADMSG, REASON_MACHINE_FILE_CORRUPT, PLACE_MACHINE, part);
  refusal().index2 = index;
  return false;
}
