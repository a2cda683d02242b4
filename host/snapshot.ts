// A machine as a file: the linear memory below MACHINE_END, its empty pages left out. The same
// memory gives the same bytes. Everything is checked before anything is used.
//
//   0   magic, 8 bytes                       32  bytes per page, u32
//   8   version of this format, u32          36  pages that follow, u32
//   12  ABI version of the core, u32         40  checksum of all behind the header, u64
//   16  bytes of the machine, u64            48  bytes of the label, u32; zero, 12 bytes
//   24  bytes of the file, u64               64  bitmap: bit n of byte n/8 is page n; pages; label

import * as abi from "./abi.js";
import { XenError } from "./error.js";

const MAGIC = new TextEncoder().encode("xSplice\x1a");
const FORMAT = 1;
const HEADER = 64;
const PAGE = 4096;

/** A snapshot that was checked and can be put into a machine. */
export interface Snapshot {
  /** Bytes of the machine's memory. */
  readonly length: number;
  /** What the machine is called: the name of its image. */
  readonly label: string;
  /** The pages that are not empty: where they belong, and their bytes (a view into the file). */
  readonly pages: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** Two independent 32-bit multiplicative hashes over the words, as one number of 64 bits. */
export function checksum(bytes: Uint8Array): bigint {
  const whole = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.byteLength >>> 2);
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul((b << 7) | (b >>> 25), 0x85ebca6b) + word;
  }
  return (BigInt(a >>> 0) << 32n) | BigInt(b >>> 0);
}

const ZEROS = new Uint8Array(1 << 20);

/** Whether `size` bytes at `offset` are all zero; `size` at most 1 MiB and a multiple of 8. */
function isZero(memory: Uint8Array, offset: number, size: number): boolean {
  if (typeof Buffer === "function") {
    // The C library's memcmp: the whole machine takes some milliseconds.
    const part = Buffer.from(memory.buffer, memory.byteOffset + offset, size);
    return part.compare(ZEROS, 0, size) === 0;
  }
  const words = new Int32Array(memory.buffer, memory.byteOffset + offset, size >>> 2);
  return words.every((word) => word === 0);
}

/** Numbers of the pages that are not empty, ascending. Looks at large pieces first. */
function usedPages(memory: Uint8Array, end: number): number[] {
  const used: number[] = [];
  const look = (offset: number, size: number): void => {
    if (isZero(memory, offset, size)) return;
    if (size === PAGE) {
      used.push(offset / PAGE);
      return;
    }
    const piece = Math.max(PAGE, size / 8);
    for (let at = offset; at < offset + size; at += piece) look(at, piece);
  };
  for (let offset = 0; offset < end; ) {
    const size = Math.min(ZEROS.length, memory.length - offset);
    if (size === ZEROS.length) look(offset, size);
    else for (let at = offset; at < memory.length; at += PAGE) look(at, PAGE);
    offset += size;
  }
  return used;
}

/**
 * The file of a machine.
 * @param memory linear memory from 0 to MACHINE_END: a multiple of 4096 bytes
 * @param label what the machine is called
 * @param end where the last byte that is not zero may lie; nothing behind it is looked at
 */
export function encodeSnapshot(
  memory: Uint8Array,
  label = "",
  end: number = memory.length,
): Uint8Array {
  if (memory.length % PAGE !== 0) throw new RangeError("a machine consists of whole pages");
  const used = usedPages(memory, end);
  const bitmap = Math.ceil(memory.length / PAGE / 32) * 4;
  const name = new TextEncoder().encode(label);
  const pagesEnd = HEADER + bitmap + used.length * PAGE;
  const file = new Uint8Array(pagesEnd + padded(name.length));
  file.set(MAGIC);
  file.set(name, pagesEnd);
  used.forEach((page, i) => {
    const byte = HEADER + (page >>> 3);
    file[byte] = (file[byte] as number) | (1 << (page & 7));
    const at = page * PAGE;
    file.set(memory.subarray(at, at + PAGE), HEADER + bitmap + i * PAGE);
  });
  const view = new DataView(file.buffer);
  view.setUint32(8, FORMAT, true);
  view.setUint32(12, abi.ABI_VERSION, true);
  view.setBigUint64(16, BigInt(memory.length), true);
  view.setBigUint64(24, BigInt(file.length), true);
  view.setUint32(32, PAGE, true);
  view.setUint32(36, used.length, true);
  view.setBigUint64(40, checksum(file.subarray(HEADER)), true);
  view.setUint32(48, name.length, true);
  return file;
}

/** The checksum counts whole words. */
const padded = (length: number): number => Math.ceil(length / 4) * 4;

export function corrupt(name: string): XenError {
  return XenError.of(abi.EBADMSG, abi.REASON_MACHINE_FILE_CORRUPT, { name });
}

function checkVersion(name: string, value: number, limit: number): void {
  if (value === limit) return;
  const operands = { name, value: BigInt(value), limit: BigInt(limit) };
  throw XenError.of(abi.EOPNOTSUPP, abi.REASON_MACHINE_FILE_VERSION, operands);
}

/**
 * Checks a file and finds its pages.
 * @param length bytes of the machine that it shall go into
 * @throws XenError `machine-file-format`, `-version`, `-short`, `-corrupt`
 */
export function decodeSnapshot(file: Uint8Array, length: number): Snapshot {
  if (file.length < MAGIC.length || MAGIC.some((byte, i) => file[i] !== byte)) {
    throw XenError.of(abi.EINVAL, abi.REASON_MACHINE_FILE_FORMAT);
  }
  const short = (size: number): XenError =>
    XenError.of(abi.ENODATA, abi.REASON_MACHINE_FILE_SHORT, {
      value: BigInt(file.length),
      limit: BigInt(size),
    });
  if (file.length < HEADER) throw short(HEADER);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  checkVersion("format version", view.getUint32(8, true), FORMAT);
  checkVersion("ABI version", view.getUint32(12, true), abi.ABI_VERSION);
  checkVersion("machine size", Number(view.getBigUint64(16, true)), length);
  checkVersion("page size", view.getUint32(32, true), PAGE);
  const announced = view.getBigUint64(24, true);
  if (BigInt(file.length) < announced) throw short(Number(announced));
  if (BigInt(file.length) > announced) throw corrupt("it has bytes behind its end");
  const bitmap = Math.ceil(length / PAGE / 32) * 4;
  const count = view.getUint32(36, true);
  const nameLength = view.getUint32(48, true);
  const end = HEADER + bitmap + count * PAGE;
  if (file.length !== end + padded(nameLength)) throw corrupt("its size is inconsistent");
  if (file.subarray(52, HEADER).some((byte) => byte !== 0)) throw corrupt("its header is damaged");
  if (checksum(file.subarray(HEADER)) !== view.getBigUint64(40, true)) {
    throw corrupt("its checksum is wrong");
  }
  const pages: { offset: number; bytes: Uint8Array }[] = [];
  for (let page = 0; page < bitmap * 8; page++) {
    if (((file[HEADER + (page >>> 3)] as number) & (1 << (page & 7))) === 0) continue;
    const at = HEADER + bitmap + pages.length * PAGE;
    if (page >= length / PAGE || pages.length === count)
      throw corrupt("its bitmap is inconsistent");
    pages.push({ offset: page * PAGE, bytes: file.subarray(at, at + PAGE) });
  }
  if (pages.length !== count) throw corrupt("its bitmap is inconsistent");
  const label = new TextDecoder().decode(file.subarray(end, end + nameLength));
  return { length, label, pages };
}

/** Puts the pages into memory that is all zero. */
export function fillMemory(memory: Uint8Array, snapshot: Snapshot): void {
  for (const { offset, bytes } of snapshot.pages) memory.set(bytes, offset);
}
