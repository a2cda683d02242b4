// Runs command lines in this process, as `main.ts` would, and keeps what they print. A session is a
// list of command lines on one machine file; its transcript is compared with a golden file, which
// UPDATE_GOLDEN=1 rewrites.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runCli } from "../../host/cli/cli.js";
import { inRoot } from "../support/root.js";

export interface Output {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Both streams in the order of writing, lines of stderr marked with `! `. */
  readonly both: string;
}

/** Runs one command line. */
export async function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Output> {
  let out = "";
  let err = "";
  const both: { stream: "out" | "err"; text: string }[] = [];
  const take = (stream: "out" | "err") => (text: string) => {
    if (stream === "out") out += text;
    else err += text;
    const last = both.at(-1);
    if (last?.stream === stream) last.text += text;
    else both.push({ stream, text });
  };
  const io = {
    out: take("out"),
    err: take("err"),
    env,
    outIsTerminal: false,
    errIsTerminal: false,
  };
  const code = await runCli(args, io);
  const marked = both.map(({ stream, text }) =>
    stream === "out" ? text : text.replace(/^(?=.)/gm, "! "),
  );
  return { code, out, err, both: marked.join("") };
}

/** A directory of its own for one test file, removed when the process ends. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "xen-xsplice-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Command lines on one machine. */
export class Session {
  private text = "";

  constructor(private readonly directory: string) {}

  get machine(): string {
    return join(this.directory, "machine");
  }

  /** A file in the session's directory. */
  file(name: string): string {
    return join(this.directory, name);
  }

  async run(...args: readonly string[]): Promise<Output> {
    const output = await cli(args, { XEN_XSPLICE_MACHINE: this.machine });
    const ended = output.both === "" || output.both.endsWith("\n") ? "" : "\n";
    const code = output.code === 0 ? "" : `[exit ${output.code}]\n`;
    this.text += `$ xen-xsplice ${args.map(quote).join(" ")}\n${output.both}${ended}${code}`;
    return output;
  }

  /** The parsed JSON of a command that must print exactly one value. */
  async json(...args: readonly string[]): Promise<{ code: number; value: unknown; err: string }> {
    const { code, out, err } = await cli([...args, "--json"], {
      XEN_XSPLICE_MACHINE: this.machine,
    });
    assert.match(out, /^[^\n]+\n$/, "one line");
    return { code, value: JSON.parse(out), err };
  }

  /** What was typed and printed so far; paths of one machine replaced. */
  plain(): string {
    return this.text.replaceAll(this.directory, "DIR").replaceAll(inRoot(), "PROJECT");
  }

  /**
   * The same for a golden file: without what grows with the project (payload sizes, free memory,
   * the list of the other commands), the usage text only once.
   */
  transcript(): string {
    const usage = /! xen-xsplice: Xsplice test tool\n(?:! .*\n)*?! {3}check .*\n/g;
    let seen = 0;
    return this.plain()
      .replace(/\(\d+ bytes\)$/gm, "(N bytes)")
      .replace(/^RAM used .*$/gm, "RAM used      N KiB, N KiB free")
      .replace(/(! More commands.*\n)(?:! {3}[a-z].*\n)+/g, "$1!   (the other commands)\n")
      .replace(usage, (text) => (seen++ === 0 ? text : "! (usage)\n"));
  }
}

const quote = (text: string): string => (/^[\w@%+=:,./#-]+$/.test(text) ? text : `'${text}'`);

/** Compares with a golden file of tests/cli/golden. */
export function golden(name: string, text: string): void {
  const path = inRoot("tests", "cli", "golden", `${name}.txt`);
  if (process.env.UPDATE_GOLDEN === "1") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  assert.ok(existsSync(path), `${path} is missing: run with UPDATE_GOLDEN=1`);
  assert.equal(text, readFileSync(path, "utf8"));
}

/** xsa125 under another name of its own: to the hypervisor a different payload. */
export function variant(number: number): Uint8Array {
  const bytes = Buffer.from(readFileSync(payload("xsa125")));
  const at = bytes.indexOf("xsa125\0");
  assert.ok(at > 0);
  bytes.write(`v${String(number).padStart(5, "0")}`, at);
  return bytes;
}

/** A payload of the project. */
export const payload = (name: string): string => inRoot("images", "payloads", `${name}.xsplice`);
