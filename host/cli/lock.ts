// The lock on a machine file: a command holds it for as long as it works, so two at once queue
// up. A command may compute for minutes without a pause, so the age of a lock says nothing about
// its owner; beside the lock stands who made it, and a lock whose owner is dead is taken away at
// once.

import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { MachineFileError } from "./machine_file.js";

/** How long to wait for another command, and from when on to say so. */
const WAIT_MS = 120_000;
const SILENT_MS = 1_000;
const POLL_MS = 25;
/** A lock that is this old and still says nothing of its owner has none. */
const UNSAID_MS = 3_000;
/** Only for an owner that cannot be looked up. */
const STALE_MS = 3_600_000;

const messageOf = (error: unknown): string => (error as Error).message;

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** What tells one lock from the next of the same name; undefined when there is none. */
function identity(directory: string): string | undefined {
  try {
    const { ino, birthtimeNs } = statSync(directory, { bigint: true });
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
function isOrphan(lock: string, owner: string, present: string): boolean {
  let stated = "";
  try {
    stated = readFileSync(owner, "utf8");
  } catch {
    // Treated as not telling.
  }
  const [pid = "", made] = stated.split(" ");
  if (made === present) return !isAlive(Number(pid));
  // Between making the lock and saying so there are microseconds, unless it was killed there.
  const { mtimeMs } = statSync(lock);
  return Date.now() - mtimeMs > UNSAID_MS;
}

/** Removes the lock if the process that made it is gone. */
function removeOrphan(lock: string, owner: string): void {
  const present = identity(lock);
  if (present === undefined) return;
  try {
    if (!isOrphan(lock, owner, present)) return;
  } catch {
    return; // released in between
  }
  // Another waiting command may have done the same in between: look again at what was taken.
  const taken = `${lock}.${process.pid}`;
  try {
    renameSync(lock, taken);
    if (identity(taken) === present) rmdirSync(taken);
    else renameSync(taken, lock);
  } catch {
    // The other one was faster.
  }
}

/** Runs `work` without the listeners that it adds: they would keep Ctrl-C from ending a call. */
async function withoutSignalListeners<T>(work: () => Promise<T>): Promise<T> {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = signals.map((signal) => process.listeners(signal));
  try {
    return await work();
  } finally {
    for (const [index, signal] of signals.entries())
      for (const listener of process.listeners(signal))
        if (!before[index]?.includes(listener)) process.removeListener(signal, listener);
  }
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
): Promise<() => Promise<void>> {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new MachineFileError(`${dirname(path)} cannot be made: ${messageOf(error)}`);
  }
  const { default: lockfile } = await import("proper-lockfile");
  const options = {
    realpath: false,
    stale: STALE_MS,
    update: STALE_MS / 4,
    onCompromised: () => {},
  };
  const [lock, owner] = [`${path}.lock`, `${path}.owner`];
  const since = Date.now();
  for (let said = false; ; await sleep(POLL_MS)) {
    try {
      const release = await withoutSignalListeners(() => lockfile.lock(path, options));
      writeFileSync(owner, `${process.pid} ${identity(lock)}`);
      return async () => {
        rmSync(owner, { force: true });
        await release();
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED")
        throw new MachineFileError(`${path} cannot be locked: ${messageOf(error)}`);
    }
    removeOrphan(lock, owner);
    const waited = Date.now() - since;
    if (waited >= waitMs)
      throw new MachineFileError(
        `${path} is in use by another command (waited ${Math.round(waited / 1000)} s)`,
      );
    if (!said && waited >= SILENT_MS) {
      said = true;
      say(`waiting for another command to release ${path}`);
    }
  }
}
