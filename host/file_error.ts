// Files of the host that a caller named and that cannot be used: what the operating system says, as
// an error with a reason, a place (the path) and what to do. Its words: POSIX, <errno.h>.

import * as abi from "./abi.js";
import { errnoNumber } from "./errno.js";
import { XenError } from "./error.js";

/** What each of the system's words means to a reader; of all others only the number is told. */
const REASONS: Readonly<Record<string, number>> = {
  ENOENT: abi.REASON_FILE_MISSING,
  EACCES: abi.REASON_FILE_DENIED,
  EPERM: abi.REASON_FILE_DENIED,
  EROFS: abi.REASON_FILE_DENIED,
  EISDIR: abi.REASON_FILE_IS_DIRECTORY,
  ENOTDIR: abi.REASON_FILE_NOT_DIRECTORY,
  EFBIG: abi.REASON_FILE_TOO_LARGE,
  EEXIST: abi.REASON_FILE_EXISTS,
};

/** Node's own words for what the system has a number for. */
const WORDS: Readonly<Record<string, string>> = {
  ERR_FS_FILE_TOO_LARGE: "EFBIG",
  ERR_FS_EISDIR: "EISDIR",
};

/** An error about a file, by the system's word for it. */
export function fileRefusal(word: string, path: string): XenError {
  const errno = errnoNumber(word) ?? abi.EIO;
  const reason = REASONS[word] ?? abi.REASON_FILE_TROUBLE;
  return XenError.of(errno, reason, { place: abi.PLACE_FILE, name: path });
}

/** The same for what was thrown while the file was used. */
export function fileError(thrown: unknown, path: string): XenError {
  if (thrown instanceof XenError) return thrown;
  const { code = "" } = thrown as NodeJS.ErrnoException;
  return fileRefusal(WORDS[code] ?? code, path);
}
