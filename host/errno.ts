// Error numbers: Xen's public list, and those that only files of the host can give, with the names
// and texts that a C library prints for them. Texts: POSIX strerror as worded by glibc, which is
// what the RFC's tool shows its users.

import * as abi from "../assembly/abi.js";

const TEXTS: Readonly<Record<string, string>> = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  EIO: "Input/output error",
  E2BIG: "Argument list too long",
  ENOEXEC: "Exec format error",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  EFAULT: "Bad address",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  EXDEV: "Invalid cross-device link",
  EINVAL: "Invalid argument",
  ENOSPC: "No space left on device",
  ERANGE: "Numerical result out of range",
  ENOSYS: "Function not implemented",
  ENODATA: "No data available",
  EBADMSG: "Bad message",
  EOVERFLOW: "Value too large for defined data type",
  EILSEQ: "Invalid or incomplete multibyte or wide character",
  EOPNOTSUPP: "Operation not supported",
  ENOBUFS: "No buffer space available",
  ETIMEDOUT: "Connection timed out",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EMFILE: "Too many open files",
  EFBIG: "File too large",
  EROFS: "Read-only file system",
  ENAMETOOLONG: "File name too long",
  ELOOP: "Too many levels of symbolic links",
};

/** Not of the hypervisor: numbered as Linux has them. */
const OF_FILES = {
  ENOTDIR: 20,
  EISDIR: 21,
  EMFILE: 24,
  EFBIG: 27,
  EROFS: 30,
  ENAMETOOLONG: 36,
  ELOOP: 40,
};

const PUBLIC = Object.entries(abi).filter(([name]) => Object.hasOwn(TEXTS, name)) as [
  string,
  number,
][];
const NUMBERS = new Map([...PUBLIC, ...Object.entries(OF_FILES)]);
const NAMES = new Map([...NUMBERS].map(([name, value]) => [value, name]));

/** `EINVAL` of 22 or of -22; `E999` of a number that is not in the list. */
export function errnoName(value: number): string {
  const errno = Math.abs(value);
  return NAMES.get(errno) ?? `E${errno}`;
}

/** 22 of `EINVAL`; undefined if there is no such name. */
export function errnoNumber(name: string): number | undefined {
  return NUMBERS.get(name);
}

/** What strerror says to 22 or to -22. */
export function strerror(value: number): string {
  const errno = Math.abs(value);
  if (errno === 0) return "Success";
  return TEXTS[errnoName(errno)] ?? `Unknown error ${errno}`;
}

/** Every number of the public list. */
export const ERRNOS: readonly number[] = PUBLIC.map(([, value]) => value).sort((a, b) => a - b);
