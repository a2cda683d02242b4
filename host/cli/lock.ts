// The lock on a machine file: a command holds it for as long as it works, so two at once queue up.
// It is a file, which only one process can make, and says which one. A command may compute for
// minutes without a pause, so the age of a lock says nothing about its owner: a lock is taken away
// when its owner is dead, and then at once.
//
// Nothing here listens for signals. A listener of Node's runs when the program pauses, so it would
// keep Ctrl-C from ending a long call; and a signal that came while listeners go would be lost.

import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { EBUSY, EINVAL } from "../../assembly/abi.js";
import { REASON_MACHINE_FILE_FORMAT, REASON_MACHINE_FILE_LOCKED } from "../../assembly/reasons.js";
import { MachineFileError, unusable } from "./machine_file.js";
import { isSpecial, makeDirectory } from "./replace.js";

/** How long to wait for another command, and from when on to say so. */
const WAIT_MS = 120_000;
const SILENT_MS = 1_000;
const POLL_MS = 25;
/** A lock that is this old and still names no owner has none. */
const UNSAID_MS = 3_000;

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** What tells one lock from the next of the same name; undefined when there is none. */
function identity(lock: string): string | undefined {
  try {
    const { ino, birthtimeNs } = statSync(lock, { bigint: true });
    return `${ino}:${birthtimeNs}`;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Whether the process that made a lock is gone. */
function isOrphan(lock: string): boolean {
  const [pid = "", host] = readFileSync(lock, "utf8").split(" ");
  // Between making the lock and writing are microseconds, unless it was killed there.
  if (host === undefined) return Date.now() - statSync(lock).mtimeMs > UNSAID_MS;
  // Of a process on another host that shares the directory nobody here knows whether it lives.
  return host === hostname() && !isAlive(Number(pid));
}

/** Removes the lock if the process that made it is gone. */
function removeOrphan(lock: string): void {
  const present = identity(lock);
  // Another waiting command may do the same in between: look again at what was taken.
  const taken = `${lock}.${process.pid}`;
  try {
    if (!isOrphan(lock)) return;
    renameSync(lock, taken);
    if (identity(taken) === present) rmSync(taken);
    else renameSync(taken, lock);
  } catch {
    // It was released, or the other one was faster.
  }
}

/** Makes the lock; false when it is there already. */
function take(lock: string): boolean {
  let fd: number;
  try {
    fd = openSync(lock, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    writeFileSync(fd, `${process.pid} ${hostname()}`);
    return true;
  } catch (error) {
    rmSync(lock, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

async function unfit(path: string, errno: number, reason: number): Promise<MachineFileError> {
  const { XenError } = await import("../error.js");
  return new MachineFileError(path, XenError.of(errno, reason));
}

/**
 * Takes the lock, waiting while another command has it.
 * @param say told once if it takes long
 * @returns gives it back
 */
export async function lockMachine(
  path: string,
  say: (text: string) => void,
  waitMs = WAIT_MS,
): Promise<() => void> {
  // What a rename would put a machine in place of: a device, for one.
  if (isSpecial(path)) throw await unfit(path, EINVAL, REASON_MACHINE_FILE_FORMAT);
  const lock = `${path}.lock`;
  const since = Date.now();
  for (let said = false; ; await sleep(POLL_MS)) {
    try {
      makeDirectory(dirname(path));
      if (take(lock)) return () => rmSync(lock, { force: true });
    } catch (error) {
      throw await unusable(path, error);
    }
    removeOrphan(lock);
    const waited = Date.now() - since;
    if (waited >= waitMs) throw await unfit(path, EBUSY, REASON_MACHINE_FILE_LOCKED);
    if (!said && waited >= SILENT_MS) {
      said = true;
      say(`waiting for another command to release ${path}`);
    }
  }
}
