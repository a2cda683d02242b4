// The oracle's corpus as data: cases, their steps, and what the real Xen 4.17.7 answered to each
// step (tests/oracle/README.md).

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inRoot } from "../support/root.js";

export interface Step {
  /** `upload` … `minor`. */
  readonly op: string;
  /** Name of the payload, undefined for the case's own. */
  readonly who: string | undefined;
  /** The file of another payload. */
  readonly file: string | undefined;
  /** "" always, "?" only while everything worked, "~" only if the payload is there, "!" always. */
  readonly when: string;
}

export interface Expected {
  readonly rc: string;
  readonly status: string;
  readonly state: string;
  readonly effect: string;
  readonly console: string;
}

export interface Case {
  readonly name: string;
  readonly file: string;
  /** What the case's own payload was called there. */
  readonly own: string;
  readonly steps: readonly Step[];
  readonly expected: readonly Expected[];
}

const ORACLE = inRoot("tests/oracle");

export function rows(file: string): string[][] {
  const text = readFileSync(join(ORACLE, file), "latin1").trimEnd();
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"));
}

function step(text: string): Step {
  const when = /^[?~!]/.exec(text)?.[0] ?? "";
  const [op = "", who, file] = text.slice(when.length).split("@");
  return { op, who, file, when };
}

/** Console lines and lists name the payload; a case that is silent about it has the prefix's name.
 *  */
function ownName(name: string, expected: readonly (Expected & { step: string })[]): string {
  for (const { step: text, console } of expected) {
    if (text.includes("@")) continue;
    const said = /livepatch: (\w+) finished/.exec(console) ?? /livepatch: (\w+):/.exec(console);
    if (said?.[1]) return said[1];
  }
  const others = new Set(expected.map(({ step: text }) => text.split("@")[1]));
  for (const { step: text, console } of expected) {
    if (text !== "list") continue;
    const listed = [...console.matchAll(/(\w+):[A-Z]+:/g)].map(([, who = ""]) => who);
    const own = listed.find((who) => !others.has(who));
    if (own) return own;
  }
  return name.split("_")[0] ?? name;
}

export function cases(): Case[] {
  const all = new Map<string, (Expected & { step: string })[]>();
  for (const row of rows("expected.tsv")) {
    const [name = "", text = "", rc = "", status = "", state = "", effect = ""] = row;
    const entry = { step: text, rc, status, state, effect, console: row[6] ?? "" };
    all.set(name, [...(all.get(name) ?? []), entry]);
  }
  return rows("cases.tsv").map(([name = "", file = "", , , , steps = ""]) => {
    const expected = all.get(name) ?? [];
    return {
      name,
      file,
      own: ownName(name, expected),
      steps: steps.split(",").map(step),
      expected,
    };
  });
}

/** Unpacks the payloads; `read` gives one of them. */
export function unpackPayloads(): { read(file: string): Uint8Array; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), "xsplice-oracle-"));
  const archive = join(ORACLE, "payloads.tar.xz");
  const { status, stderr } = spawnSync("tar", ["-xf", archive, "-C", directory]);
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  return {
    read: (file) => readFileSync(join(directory, file)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Debian's image, as XEN_SYMS or its package has it; undefined when it is not installed. */
export function findImage(): string | undefined {
  if (process.env.XEN_SYMS) return process.env.XEN_SYMS;
  const directory = "/usr/lib/debug/boot";
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((file) => /^xen-syms-4\.17.*-amd64$/.test(file));
  return name === undefined ? undefined : join(directory, name);
}
