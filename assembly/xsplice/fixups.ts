// Relocs beyond the patches (K13): code put in place may itself refer to the hypervisor, and its
// fields are right only for where it ends up. A reloc without a patch of its own fixes one field
// inside an inline patch's bytes: `addr` is the field, the value is symbol + isns_target +
// isns_added [- addr], by the same arithmetic as everywhere (howto.ts).

import {
  EINVAL,
  EOVERFLOW,
  XSPLICE_CODE_SIZE,
  XSPLICE_HOWTO_INLINE,
  XSPLICE_HOWTO_SIZE,
  XSPLICE_RELOC_SIZE,
} from "../abi";
import { refusal, refuse_at } from "../hv/refusal";
import {
  PLACE_XSPLICE_HOWTO,
  PLACE_XSPLICE_RELOC,
  REASON_ENUM,
  REASON_PATCH_ADDRESS,
  REASON_RELOC_VALUE,
} from "../reasons";
import {
  field_holds,
  load_field,
  relocated_value,
  replaced_field,
  shifted_value,
  store_field,
} from "./howto";
import { payload_off } from "./memory";
import { Payload } from "./payload";
import { Splice, SPLICE_DATA, SPLICE_TEXT, splice_touching } from "./splice";
import { XspliceCode, XspliceHowto, XspliceReloc } from "./structs";
import { refuse_pointer, resolve_value, resolved_va } from "./target";

// The fix-up under examination.
let fix_splice: Splice = changetype<Splice>(0);
let fix_howto: XspliceHowto = changetype<XspliceHowto>(0);
let fix_va: u64 = 0;
let fix_shifted: u64 = 0;

function refuse_value(i: u32, value: u64): i32 {
  const rc = refuse_at(EOVERFLOW, REASON_RELOC_VALUE, PLACE_XSPLICE_HOWTO, i);
  refusal().va = fix_va;
  refusal().value = value;
  refusal().limit = fix_howto.mask;
  return rc;
}

/** Finds field and value of reloc `i`. */
function examine(p: Payload, code: XspliceCode, i: u32): i32 {
  const at_va = code.relocs + <u64>i * XSPLICE_RELOC_SIZE;
  const off = payload_off(p, at_va, XSPLICE_RELOC_SIZE);
  if (off == 0) return refuse_pointer(PLACE_XSPLICE_RELOC, i, at_va);
  const r = changetype<XspliceReloc>(off);
  const howto_off = payload_off(p, r.howto, XSPLICE_HOWTO_SIZE);
  if (howto_off == 0) return refuse_pointer(PLACE_XSPLICE_HOWTO, i, r.howto);
  fix_howto = changetype<XspliceHowto>(howto_off);
  fix_va = r.addr;
  if (fix_howto.howto != XSPLICE_HOWTO_INLINE || fix_howto.mask == 0) {
    return refuse_at(EINVAL, REASON_ENUM, PLACE_XSPLICE_HOWTO, i);
  }
  fix_splice = splice_touching(p, fix_va, fix_howto.size);
  const s = fix_splice;
  const inside =
    changetype<usize>(s) != 0 &&
    (s.kind == SPLICE_TEXT || s.kind == SPLICE_DATA) &&
    fix_va >= s.va &&
    fix_va + fix_howto.size <= s.va + s.content_size;
  if (!inside) {
    refusal().value = fix_va;
    return refuse_at(EINVAL, REASON_PATCH_ADDRESS, PLACE_XSPLICE_RELOC, i);
  }
  const rc = resolve_value(p, r.symbol, PLACE_XSPLICE_RELOC, i);
  if (rc != 0) return rc;
  const flag = fix_howto.flag;
  const value = relocated_value(flag, resolved_va() + <u64>r.isns_target, r.isns_added, fix_va);
  fix_shifted = shifted_value(flag, value, fix_howto.r_shift);
  const holds = field_holds(flag, fix_shifted, fix_howto.size, fix_howto.mask);
  return holds ? 0 : refuse_value(i, value);
}

/** Examines all fix-ups; with `write` it also stores them into the new bytes of their splices. */
export function fix_up(p: Payload, write: bool): i32 {
  const code_off = payload_off(p, p.new_va, XSPLICE_CODE_SIZE);
  if (code_off == 0) return refuse_pointer(PLACE_XSPLICE_RELOC, 0, p.new_va);
  const code = changetype<XspliceCode>(code_off);
  for (let i = code.n_patches; i < code.n_relocs; i++) {
    const rc = examine(p, code, i);
    if (rc != 0) return rc;
    if (!write) continue;
    const field_off = fix_splice.new_off + <usize>(fix_va - fix_splice.va);
    const field = load_field(field_off, fix_howto.size);
    store_field(
      field_off,
      fix_howto.size,
      replaced_field(field, fix_shifted, fix_howto.size, fix_howto.mask),
    );
  }
  return 0;
}
