// Replacing a file at once or not at all, what must not be replaced, and the directory it needs.

import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";

/** Whether a device, a pipe or the like is there, which a rename would put a file in place of. */
export function isSpecial(path: string): boolean {
  try {
    const found = statSync(path);
    return !found.isFile() && !found.isDirectory();
  } catch {
    return false; // what is in the way is said when it is opened
  }
}

/**
 * Puts a file in place of an older one at once or not at all: written aside, on disk, then renamed.
 * Nothing listens for signals meanwhile: a command that is ended here leaves the older file, and at
 * most what it had written aside.
 * @param aside a name beside it that nobody else uses
 */
export function replaceFile(path: string, bytes: Uint8Array, aside: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  const fd = openSync(aside, "w");
  try {
    try {
      if (mode !== undefined) fchmodSync(fd, mode);
      writeFileSync(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

/** The file that a path means: of a symbolic link, what it leads to. */
export function linked(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  } catch {
    return path; // what is not there, or leads nowhere, is said when it is opened
  }
}

/** Makes a directory and those above it, where they are missing. */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    // A file is in its place: ENOTDIR, as it is for everything below it.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw Object.assign(error as Error, { code: "ENOTDIR" });
  }
}
