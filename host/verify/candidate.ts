// A file that verify judges, and what it is called in the hypervisor meanwhile.

import { XenError } from "../error.js";
import { fileRefusal } from "../file_error.js";
import type { Refusal } from "../refusal.js";

/** A file to judge: its bytes, or why they could not be read. */
export interface Candidate {
  readonly file: string;
  readonly bytes?: Uint8Array;
  /** The refusal: an error itself does not reach another thread. */
  readonly unreadable?: Refusal;
}

/** Why there are no bytes. */
export function whyUnreadable({ file, unreadable }: Candidate): XenError {
  return unreadable ? new XenError(unreadable) : fileRefusal("EIO", file);
}

const NAME_MAX = 31;

/** What a payload is called while it is judged. */
export function payloadName(file: string): string {
  const base = file.slice(file.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
  return base.replace(/[^!-~]/g, "_").slice(0, NAME_MAX) || "payload";
}
