// The file that a machine lives in between two commands: where it is, how it is read and
// replaced. It is replaced by a rename, so a killed command loses nothing. What is in it:
// `host/snapshot.ts`.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

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
