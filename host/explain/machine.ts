// Sentences for what only the host can find: the machine's file, and what callers of the library
// give.

import * as abi from "../abi.js";
import { plural, type Sentence, type Sentences } from "./words.js";

const ANEW = "Boot a fresh machine in its place (`boot`), or use another file (`--machine`).";

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

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
    ({ name }, words) => ({
      message:
        "The machine's file is damaged: " +
        `${name || `no machine is like that${words.where || " anywhere"}`}.`,
      hint: ANEW,
    }),
  ],
  [
    abi.REASON_MACHINE_FILE_LOCKED,
    () => ({
      message: "The machine's file is in use by another command.",
      hint:
        "Wait until that one has ended, then try again. If none is running, remove the .lock " +
        "beside the file.",
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
      message: `No key to verify signatures with: ${name}.`,
      hint:
        "Give RSA certificates or public keys in PEM or DER form, " +
        "few enough for the machine's key store.",
    }),
  ],
  [
    abi.REASON_ARGUMENTS,
    ({ value, limit }) => ({
      message: `${plural(value, "argument")} are more than the ${limit || "few"} that a call has.`,
      hint: "Pass what does not fit in memory: an argument may be the address of a buffer.",
    }),
  ],
  [
    abi.REASON_WAITED,
    ({ value }, words) => ({
      message: `${capital(words.id)} is still in progress after ${value} ms of waiting.`,
      hint: "It goes on: let the machine run, or give the action a bound of its own (`--time`).",
    }),
  ],
  [
    abi.REASON_LIST_CHANGES,
    ({ value }) => ({
      message: `The list of payloads changed during each of ${value} attempts to read it.`,
      hint: "Read it again when nobody uploads or unloads.",
    }),
  ],
  [
    abi.REASON_LIST_OVERFLOW,
    ({ value, limit }) => ({
      message: `LIST answered with ${value} entries where ${limit} were asked for.`,
      hint: "That is the hypervisor's fault, not the caller's.",
    }),
  ],
  [
    abi.REASON_NOT_REACHED,
    ({ name }, words) => ({
      message: `The action on ${words.id} ended without an error, but it is ${name || "gone"} now.`,
      hint: "Look at what else acts on it.",
    }),
  ],
  [
    abi.REASON_NO_KEY_HANDLER,
    ({ name }) => ({
      message: `No handler is there for the key ${name}.`,
      hint: "Press x for the dump of payloads.",
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
