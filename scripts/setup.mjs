// Installs what package-lock.json names, only when something of it is missing.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, say } from "./lib.mjs";

const MIN_NODE = [20, 19];

function readJson(file) {
  const path = join(ROOT, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** npm keeps its own record of what it put into node_modules: compare that with the lock file. */
export function installed() {
  const have = readJson("node_modules/.package-lock.json")?.packages;
  if (!have) return false;
  const want = readJson("package-lock.json").packages;
  return Object.entries(want).every(
    ([path, entry]) => path === "" || entry.optional || have[path]?.version === entry.version,
  );
}

export function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
    say(`Node ${MIN_NODE.join(".")} or newer is needed; this is ${process.versions.node}.`);
    process.exit(1);
  }
}

export function setup() {
  checkNode();
  if (installed()) return;
  say("Installing packages (once) …");
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const args = ["ci", "--include=dev", "--ignore-scripts", ...quiet];
  const npm = process.env.npm_execpath;
  const ok = npm?.endsWith(".js") ? run(process.execPath, [npm, ...args]) : run("npm", args);
  if (!ok) {
    say("npm ci failed: see above. The packages are needed once; is the registry reachable?");
    process.exit(1);
  }
}
