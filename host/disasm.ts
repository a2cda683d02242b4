// Disassembly of a machine's memory, by iced-x86. The package is loaded on first use: most commands
// never need it, and start faster without.

import type * as Iced from "iced-x86";
import { XenError } from "./error.js";
import type { Symbols } from "./symbols.js";

export interface Instruction {
  readonly va: bigint;
  readonly bytes: Uint8Array;
  /** In the notation of gas for Intel syntax, addresses of the image as symbols. */
  readonly text: string;
  /** Symbol that the address belongs to, `name+0x10`; undefined when none is near. */
  readonly symbol: string | undefined;
}

/** What is disassembled. */
export interface Readable {
  read(va: bigint, length: number): Uint8Array;
  readonly symbols: Symbols;
}

/** The longest instruction (SDM vol. 2, 2.3.11). */
const LONGEST = 15;
const PAGE = 4096n;

let loaded: Promise<typeof Iced> | undefined;

/** Up to `length` bytes from `va` on: less when unmapped memory follows. */
function readSome(source: Readable, va: bigint, length: number): Uint8Array {
  const toPageEnd = Number(PAGE - (va % PAGE));
  if (length <= toPageEnd) return source.read(va, length);
  try {
    return source.read(va, length);
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    return source.read(va, toPageEnd);
  }
}

/**
 * Disassembles `count` instructions; fewer where mapped memory ends.
 * @throws XenError `bad-address` when nothing is mapped at `va`
 */
export async function disassemble(
  source: Readable,
  va: bigint,
  count: number,
): Promise<Instruction[]> {
  loaded ??= import("iced-x86");
  const iced = await loaded;
  const found: Instruction[] = [];
  const formatter = new iced.Formatter(iced.FormatterSyntax.Gas);
  const instruction = new iced.Instruction();
  let at = va;
  try {
    while (found.length < count) {
      let bytes: Uint8Array;
      try {
        bytes = readSome(source, at, LONGEST);
      } catch (error) {
        if (found.length > 0 && error instanceof XenError) break;
        throw error;
      }
      const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
      decoder.ip = at;
      decoder.decodeOut(instruction);
      const length = Math.max(instruction.length, 1);
      const text = name(source.symbols, iced, instruction, formatter);
      decoder.free();
      found.push({
        va: at,
        bytes: bytes.slice(0, length),
        text,
        symbol: source.symbols.nameOf(at),
      });
      at = BigInt.asUintN(64, at + BigInt(length));
    }
  } finally {
    instruction.free();
    formatter.free();
  }
  return found;
}

/** The text, with the symbol of a branch's target behind it. */
function name(
  symbols: Symbols,
  iced: typeof Iced,
  instruction: Iced.Instruction,
  formatter: Iced.Formatter,
): string {
  const text = formatter.format(instruction);
  const kind = instruction.flowControl;
  const branch =
    kind === iced.FlowControl.Call ||
    kind === iced.FlowControl.UnconditionalBranch ||
    kind === iced.FlowControl.ConditionalBranch;
  const target = branch ? symbols.nameOf(instruction.nearBranchTarget) : undefined;
  return target === undefined ? text : `${text} <${target}>`;
}
