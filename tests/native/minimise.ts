// Finds out which items of a sequence a disagreement needs: leaves out one after the other, lets
// the processor execute what remains (`sequences one`), and keeps what still disagrees.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from "iced-x86";
import type { SequenceBench } from "./sequence_bench.js";
import { readSequences, type Sequence } from "./sequences.js";

interface Remainder {
  readonly sequence: Sequence | undefined;
  readonly items: readonly string[];
}

/** The sequence of `seed` without some items; none when its end is not ours to compare. */
export function remake(
  program: string,
  seed: number,
  output: string,
  leftOut: readonly string[] = [],
): Remainder {
  const args = ["one", String(seed), output, ...leftOut];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  const [sequence] = readSequences(readFileSync(output));
  return { sequence, items: [...new Set(stdout.split("\n").filter(Boolean))] };
}

/** A listing of the code, with what its registers start from. */
export function listing({ code, before }: Sequence): string {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Gas);
  decoder.ip = before.rip;
  const lines = before.regs.map((value, i) => `  r${i} = 0x${value.toString(16)}`);
  lines.push(`  flags = 0x${before.flags.toString(16)}`);
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const start = Number(instruction.ip - before.rip);
    const bytes = Buffer.from(code.subarray(start, start + instruction.length)).toString("hex");
    lines.push(
      `  ${instruction.ip.toString(16)}  ${bytes.padEnd(30)} ${formatter.format(instruction)}`,
    );
    instruction.free();
  }
  return lines.join("\n");
}

/** The smallest sequence that was found to disagree like that of `seed`, described. */
export function minimise(
  bench: SequenceBench,
  program: string,
  seed: number,
  output: string,
): string {
  let leftOut: string[] = [];
  const whole = remake(program, seed, output);
  if (whole.sequence === undefined) return `seed ${seed}: nothing to compare`;
  let { sequence, items } = { sequence: whole.sequence, items: whole.items };
  let found = bench.judge(sequence);
  for (let changed = true; changed; ) {
    changed = false;
    for (const item of items) {
      if (leftOut.includes(item)) continue;
      const less = remake(program, seed, output, [...leftOut, item]);
      if (less.sequence === undefined) continue;
      const differs = bench.judge(less.sequence);
      if (differs.length === 0) continue;
      leftOut = [...leftOut, item];
      sequence = less.sequence;
      found = differs;
      changed = true;
    }
    ({ items } = remake(program, seed, output, leftOut));
  }
  const { vector, after } = sequence;
  const end = `ends with vector ${vector} at 0x${after.rip.toString(16)}`;
  return `seed ${seed} (${end}): ${found.slice(0, 8).join("; ")}\n${listing(sequence)}`;
}
