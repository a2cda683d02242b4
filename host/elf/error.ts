// What the file tools say when they refuse a file: an errno and a reason code as the hypervisor
// would give them, and a sentence that names the place.

/** A file that cannot be used as asked. `errno` is positive, as everywhere on the host. */
export class FileError extends Error {
  readonly errno: number;
  readonly reason: string;

  constructor(errno: number, reason: string, message: string) {
    super(message);
    this.name = "FileError";
    this.errno = errno;
    this.reason = reason;
  }
}
