// `callers`: every direct call, jump and conditional jump that goes to the first byte of a
// function, found by decoding the code function by function, never by searching for bytes: a
// displacement that looks right inside another instruction would end in a broken patch. What an
// author needs for patching callers (requirement R3, RFC "Replace only the call"). Spec: Intel
// SDM vol. 2 (near branches).

import { Decoder, FlowControl, OpKind } from "iced-x86";

/** A range of executable memory. */
export interface CodeRange {
  readonly va: bigint;
  readonly bytes: Uint8Array;
}

export interface Caller {
  /** The branch instruction's own address. */
  readonly va: bigint;
  readonly kind: "call" | "jmp" | "jcc";
}

const KINDS: ReadonlyMap<FlowControl, Caller["kind"]> = new Map([
  [FlowControl.Call, "call"],
  [FlowControl.UnconditionalBranch, "jmp"],
  [FlowControl.ConditionalBranch, "jcc"],
]);

/** Decodes one stretch that begins at an instruction. */
function scan(range: CodeRange, from: bigint, to: bigint, target: bigint, found: Caller[]): void {
  const bytes = range.bytes.subarray(Number(from - range.va), Number(to - range.va));
  const decoder = new Decoder(64, bytes, 0);
  decoder.ip = from;
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const kind = KINDS.get(instruction.flowControl);
    if (
      kind !== undefined &&
      instruction.opCount > 0 &&
      instruction.opKind(0) === OpKind.NearBranch64 &&
      instruction.nearBranchTarget === target
    )
      found.push({ va: instruction.ip, kind });
    instruction.free();
  }
  decoder.free();
}

/**
 * Finds the branches to `target`, in the order of their addresses.
 * @param starts addresses where an instruction certainly begins: the functions' symbols
 */
export function findCallers(
  ranges: readonly CodeRange[],
  starts: readonly bigint[],
  target: bigint,
): Caller[] {
  const found: Caller[] = [];
  const sorted = [...new Set(starts)].sort((a, b) => (a < b ? -1 : 1));
  for (const range of ranges) {
    const end = range.va + BigInt(range.bytes.length);
    const inside = sorted.filter((va) => va > range.va && va < end);
    const cuts = [range.va, ...inside, end];
    for (let i = 0; i + 1 < cuts.length; i++)
      scan(range, cuts[i] as bigint, cuts[i + 1] as bigint, target, found);
  }
  return found.sort((a, b) => (a.va < b.va ? -1 : 1));
}
