// `--keys DIR`: every certificate and public key of a directory, in the order of the files' names.

import { extname, join } from "node:path";
import { ENOENT } from "../../assembly/abi.js";
import { PLACE_FILE, REASON_CERTIFICATE } from "../../assembly/reasons.js";
import { readPublicKeys, type VerifyKey } from "../elf/keys.js";
import { XenError } from "../error.js";
import { readWhole } from "../read_file.js";
import { listUserDirectory } from "./user_file.js";

const KEY_FILES = new Set([".pem", ".crt", ".cer", ".der"]);

/** @throws XenError `certificate`, `file-…` */
export function readKeys(directory: string): VerifyKey[] {
  const files = listUserDirectory(directory)
    .filter((name) => KEY_FILES.has(extname(name).toLowerCase()))
    .map((name) => join(directory, name));
  if (files.length > 0) return files.flatMap((file) => readPublicKeys(readWhole(file), file));
  const name = `${directory} has no *.pem, *.crt, *.cer or *.der file`;
  throw XenError.of(ENOENT, REASON_CERTIFICATE, { place: PLACE_FILE, name });
}
