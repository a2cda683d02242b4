// The errors of this library. `XenError`: the hypervisor, or the library before asking it,
// refused; errno, reason code, operands, a sentence and a hint. This is the only place that turns
// a negative return value into an exception. `MachineBug`: the machine itself failed, which no
// input may cause.

import * as abi from "./abi.js";
import { errnoName, strerror } from "./errno.js";
import { type Context, explain, placeWords, reasonWord } from "./explain.js";
import { hostRefusal, type Refusal } from "./refusal.js";

export class XenError extends Error {
  override readonly name = "XenError";
  /** `EINVAL` … */
  readonly errno: string;
  /** -22 …: what the hypercall returned, or the status of the payload. */
  readonly code: number;
  /** `old-code` …, stable; `none` when only the error number is known. */
  readonly reason: string;
  /** The refused operation: `upload`, `check` …; empty when it has none. */
  readonly step: string;
  /** The place inside the payload, in words; empty when there is none. */
  readonly place: string;
  /** What the reader can do; empty when nothing is known. */
  readonly hint: string;

  /**
   * @param operands the record of the refusal
   * @param context looks up symbols for addresses
   */
  constructor(
    readonly operands: Refusal,
    context: Context = {},
  ) {
    const explanation = explain(operands, context);
    super(explanation?.message ?? strerror(operands.errno));
    this.errno = errnoName(operands.errno);
    this.code = -operands.errno;
    this.reason = reasonWord(operands);
    this.step = operands.step === 0 ? "" : abi.stepName(operands.step);
    this.place = placeWords(operands);
    this.hint = explanation?.hint ?? "";
  }

  /** A refusal by the library itself: the core was not asked. */
  static of(errno: number, reason: number, operands: Partial<Refusal> = {}): XenError {
    return new XenError(hostRefusal(errno, reason, operands));
  }
}

/**
 * A bug of this project: the core trapped or panicked. The machine is unusable afterwards; restore
 * a snapshot into it, or make another one.
 */
export class MachineBug extends Error {
  override readonly name = "MachineBug";

  /**
   * @param where what was being done: the export that was called
   * @param consoleTail last lines of the hypervisor's console
   */
  constructor(
    message: string,
    readonly where: string,
    readonly consoleTail: readonly string[],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
