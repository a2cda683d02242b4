// Reporter of node --test: one line per file, failures in full, skipped tests with their reason,
// and the counts as JSON in the file that TEST_COUNTS names. Suites are no tests: not counted.

import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import { inspect } from "node:util";

function describe(error) {
  const cause = error?.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
  // The frames of the runner itself say nothing.
  return text.replace(/\n\s+at [^\n]*node:internal\/test_runner[^\n]*/g, "").replace(/^/gm, "  ");
}

export default async function* reporter(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const files = new Map();
  for await (const { type, data } of source) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message;
    if (type !== "test:pass" && type !== "test:fail") continue;
    const built = relative(process.cwd(), data.file ?? data.name);
    const file = built.replace(/^dist\//, "").replace(/\.js$/, ".ts");
    const of = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 };
    files.set(file, of);
    const failed = type === "test:fail";
    if (data.details?.type === "suite" && !failed && data.skip === undefined) continue;
    // A suite also fails because a test in it failed, and that one has been counted.
    if (data.details?.error?.failureType === "subtestsFailed") continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const kind = skipped ? "skipped" : failed ? "failed" : "passed";
    counts[kind] += 1;
    of[kind] += 1;
    if (kind === "failed") yield `FAIL ${file}: ${data.name}\n${describe(data.details.error)}\n`;
    if (kind === "skipped") yield `skip ${file}: ${data.name} (${data.skip ?? data.todo})\n`;
  }
  for (const [file, of] of files) {
    if (of.failed > 0) continue;
    const skipped = of.skipped > 0 ? `, ${of.skipped} skipped` : "";
    yield `ok   ${file}: ${of.passed} tests${skipped}\n`;
  }
  writeFileSync(process.env.TEST_COUNTS, JSON.stringify(counts));
}
