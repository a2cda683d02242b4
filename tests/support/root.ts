// Where the project is, and its files. The tests run as built JavaScript (dist/tests/…), so a path
// relative to a test's own source would point into dist/: ask here instead.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error("no package.json above the tests");
    directory = parent;
  }
  return directory;
}

/** Absolute path of the project. */
export const ROOT = findRoot();

/** Absolute path of a project file. */
export function inRoot(...parts: string[]): string {
  return join(ROOT, ...parts);
}

/** Text of a project file, the path relative to the project. */
export function readText(path: string): string {
  return readFileSync(inRoot(path), "utf8");
}

// The oracle is kept as it was measured (tests/oracle/README.md): its files are not ours to reword.
const LEFT_OUT = new Set(["node_modules", "build", "dist", "coverage", ".git", "oracle"]);

/** Files below `directory` (relative to the project), as paths relative to the project, sorted. */
export function filesBelow(directory: string, endings: readonly string[]): string[] {
  if (!existsSync(inRoot(directory))) return [];
  const found: string[] = [];
  for (const entry of readdirSync(inRoot(directory), { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (!LEFT_OUT.has(entry.name)) found.push(...filesBelow(path, endings));
    } else if (entry.isFile() && endings.some((ending) => entry.name.endsWith(ending))) {
      found.push(relative(".", path).split(sep).join("/"));
    }
  }
  return found.sort();
}
