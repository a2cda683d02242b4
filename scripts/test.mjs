// npm test [-- filter…]: all set-up that is still missing, then every test, and one sum at the end.
//
// A filter is a group (core, host, cli, tidy, …: the folder or file below tests/; `core` is what
// runs inside WebAssembly) or a part of a path. --update-golden rewrites the golden transcripts.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { build } from "./build.mjs";
import { ROOT, say, walk } from "./lib.mjs";

const ASPECT = "node_modules/@as-pect/cli/bin/asp.js";
const COUNTS = join(ROOT, "build", "test-counts.json");
const total = { passed: 0, failed: 0, skipped: 0 };

/** Runs a child; `capture` collects its output instead of showing it. */
function execute(args, { env = {}, capture = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", capture ? "pipe" : "inherit", capture ? "pipe" : "inherit"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("close", (code) => resolve({ code, output: stripVTControlCharacters(output) }));
  });
}

/** The part of as-pect's output that is worth reading: neither its banner nor its summary. */
function essence(output) {
  const from = output.indexOf("\n", output.indexOf("ASC Version:")) + 1;
  const to = output.indexOf("\n  [Summary]");
  return output.slice(from, to < 0 ? undefined : to).trim();
}

/** One entry is one process: what a trap leaves behind cannot reach the next entry. */
async function runEntry(entry) {
  const { code, output } = await execute([ASPECT, "--summary", entry], { capture: true });
  const counts = /\[Tests\]: (\d+) \/ (\d+)/.exec(output);
  const passed = Number(counts?.[1] ?? 0);
  const all = Number(counts?.[2] ?? 0);
  let failed = all - passed;
  // A spec that does not compile, dies, or asserts nothing is a failure too.
  if (failed === 0 && (code !== 0 || all === 0)) failed = 1;
  total.passed += passed;
  total.failed += failed;
  if (failed === 0) process.stdout.write(`ok   ${entry}: ${passed} tests\n`);
  else process.stdout.write(`FAIL ${entry}: ${passed} of ${all} tests\n${essence(output)}\n`);
}

async function runCore(entries) {
  const queue = [...entries];
  const worker = async () => {
    for (let entry = queue.shift(); entry; entry = queue.shift()) await runEntry(entry);
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
}

async function runNode(files, env) {
  rmSync(COUNTS, { force: true });
  const args = ["--test", `--test-concurrency=${availableParallelism()}`];
  args.push("--test-reporter=./scripts/reporter.mjs", "--test-reporter-destination=stdout");
  args.push(...files);
  const { code } = await execute(args, { env: { ...env, TEST_COUNTS: COUNTS } });
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = JSON.parse(readFileSync(COUNTS, "utf8"));
  } catch {
    say("node --test ended without a result.");
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  for (const key of Object.keys(total)) total[key] += counts[key];
}

/** What there is to run: the entries of as-pect, and the test files of node --test as built. */
function collect(filters) {
  const specs = walk("tests/assembly", [".spec.ts"]).filter((file) => file.split("/").length === 3);
  const tests = walk("tests", [".test.ts"]).map((source) => ({
    source,
    group: source.split("/")[1].replace(/\.test\.ts$/, ""),
    built: `dist/${source.replace(/\.ts$/, ".js")}`,
  }));
  const wanted = (group, source) =>
    filters.length === 0 || filters.some((filter) => group === filter || source.includes(filter));
  return {
    specs: specs.filter((source) => wanted("core", source)),
    tests: tests.filter(({ group, source }) => wanted(group, source)),
  };
}

async function main() {
  const args = process.argv.slice(2);
  const golden = args.includes("--update-golden");
  const filters = args.filter((arg) => !arg.startsWith("--"));
  const { specs, tests } = collect(filters);
  if (specs.length + tests.length === 0) {
    say(`No test matches ${filters.join(" ")}.`);
    process.exit(2);
  }
  if (!build({ tests: true })) {
    total.failed += 1;
    process.stdout.write("FAIL build: see above. What follows runs what could be built.\n");
  }
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const env = golden ? { UPDATE_GOLDEN: "1" } : {};
  if (specs.length > 0) await runCore(specs);
  const built = tests.map((test) => test.built).filter((file) => existsSync(join(ROOT, file)));
  if (built.length < tests.length) {
    total.failed += tests.length - built.length;
    process.stdout.write(`FAIL ${tests.length - built.length} test file(s) could not be built.\n`);
  }
  if (built.length > 0) await runNode(built, env);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

await main();
