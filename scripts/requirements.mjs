// The table R-number -> test of DESIGN.md, from the citations in the tests. A requirement is cited
// where a test pins it, as R96 or in a short range like R31-R33. `node scripts/requirements.mjs`
// rewrites the table; a test holds that it is current and that nothing is missing without a reason.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, walk } from "./lib.mjs";

const BEGIN = "<!-- requirements: begin -->";
const END = "<!-- requirements: end -->";
const LONGEST_RANGE = 8;

/** Kinds: M must, S should, T to do or "if needed", I behaviour of the RFC's skeleton. */
const KINDS = {
  M:
    "1-8 10-12 21-28 30-54 56-69 72-77 79-81 84-90 92-96 100 103 105-108 115-120 124-128 137 " +
    "141 152 176-183 185-186 192 200-204 206-226",
  S: "9 14-17 19-20 29 55 70-71 175 187-189 193-194 197-199 205",
  T: "13 18 78 91 136 184 190-191 195-196",
  I: "82-83 97-99 101-102 104 109-114 121-123 129-135 138-140 142-151 153-174",
};

/** What no test shows, and why. */
const LEFT_OUT = {
  R20: "a cost that the RFC accepts: nothing to require",
  R205: "the cover letter's list of future work; its parts are requirements of their own",
};

function* numbers(text) {
  for (const part of text.split(" ")) {
    const [first, last = first] = part.split("-").map(Number);
    for (let n = first; n <= last; n++) yield n;
  }
}

/** Requirement -> test files that cite it. */
function citations() {
  const cited = new Map();
  for (const file of walk("tests", [".ts", ".txt", ".c"])) {
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const match of text.matchAll(/\bR(\d{1,3})(?:\s?[-–]\s?R?(\d{1,3}))?\b/g)) {
      const first = Number(match[1]);
      const last = Number(match[2] ?? first);
      if (last < first || last - first >= LONGEST_RANGE) continue;
      for (let n = first; n <= last; n++) {
        if (!cited.has(n)) cited.set(n, new Set());
        cited.get(n).add(file);
      }
    }
  }
  return cited;
}

/** Rows {id, kind, where} in order; `where` is null when nothing shows the requirement. */
export function requirements() {
  const cited = citations();
  const rows = [];
  for (const [kind, text] of Object.entries(KINDS)) {
    for (const n of numbers(text)) {
      const files = [...(cited.get(n) ?? [])].sort();
      rows.push({ n, id: `R${n}`, kind, files, reason: LEFT_OUT[`R${n}`] ?? null });
    }
  }
  return rows.sort((a, b) => a.n - b.n);
}

export function table() {
  const short = (file) => `\`${file.replace(/^tests\//, "")}\``;
  const where = (row) => {
    if (row.files.length > 0) {
      const more = row.files.length - 3;
      return row.files.slice(0, 3).map(short).join(", ") + (more > 0 ? ` and ${more} more` : "");
    }
    return row.reason ?? "—";
  };
  const lines = requirements().map((row) => `| ${row.id} | ${row.kind} | ${where(row)} |`);
  const head = "| requirement | kind | shown by (below `tests/`), or why not |";
  return [head, "|---|---|---|", ...lines].join("\n");
}

/** DESIGN.md with the present table in it. */
export function designWithTable() {
  const text = readFileSync(join(ROOT, "DESIGN.md"), "utf8");
  const [head, rest] = text.split(BEGIN);
  const tail = rest.split(END)[1];
  return `${head}${BEGIN}\n${table()}\n${END}${tail}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(join(ROOT, "DESIGN.md"), designWithTable());
  const open = requirements().filter((row) => row.files.length === 0 && row.reason === null);
  for (const row of open) console.log(`${row.id} (${row.kind}): no test cites it`);
}
