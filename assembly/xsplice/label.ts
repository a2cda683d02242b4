// What a payload calls a place of its own: the label of struct xsplice_symbol, a unique name for
// people (R44), where the symbol's own name may be one of several.

import {
  XSPLICE_CODE_SIZE,
  XSPLICE_RELOC_SIZE,
  XSPLICE_SECTION_SIZE,
  XSPLICE_SYMBOL_SIZE,
} from "../abi";
import { NAME_MAX } from "../hv/param";
import { refusal_name } from "../hv/refusal";
import { payload_off, payload_string } from "./memory";
import { Payload } from "./payload";
import { Splice } from "./splice";
import { XspliceCode, XspliceReloc, XspliceSection, XspliceSymbol } from "./structs";
import { name_symbol } from "./target";

/** Whether the symbol at `va` has a label; it is in the refusal then. */
function name_by(p: Payload, va: u64): bool {
  const off = payload_off(p, va, XSPLICE_SYMBOL_SIZE);
  if (off == 0) return false;
  const label_va = changetype<XspliceSymbol>(off).label;
  const length = payload_string(p, label_va, NAME_MAX - 1);
  if (length <= 0) return false;
  refusal_name(payload_off(p, label_va, <u64>length), <usize>length);
  return true;
}

/** The label of the object that a splice changes, from its section or its reloc, to the refusal;
 *  the image's own name where the payload gives none. */
export function name_label(p: Payload, s: Splice): void {
  name_symbol(s.symbol);
  const code_off = payload_off(p, p.new_va, XSPLICE_CODE_SIZE);
  if (code_off == 0) return;
  const code = changetype<XspliceCode>(code_off);
  const section_va = code.sections + <u64>s.index * XSPLICE_SECTION_SIZE;
  const section = payload_off(p, section_va, XSPLICE_SECTION_SIZE);
  if (section != 0 && name_by(p, changetype<XspliceSection>(section).symbol)) return;
  const reloc_va = code.relocs + <u64>s.index * XSPLICE_RELOC_SIZE;
  const reloc = payload_off(p, reloc_va, XSPLICE_RELOC_SIZE);
  if (reloc != 0) name_by(p, changetype<XspliceReloc>(reloc).symbol);
}
