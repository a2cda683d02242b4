// Files that the user named: listed and written. Whatever the operating system has against it is a
// XenError with a reason; no error of Node's own reaches the terminal. Reading: ../read_file.ts.

import { readdirSync, statSync, writeFileSync } from "node:fs";
import { fileError } from "../file_error.js";
import { isSpecial, linked, replaceFile } from "./replace.js";

/** The names in a directory, sorted, as the shell's `*` has them. @throws XenError `file-…` */
export function listUserDirectory(path: string): string[] {
  try {
    return readdirSync(path)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    throw fileError(error, path);
  }
}

/** @throws XenError `file-…` when there is nothing of that name */
export function isUserDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fileError(error, path);
  }
}

/** @throws XenError `file-…` */
export function writeUserFile(path: string, bytes: Uint8Array): void {
  try {
    const target = linked(path);
    if (isSpecial(path)) writeFileSync(path, bytes);
    else replaceFile(target, bytes, `${target}.${process.pid}`);
  } catch (error) {
    throw fileError(error, path);
  }
}
