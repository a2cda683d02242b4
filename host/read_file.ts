// Reading a file that a caller named, of whatever kind: a regular file, a pipe, a device that never
// ends. What the operating system has against it is a XenError with a reason.

import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { fileError, fileRefusal } from "./file_error.js";

/** Nothing larger fits a machine's memory; a device may never end. */
const LARGEST = 256 << 20;
const PIECE = 1 << 16;

/** What comes out of a pipe or a device, up to its end. */
function drain(fd: number, path: string): Uint8Array {
  const pieces: Buffer[] = [];
  for (let length = 0; length <= LARGEST; ) {
    const piece = Buffer.alloc(PIECE);
    const count = readSync(fd, piece);
    if (count === 0) return Buffer.concat(pieces, length);
    pieces.push(piece.subarray(0, count));
    length += count;
  }
  throw fileRefusal("EFBIG", path);
}

/** @throws XenError `file-…` */
export function readWhole(source: string | URL): Uint8Array {
  const path = source instanceof URL ? decodeURIComponent(source.pathname) : source;
  try {
    const fd = openSync(source, "r");
    try {
      const found = fstatSync(fd);
      if (found.isDirectory()) throw fileRefusal("EISDIR", path);
      if (!found.isFile()) return drain(fd, path);
      if (found.size > LARGEST) throw fileRefusal("EFBIG", path);
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}
