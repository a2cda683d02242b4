// What a payload's file tells without being loaded: whether it is one of the RFC's, and its own
// name (xsplice.name), which `load` uses as id when none is given (requirement K65).

import { R_64 } from "./constants.js";
import { readElf } from "./reader.js";

const NAME_FIELD = 8;

/** The name that the root in `.xsplice` points to; undefined when there is none to be read. */
export function payloadName(bytes: Uint8Array): string | undefined {
  const { sections, symbols, relas } = readElf(bytes);
  const root = sections.find(({ name }) => name === ".xsplice");
  const rela = relas
    .get(root?.index ?? -1)
    ?.find(({ offset, type }) => offset === NAME_FIELD && type === R_64);
  const symbol = symbols[rela?.symbol ?? -1];
  const data = sections[symbol?.shndx ?? 0]?.data;
  if (!rela || !symbol || !data) return undefined;
  const at = Number(symbol.value + rela.addend);
  const end = data.indexOf(0, at);
  const name = Buffer.from(data.subarray(at, end < 0 ? at : end)).toString("utf8");
  return name === "" ? undefined : name;
}

/** Whether a file is a payload of the RFC's format, as far as it can be read. */
export function isRfcPayload(bytes: Uint8Array): boolean {
  try {
    return readElf(bytes).sections.some(({ name }) => name === ".xsplice");
  } catch {
    return false;
  }
}
