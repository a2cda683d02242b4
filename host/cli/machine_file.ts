// The file that a machine lives in between two commands: where it is, how it is read and
// replaced. It is replaced by a rename, so a killed command loses nothing. What is in it:
// `host/snapshot.ts`.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { XenError } from "../error.js";
import { replaceFile } from "./replace.js";

/** The machine file cannot be used; the exit code is 3. */
export class MachineFileError extends Error {
  override readonly name = "MachineFileError";

  constructor(
    readonly path: string,
    readonly why: XenError,
  ) {
    super(why.message);
  }
}

/** What the operating system has against a path that the machine file needs. */
export async function unusable(path: string, thrown: unknown): Promise<MachineFileError> {
  const { fileError } = await import("../file_error.js");
  return new MachineFileError(path, fileError(thrown, path));
}

/** Where the machine is: the option, the environment, or the user's state directory. */
export function machinePath(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const chosen = option || env.XEN_XSPLICE_MACHINE;
  if (chosen) return resolve(chosen);
  const state = env.XDG_STATE_HOME || join(env.HOME || homedir(), ".local", "state");
  return join(state, "xen-xsplice", "machine");
}

/** Reads a machine file; undefined when there is none. */
export async function readMachineFile(path: string): Promise<Uint8Array | undefined> {
  const { readWhole } = await import("../read_file.js");
  try {
    return readWhole(path);
  } catch (error) {
    if ((error as XenError).errno === "ENOENT") return undefined;
    throw await unusable(path, error);
  }
}

/** Replaces the machine file; whoever does has its lock. */
export async function writeMachineFile(path: string, snapshot: Uint8Array): Promise<void> {
  try {
    replaceFile(path, snapshot, `${path}.new`);
  } catch (error) {
    throw await unusable(path, error);
  }
}
