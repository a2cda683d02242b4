// npm run bench [-- --json] [name…]: the numbers of this machine, medians. A table, or one JSON
// array on stdout; progress on stderr. Names select rows by their beginning. What cannot be
// measured here (no xen-syms, no gcc) is left out.

import { interpreter } from "./cases/interp.js";
import { applyMany } from "./cases/large.js";
import { boot, bootXenSyms, cliList, uploadCycle } from "./cases/machine.js";
import { relocations } from "./cases/relocations.js";
import { searchStates } from "./cases/search.js";
import { stackScan } from "./cases/stack_scan.js";
import { stackWalk } from "./cases/stack_walk.js";
import { symbols } from "./cases/symbols.js";
import { verifyPayload } from "./cases/verify.js";
import type { Row } from "./measure.js";

interface Case {
  /** The rows that it makes. */
  readonly rows: readonly string[];
  run(): Promise<Row | readonly Row[] | undefined>;
}

const CASES: readonly Case[] = [
  { rows: ["boot"], run: boot },
  { rows: ["boot-xen-syms"], run: bootXenSyms },
  { rows: ["upload-cycle"], run: uploadCycle },
  { rows: ["apply-10000", "stop-10000"], run: applyMany },
  { rows: ["verify"], run: verifyPayload },
  { rows: ["cli-list"], run: cliList },
  { rows: ["relocations"], run: relocations },
  { rows: ["stack-scan"], run: stackScan },
  { rows: ["stack-walk"], run: stackWalk },
  { rows: ["search"], run: searchStates },
  { rows: ["symbol-by-name", "symbol-by-address"], run: symbols },
  { rows: ["interp-crc32", "interp-sha256", "interp-quicksort"], run: interpreter },
];

function print(rows: readonly Row[]): void {
  const number = (value: number | undefined): string =>
    value === undefined ? "" : value.toPrecision(value >= 1000 ? 4 : 3);
  const cells = [
    ["", "ours", "native", "ratio", "unit", ""],
    ...rows.map(({ name, ours, native, ratio, unit, note }) => [
      name,
      number(ours),
      number(native),
      number(ratio),
      unit,
      note ?? "",
    ]),
  ];
  const widths =
    cells[0]?.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0))) ?? [];
  for (const row of cells) {
    const line = row.map((cell, i) => {
      const width = widths[i] ?? 0;
      return i >= 1 && i <= 3 ? cell.padStart(width) : cell.padEnd(width);
    });
    process.stdout.write(`${line.join("  ").trimEnd()}\n`);
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const json = args.includes("--json");
  const names = args.filter((arg) => !arg.startsWith("--"));
  const wanted = (row: string): boolean =>
    names.length === 0 || names.some((name) => row.startsWith(name));
  const rows: Row[] = [];
  for (const { rows: made, run } of CASES) {
    if (!made.some(wanted)) continue;
    process.stderr.write(`${made.join(", ")} …\n`);
    const result = await run();
    if (result === undefined) process.stderr.write("  left out: not possible here\n");
    else rows.push(...[result].flat().filter(({ name }) => wanted(name)));
  }
  if (json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else print(rows);
}

await main();
