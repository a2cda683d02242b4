// Why an operation was refused, in a sentence, and what to do about it: one entry per reason code
// of assembly/reasons.ts (requirements D2), with the operands of the refusal filled in.

import { REASON_XSM_DENIED, reasonName } from "./abi.js";
import { CHECK } from "./explain/check.js";
import { ELF } from "./explain/elf.js";
import { FILES } from "./explain/files.js";
import { deniedOperation, GENERAL } from "./explain/general.js";
import { MACHINE } from "./explain/machine.js";
import { PAYLOAD } from "./explain/payload.js";
import { TODAY } from "./explain/today.js";
import { type Context, type Explanation, type Sentence, Words } from "./explain/words.js";
import type { Refusal } from "./refusal.js";

export { type Context, type Explanation, placeWords } from "./explain/words.js";

const SENTENCES: ReadonlyMap<number, Sentence> = new Map([
  ...GENERAL,
  ...ELF,
  ...PAYLOAD,
  ...CHECK,
  ...MACHINE,
  ...FILES,
  ...TODAY,
]);

/**
 * The explanation of a refusal; undefined when it has no reason code or one that is not known here.
 * @param context looks up symbols for addresses
 */
export function explain(refusal: Refusal, context: Context = {}): Explanation | undefined {
  const explanation = SENTENCES.get(refusal.reason)?.(refusal, new Words(refusal, context));
  if (!explanation) return undefined;
  return { message: closeGaps(explanation.message, refusal.name), hint: explanation.hint };
}

/** An operand that is missing leaves a gap of two blanks; what a name has of its own stays. */
function closeGaps(message: string, name: string): string {
  const close = (text: string): string => text.replace(/ {2,}/g, " ").replace(/ ([.,:])/g, "$1");
  return name === "" ? close(message) : message.split(name).map(close).join(name);
}

/** The reason as scripts read it: `old-code`, and with the operation `xsm-denied:upload` (D2). */
export function reasonWord(refusal: Refusal): string {
  const word = reasonName(refusal.reason);
  if (refusal.reason !== REASON_XSM_DENIED) return word;
  return `${word}:${deniedOperation(refusal.index)}`;
}
