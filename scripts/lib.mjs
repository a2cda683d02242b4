// What the project's scripts share. Plain Node without any package: the scripts are the first thing
// that runs on a fresh clone, when node_modules does not exist yet.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Progress of the scripts goes to stderr: stdout belongs to what the user asked for. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** All files below `dir` (relative to the root) whose name ends with one of `endings`, sorted. */
export function walk(dir, endings) {
  const from = join(ROOT, dir);
  if (!existsSync(from)) return [];
  return readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** One hash over names and contents. Not times: a checkout changes those without reason. */
export function hashFiles(files) {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file}\0`);
    hash.update(existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file)) : "absent");
    hash.update("\0");
  }
  return hash.digest("hex");
}

/** Runs a program to its end, its stdout on our stderr; true if it exited with 0. */
export function run(program, args, env = {}) {
  const result = spawnSync(program, args, {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, ...env },
    shell: process.platform === "win32" && program === "npm",
  });
  if (result.error) say(`${program}: ${result.error.message}`);
  return result.status === 0;
}

/** Hands the terminal to `node file args…` and ends with its exit code. */
export function become(file, args, env = {}) {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
  });
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Two builds at once in one folder would tear each other's files: the second waits. */
export function withLock(work) {
  const lock = join(ROOT, "build", ".lock");
  mkdirSync(join(ROOT, "build"), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      let owner = 0;
      try {
        owner = Number(readFileSync(lock, "utf8"));
      } catch {
        continue; // released in between
      }
      if (owner > 0 && !alive(owner)) rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lock, { force: true });
  }
}
