// Sources as syntax trees, for the rules that a regular expression cannot judge. TypeScript's
// parser reads AssemblyScript too: its decorators parse, only the checker objects to their places.

import { dirname, join } from "node:path/posix";
import ts from "typescript";
import { readText } from "./root.js";

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readText(path), ts.ScriptTarget.ES2022, true);
}

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** A group of tests is a list, not a function: only the tests in it are measured. */
function isGroup(node: ts.Node): boolean {
  const call = node.parent;
  if (!ts.isCallExpression(call) || call.expression === node) return false;
  return /^(describe|suite)(\.\w+)?$/.test(call.expression.getText());
}

/** Every function of a file with its length in lines. */
export function functionSizes(file: ts.SourceFile): FunctionSize[] {
  const sizes: FunctionSize[] = [];
  const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body && !isGroup(node)) {
      const line = lineOf(node.getStart(file));
      const name = node.name?.getText(file) ?? "(anonymous)";
      sizes.push({ name, line, lines: lineOf(node.end) - line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return sizes;
}

/**
 * The project files that a file imports or re-exports, `import type` left out: it is gone at run
 * time. `./mem` (AssemblyScript), `./mem.js` and `./mem.ts` are all `./mem.ts`.
 */
export function importsOf(file: ts.SourceFile): string[] {
  const found: string[] = [];
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const typeOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.isTypeOnly
      : statement.isTypeOnly;
    const target = statement.moduleSpecifier;
    if (typeOnly || !target || !ts.isStringLiteral(target)) continue;
    if (!target.text.startsWith(".")) continue;
    const path = join(dirname(file.fileName), target.text).replace(/\.(js|ts|mjs)$/, "");
    found.push(target.text.endsWith(".mjs") ? `${path}.mjs` : `${path}.ts`);
  }
  return found;
}

/** The cycles of an import graph, each as a readable chain; empty when there is none. */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const chain: string[] = [];
  const visit = (path: string): void => {
    const at = chain.indexOf(path);
    if (at >= 0) cycles.push([...chain.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    chain.push(path);
    for (const next of graph.get(path) ?? []) visit(next);
    chain.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return cycles;
}
