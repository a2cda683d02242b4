// The shim that is preloaded into client programs: built on first use from shim/privcmd.c by the
// machine's C compiler, and kept in the user's cache under the hash of its source.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ENOENT } from "../../assembly/abi.js";
import { XenError } from "../error.js";

const SOURCE = fileURLToPath(new URL("../../../shim/privcmd.c", import.meta.url));

/** @returns the path of the shared object @throws XenError when there is no compiler */
export function buildShim(env: NodeJS.ProcessEnv): string {
  const hash = createHash("sha256").update(readFileSync(SOURCE)).digest("hex").slice(0, 16);
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache");
  const directory = join(cache, "xen-xsplice");
  const target = join(directory, `privcmd-${hash}.so`);
  if (existsSync(target)) return target;
  mkdirSync(directory, { recursive: true });
  const aside = `${target}.${process.pid}`;
  const compiler = env.CC || "gcc";
  const args = ["-O2", "-shared", "-fPIC", SOURCE, "-o", aside, "-ldl", "-lpthread"];
  const built = spawnSync(compiler, args, { encoding: "utf8" });
  if (built.status !== 0) {
    const why = built.error?.message ?? built.stderr.trim();
    throw XenError.because(ENOENT, `${compiler} could not build the shim: ${why}`);
  }
  renameSync(aside, target);
  return target;
}
