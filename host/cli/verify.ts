// `verify`: the verdict about payloads, for people, for scripts (--json) and for CI (--sarif).
// Needs no machine.

import { createRequire } from "node:module";
import type { PatchRow, VerifyRow } from "../verify/row.js";
import { type VerifyOptions, verify } from "../verify/verify.js";
import { optionList, optionNumber, optionText } from "./arguments.js";
import { type Command, type Options, UsageError } from "./command.js";
import type { Context } from "./context.js";
import { columns } from "./format.js";

const EXIT_DANGER = 4;
const PROGRESS_MS = 1000;
const SHOWN = 16;

function shardOf(value: string | undefined): VerifyOptions["shard"] {
  if (value === undefined) return undefined;
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(value);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || index < 1 || index > count) {
    throw new UsageError(`--shard: ${value} is not i/n with i from 1 to n`);
  }
  return { index, count };
}

/** Says how far it is, when it takes long. */
function progress(ctx: Context): (done: number, all: number) => void {
  let last = performance.now();
  return (done, all) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    ctx.say(`xen-xsplice: ${done} of ${all} verified`);
  };
}

function bytes(hex = ""): string {
  const shown = hex.slice(0, 2 * SHOWN).replace(/..(?=.)/g, "$& ");
  return hex.length > 2 * SHOWN ? `${shown} …` : shown;
}

function printPatch(ctx: Context, patch: PatchRow): void {
  const { symbol, va, kind, size, old_size, new_size, target } = patch;
  const to = target === undefined ? "" : ` -> ${target}`;
  const sizes = `function ${old_size} bytes, new ${new_size}`;
  ctx.print(`  ${symbol} at ${va}: ${kind}, ${size} bytes${to} (${sizes})`);
  if (patch.old !== undefined) ctx.print(`    ${bytes(patch.old)} => ${bytes(patch.new)}`);
}

function printRow(ctx: Context, row: VerifyRow): void {
  const { file, image, verdict, step, code, errno, reason, message, hint, payload } = row;
  const on = image === undefined ? "" : ` on ${image}`;
  const number = errno === undefined ? `${code}` : `${code} ${errno}`;
  const why = verdict === "ok" ? "" : ` at ${step} (${number}, ${reason})`;
  ctx.print(`${file}${on}: ${verdict}${why}`);
  if (message) ctx.print(`  ${message}`);
  if (hint) ctx.print(`  ${hint}`);
  for (const patch of row.patches) printPatch(ctx, patch);
  if (payload.hooks.length > 0) ctx.print(`  hooks: ${payload.hooks.join(" ")}`);
  const names = payload.symbols.map(({ name }) => name);
  if (names.length > 0) ctx.print(`  needs: ${names.slice(0, SHOWN).join(" ")}`);
  for (const { id, severity, place, message: text, hint: todo } of row.findings) {
    ctx.print(`  ${severity} ${id}${place === "" ? "" : ` in ${place}`}: ${text}`);
    if (todo !== "") ctx.print(`    ${todo}`);
  }
}

/** Payloads down, images across. */
function printMatrix(ctx: Context, rows: readonly VerifyRow[]): void {
  const images = [...new Set(rows.map(({ image }) => image ?? ""))];
  const byFile = new Map<string, string[]>();
  const column = new Map(images.map((image, i) => [image, i]));
  for (const { file, image, verdict, errno } of rows) {
    const cells = byFile.get(file) ?? images.map(() => "");
    const text = verdict === "ok" || errno === undefined ? verdict : `${verdict} ${errno}`;
    cells[column.get(image ?? "") ?? 0] = text;
    byFile.set(file, cells);
  }
  const head = images.length > 1 ? [["", ...images]] : [];
  ctx.print("");
  for (const line of columns([...head, ...[...byFile].map(([file, cells]) => [file, ...cells])])) {
    ctx.print(line);
  }
  const count = (wanted: string): number => rows.filter(({ verdict }) => verdict === wanted).length;
  ctx.print(`${count("ok")} ok, ${count("refused")} refused, ${count("danger")} danger`);
}

function exitCode(rows: readonly VerifyRow[]): number {
  if (rows.some(({ verdict }) => verdict === "danger")) return EXIT_DANGER;
  return rows.some(({ verdict }) => verdict === "refused") ? 1 : 0;
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("../../../package.json") as {
    version: string;
  };
  return version;
}

function verifyOptions(ctx: Context, options: Options): VerifyOptions {
  const cpuFeatures = optionText(options.cpuFeatures, "--cpu-features");
  const jobs = optionNumber(options.jobs, "--jobs", 256, 0);
  const shard = shardOf(optionText(options.shard, "--shard"));
  return {
    stack: optionList(options.stack, "--stack"),
    onProgress: progress(ctx),
    ...(cpuFeatures === undefined ? {} : { cpuFeatures }),
    ...(jobs === 0 ? {} : { jobs }),
    ...(shard === undefined ? {} : { shard }),
  };
}

export const command: Command = {
  usage: "verify <...payloads>",
  options: [
    ["--image <elf>", "the hypervisor; may be given several times; without it mini-Xen"],
    ["--stack <file>", "a payload that is applied before; may be given several times"],
    ["--cpu-features <list>", "the CPU that the image is booted on: a preset, or feature bits"],
    ["--jobs <n>", "threads"],
    ["--shard <i/n>", "part i of n of the work"],
    ["--sarif", "print SARIF 2.1.0"],
  ],
  async run(ctx, payloads, options) {
    if (payloads.length === 0) throw new UsageError("verify needs at least one payload");
    const images = optionList(options.image, "--image");
    const chosen = images.length === 0 ? undefined : images;
    const rows = await verify(chosen, payloads, verifyOptions(ctx, options));
    if (options.sarif === true) {
      const { toSarif } = await import("../verify/sarif.js");
      const sarif = toSarif(rows, packageVersion());
      ctx.print(JSON.stringify(sarif));
      ctx.result(sarif);
    } else {
      for (const row of rows) printRow(ctx, row);
      if (rows.length > 1) printMatrix(ctx, rows);
      ctx.result(rows);
    }
    return exitCode(rows);
  },
};
