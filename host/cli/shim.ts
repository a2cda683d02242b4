// The shim that is preloaded into client programs: built on first use from shim/privcmd.c by the
// machine's C compiler, and kept in the user's cache under the hash of its source.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EIO } from "../../assembly/abi.js";
import { REASON_PROGRAM } from "../../assembly/reasons.js";
import { errnoNumber, strerror } from "../errno.js";
import { XenError } from "../error.js";
import { fileError } from "../file_error.js";
import { makeDirectory } from "./replace.js";

const SOURCE = fileURLToPath(new URL("../../../shim/privcmd.c", import.meta.url));

/** @returns the path of the shared object @throws XenError when there is no compiler */
export function buildShim(env: NodeJS.ProcessEnv): string {
  const hash = createHash("sha256").update(readFileSync(SOURCE)).digest("hex").slice(0, 16);
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache");
  const directory = join(cache, "xen-xsplice");
  const target = join(directory, `privcmd-${hash}.so`);
  if (existsSync(target)) return target;
  try {
    makeDirectory(directory);
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw fileError(error, directory);
  }
  const aside = `${target}.${process.pid}`;
  const compiler = env.CC || "gcc";
  const args = ["-O2", "-shared", "-fPIC", SOURCE, "-o", aside, "-ldl", "-lpthread"];
  const built = spawnSync(compiler, args, { encoding: "utf8" });
  if (built.status !== 0) {
    const { code = "" } = (built.error ?? {}) as NodeJS.ErrnoException;
    const errno = errnoNumber(code) ?? EIO;
    const why = built.error ? strerror(errno) : built.stderr.trim().replaceAll("\n", " | ");
    const operands = { name: compiler, other: `it builds the shim of ${target}: ${why}` };
    throw XenError.of(errno, REASON_PROGRAM, operands);
  }
  renameSync(aside, target);
  return target;
}
