// The native counterparts: small C files of bench/native, compiled with gcc -O2 for this run. Each
// is a process that reads "run N" and answers with the nanoseconds of one of N passes and a
// checksum.

import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { ROOT } from "./root.js";

export interface Answer {
  /** Nanoseconds of one pass. */
  readonly ns: number;
  /** Of the result, to compare with ours. */
  readonly checksum: bigint;
}

export class Native {
  private readonly lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcessByStdio<Writable, Readable, null>) {
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Compiles and starts bench/native/`name`.c; undefined where there is no gcc. */
  static start(name: string, args: readonly string[] = []): Native | undefined {
    const directory = mkdtempSync(join(tmpdir(), "xsplice-bench-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    const program = join(directory, name);
    const source = join(ROOT, "bench", "native", `${name}.c`);
    const options = ["-O2", "-o", program, source];
    const { status, error } = spawnSync("gcc", options, {
      stdio: ["ignore", "inherit", "inherit"],
    });
    if (error) return undefined;
    if (status !== 0) throw new Error(`gcc cannot compile ${source}`);
    return new Native(spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  async run(passes: number): Promise<Answer> {
    this.child.stdin.write(`run ${passes}\n`);
    const { value, done } = await this.lines.next();
    const [ns, checksum] = String(value).split(" ");
    if (done || ns === undefined || checksum === undefined) throw new Error("it ended early");
    return { ns: Number(ns), checksum: BigInt(`0x${checksum}`) };
  }

  stop(): void {
    this.child.stdin.end();
  }
}
