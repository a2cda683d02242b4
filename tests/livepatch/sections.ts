// Where a section lies in the bytes of an ELF64 file: for tests that change a payload in one place.

import assert from "node:assert/strict";

export interface SectionPlace {
  /** Offset of its contents. */
  readonly off: number;
  readonly size: number;
  /** Offset of its header. */
  readonly header: number;
}

/** The first section of this name. */
export function section(file: Buffer, name: string): SectionPlace {
  const table = Number(file.readBigUInt64LE(40));
  const at = (i: number): number => table + 64 * i;
  const names = Number(file.readBigUInt64LE(at(file.readUInt16LE(62)) + 24));
  for (let i = 1; i < file.readUInt16LE(60); i++) {
    const from = names + file.readUInt32LE(at(i));
    if (file.toString("latin1", from, file.indexOf(0, from)) !== name) continue;
    const off = Number(file.readBigUInt64LE(at(i) + 24));
    return { off, size: Number(file.readBigUInt64LE(at(i) + 32)), header: at(i) };
  }
  return assert.fail(`no section ${name}`);
}

/** The contents of a section, to be changed in place. */
export function contents(file: Buffer, name: string): Buffer {
  const { off, size } = section(file, name);
  return file.subarray(off, off + size);
}
