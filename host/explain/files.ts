// Sentences for files of the host that a caller named, and for programs that it is to run.

import * as abi from "../abi.js";
import { strerror } from "../errno.js";
import type { Sentence, Sentences } from "./words.js";

export const FILES: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_FILE_MISSING,
    ({ name }) => ({
      message: `There is no ${name || "such file"}.`,
      hint: "Look at the path: a relative one begins at the current directory.",
    }),
  ],
  [
    abi.REASON_FILE_DENIED,
    ({ name, errno }) => ({
      message: `The system does not allow it for ${name || "the file"}: ${strerror(errno)}.`,
      hint: "Change the permissions of the file or of its directory, or name another one.",
    }),
  ],
  [
    abi.REASON_FILE_IS_DIRECTORY,
    ({ name }) => ({
      message: `${name || "It"} is a directory, not a file.`,
      hint: "Name a file. `load` takes a directory, too, if it has one for each build.",
    }),
  ],
  [
    abi.REASON_FILE_NOT_DIRECTORY,
    ({ name }) => ({
      message: `In the path ${name || "given"} something is a file that should be a directory.`,
      hint: "Look at the path, part by part.",
    }),
  ],
  [
    abi.REASON_FILE_TOO_LARGE,
    ({ name }) => ({
      message: `${name || "The file"} is larger than anything that fits a machine.`,
      hint: "Name another file; a payload has at most 32 MiB.",
    }),
  ],
  [
    abi.REASON_FILE_EXISTS,
    ({ name }) => ({
      message: `${name || "The file"} is there already.`,
      hint: "Remove it if nobody needs it, or name another one.",
    }),
  ],
  [
    abi.REASON_FILE_TROUBLE,
    ({ name, errno }) => ({
      message: `${name || "The file"} cannot be used: ${strerror(errno)}.`,
      hint: "That is the operating system's answer. Try another file, or another place for it.",
    }),
  ],
  [
    abi.REASON_NO_PAYLOAD_FOR_BUILD,
    ({ name, other }) => ({
      message: `${name || "The directory"} has no payloads for the build that runs.`,
      hint:
        `Put them into its folder ${other || "named by the build-id"}, ` +
        "or name the files themselves.",
    }),
  ],
  [
    abi.REASON_PROGRAM,
    ({ name, other }) => ({
      message: `${name || "A program"} is needed and fails${other === "" ? "" : `: ${other}`}.`,
      hint: "Install it, or give another one.",
    }),
  ],
]);
