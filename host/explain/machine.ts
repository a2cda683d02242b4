// Sentences for what only the host can find: the machine's file, and what callers of the library
// give.

import * as abi from "../abi.js";
import { plural, type Sentence, type Sentences } from "./words.js";

const ANEW = "Boot a fresh machine in its place (`boot`), or use another file (`--machine`).";

export const MACHINE: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_MACHINE_FILE_FORMAT,
    () => ({ message: "The file is not a machine's snapshot.", hint: ANEW }),
  ],
  [
    abi.REASON_MACHINE_FILE_VERSION,
    ({ name, value, limit }) => ({
      message: `The machine's file has ${name} ${value}; this program reads ${limit}.`,
      hint: `Use the program that wrote it. ${ANEW}`,
    }),
  ],
  [
    abi.REASON_MACHINE_FILE_SHORT,
    ({ value, limit }) => ({
      message: `The machine's file is not whole: ${plural(value, "byte")} of ${limit}.`,
      hint: `Copy it again. ${ANEW}`,
    }),
  ],
  [
    abi.REASON_MACHINE_FILE_CORRUPT,
    (_, words) => ({
      message:
        "The machine's file is damaged: " +
        `${words.name("its checksum is wrong").replaceAll("'", "")}.`,
      hint: ANEW,
    }),
  ],
  [
    abi.REASON_MACHINE_FILE_LOCKED,
    () => ({
      message: "The machine's file is in use by another command.",
      hint: "Wait until that one has ended, then try again.",
    }),
  ],
  [
    abi.REASON_POLICY,
    ({ name }) => ({
      message: `The policy is not valid: ${name}.`,
      hint: 'Write it as {"domains": {"0": ["upload", "get", "list", "action", "info"]}}.',
    }),
  ],
  [
    abi.REASON_CERTIFICATE,
    ({ name }) => ({
      message: `Not a usable X.509 certificate: ${name}.`,
      hint: "Give RSA certificates in PEM or DER form, small enough for the machine's key store.",
    }),
  ],
  [
    abi.REASON_STOPPED,
    ({ name }) => ({
      message: `The hypervisor did not come back from the hypercall: ${name}.`,
      hint: "`stacks` and `console` show where it is.",
    }),
  ],
]);
