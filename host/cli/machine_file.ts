// The file that a machine lives in between two commands: where it is, who may use it now, how it is
// read and replaced. A command holds the lock for as long as it works, so two at once queue up; the
// file is replaced by a rename, so a killed one loses nothing. What is in it: `host/snapshot.ts`.

import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** How long to wait for another command, and from when on to say so. */
const WAIT_MS = 120_000;
const SILENT_MS = 1_000;
const POLL_MS = 25;

/** The machine file cannot be used; the exit code is 3. */
export class MachineFileError extends Error {
  override readonly name = "MachineFileError";
}

/** Where the machine is: the option, the environment, or the user's state directory. */
export function machinePath(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const chosen = option || env.XEN_XSPLICE_MACHINE;
  if (chosen) return resolve(chosen);
  const state = env.XDG_STATE_HOME || join(env.HOME || homedir(), ".local", "state");
  return join(state, "xen-xsplice", "machine");
}

const messageOf = (error: unknown): string => (error as Error).message;

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

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
  let lost: Error | undefined;
  const options = {
    realpath: false,
    stale: 10_000,
    update: 2_000,
    onCompromised: (error: Error) => {
      lost = error;
    },
  };
  const since = Date.now();
  let said = false;
  for (;;) {
    try {
      const release = await lockfile.lock(path, options);
      return async () => {
        if (lost) throw new MachineFileError(`the lock on ${path} was lost: ${lost.message}`);
        await release();
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED")
        throw new MachineFileError(`${path} cannot be locked: ${messageOf(error)}`);
    }
    const waited = Date.now() - since;
    if (waited >= waitMs)
      throw new MachineFileError(
        `${path} is in use by another command (waited ${Math.round(waited / 1000)} s); ` +
          `if there is none, remove ${path}.lock`,
      );
    if (!said && waited >= SILENT_MS) {
      said = true;
      say(`waiting for another command to release ${path}`);
    }
    await sleep(POLL_MS);
  }
}

/** Reads a machine file; undefined when there is none. */
export function readMachineFile(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new MachineFileError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

/** Replaces the machine file: written aside, on disk, then renamed. */
export async function writeMachineFile(path: string, snapshot: Uint8Array): Promise<void> {
  const { default: writeFileAtomic } = await import("write-file-atomic");
  try {
    await writeFileAtomic(path, Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.length));
  } catch (error) {
    throw new MachineFileError(`${path} cannot be written: ${messageOf(error)}`);
  }
}
