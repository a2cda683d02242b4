// What the core noticed about a payload that Xen accepts (bits HAZARD_*), as findings. A finding of
// severity `error` makes the verdict `danger` with code 0: Xen takes the payload and is damaged.

import * as abi from "../abi.js";
import type { Machine } from "../machine.js";
import type { LoadedFunc, LoadedLivepatch } from "./records.js";
import { type Finding, hex, type Severity } from "./row.js";

interface Kind {
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  readonly hint: string;
}

const REBUILD = "Build the payload again from the source and configuration of this very Xen.";

/** One row per bit: id, severity, what is the matter, what to do. */
const KINDS: readonly (readonly [number, string, Severity, string, string])[] = [
  [
    abi.HAZARD_SAME_FUNCTION_TWICE,
    "same-function-twice",
    "error",
    "The function is listed twice: reverting leaves the first jump in place, and after unloading " +
      "it leads to memory that is gone.",
    "List each function once.",
  ],
  [
    abi.HAZARD_OVERLAP,
    "patches-overlap",
    "error",
    "Two of the payload's patches overlap: Xen reverts in the order of applying, which restores " +
      "bytes of the other patch.",
    "Leave one of them out.",
  ],
  [
    abi.HAZARD_NOP_MID_INSTRUCTION,
    "nop-cuts-instruction",
    "error",
    "The range of NOPs ends inside an instruction: the rest of that instruction runs as other " +
      "code. The last instruction of a function that returns through a thunk is a jump of 5 bytes.",
    "End the range where an instruction ends: look at the disassembly of this build.",
  ],
  [
    abi.HAZARD_NOP_JUMP,
    "nop-removes-return",
    "error",
    "The NOPs replace a return or a jump that leaves the function: the CPU runs into what follows.",
    "Leave the last instruction as it is, or replace the function by an empty one.",
  ],
  [
    abi.HAZARD_OLD_MIDWAY,
    "old-not-at-start",
    "error",
    "old_addr is not where a function begins: registers and stack are not those of a call.",
    "Patch the function at its first byte.",
  ],
  [
    abi.HAZARD_OLD_NOT_TEXT,
    "changes-data",
    "error",
    "old_addr is data, not code: bytes of a jump are written over it while the payload is applied.",
    "Change data in a load hook, and put it back in an unload hook.",
  ],
  [
    abi.HAZARD_OLD_INIT,
    "old-init",
    "error",
    "old_addr is code that is freed after boot.",
    "Nothing is left to be patched: leave the function out.",
  ],
  [
    abi.HAZARD_OLD_SIZE,
    "old-size-differs",
    "warning",
    "old_size is not the size of the function in this hypervisor.",
    REBUILD,
  ],
  [
    abi.HAZARD_NEW_NOT_EXECUTABLE,
    "new-not-executable",
    "error",
    "new_addr is not in executable memory.",
    "Put the new function into a section with flags AX.",
  ],
  [
    abi.HAZARD_NEW_NO_CODE,
    "new-empty",
    "error",
    "There is no code at new_addr: the bytes are zero, or the section has none in the file.",
    REBUILD,
  ],
  [
    abi.HAZARD_NEW_FOREIGN,
    "new-outside-payload",
    "warning",
    "new_addr is not in the payload: the old function becomes another one of the hypervisor.",
    "Make sure that both take the same arguments, or point new_addr at the payload's own code.",
  ],
  [
    abi.HAZARD_NEW_MIDWAY,
    "new-not-at-symbol",
    "note",
    "No symbol of the payload is at new_addr: traces will not name the new function.",
    "Keep the function's symbol.",
  ],
  [
    abi.HAZARD_UNRELOCATED,
    "relocation-skipped",
    "warning",
    "Xen passes over a relocation of the payload without a word: its type is NONE, its section " +
      "index leads nowhere, or its table has gaps.",
    REBUILD,
  ],
  [
    abi.HAZARD_HOOK_NULL,
    "hook-null",
    "warning",
    "A hook section holds a null pointer: Xen takes it as no hook.",
    "Give the hook a function, or leave the section out.",
  ],
  [
    abi.HAZARD_FOREIGN_SYMBOL,
    "symbol-of-other-payload",
    "warning",
    "The payload refers to a symbol of another payload, which may be unloaded all the same.",
    "Do not unload the one that provides it before this one.",
  ],
  [
    abi.HAZARD_SECTION_IGNORED,
    "section-ignored",
    "warning",
    "The payload has several sections of a name that Xen looks up once: all but the first are " +
      "ignored.",
    "Link the sections into one: ld -r with a script that merges them.",
  ],
  [
    abi.HAZARD_SECTION_OVERLAP,
    "sections-overlap",
    "error",
    "A section with alignment 0 was loaded over another one.",
    "Give every section an alignment of at least 1.",
  ],
  [
    abi.HAZARD_STRTAB_WRAPS,
    "string-table-wraps",
    "warning",
    "The size of a string table is so large that a sum wraps around; Xen accepts it by accident.",
    REBUILD,
  ],
  [
    abi.HAZARD_ID_IS_XENS,
    "build-id-of-xen",
    "warning",
    "The payload's build-id is the hypervisor's: dependencies cannot tell the two apart.",
    "Link the payload with a build-id of its own.",
  ],
  [
    abi.HAZARD_EXTABLE_STRAY,
    "exception-table-stray",
    "warning",
    "An entry of .ex_table is not about the payload's own code.",
    REBUILD,
  ],
  [
    abi.HAZARD_BUG_FRAME_STRAY,
    "bug-frame-stray",
    "warning",
    "A bug frame is not about the payload's own code.",
    REBUILD,
  ],
  [
    abi.HAZARD_ALT_IGNORED,
    "alternative-ignored",
    "warning",
    "An entry of .altinstructions is marked as done in the file: Xen does not apply it.",
    REBUILD,
  ],
  [
    abi.HAZARD_NEVER_REACHED,
    "nothing-patched",
    "warning",
    "The length of the patch is 0: it counts as applied and changes nothing.",
    "Say how many bytes shall become NOPs.",
  ],
  [
    abi.HAZARD_DISTANCE_EDGE,
    "distance-edge",
    "warning",
    "The new code is at the edge of what a jump reaches.",
    "Nothing can be done in the payload; the memory for payloads is too far away.",
  ],
  [
    abi.HAZARD_DATA_REAPPLY,
    "not-reappliable",
    "note",
    "The payload has writable sections: after a revert it must be uploaded anew before it can be " +
      "applied again.",
    "Upload it again instead of applying it a second time.",
  ],
  [
    abi.HAZARD_EXPECT_BOOT_SITE,
    "expectation-boot-dependent",
    "warning",
    "The expected bytes cover an instruction that boot replaces by CPU and options: the " +
      "payload matches some hosts only.",
    "Shorten the expectation, or build one payload per kind of host.",
  ],
  [
    abi.HAZARD_ALREADY_PATCHED,
    "already-patched",
    "warning",
    "Another payload has changed the same bytes before.",
    "Make the payload depend on that one.",
  ],
  [
    abi.HAZARD_REPLACE_DIRTY,
    "replaced-with-old-data",
    "warning",
    "REPLACE has applied the payload again although its writable data is not as it was in the " +
      "file: Xen looks at that for APPLY alone.",
    "Unload the payload and upload it anew.",
  ],
  [
    abi.HAZARD_STUCK_PROGRESS,
    "stuck-in-progress",
    "warning",
    "An action was asked for while another payload's was pending: its rc stays -EAGAIN although " +
      "nothing is under way, and xen-livepatch refuses to touch it.",
    "Ask for the action again without looking at the status first.",
  ],
];

const BY_BIT: ReadonlyMap<number, Kind> = new Map(
  KINDS.map(([bit, id, severity, message, hint]) => [bit, { id, severity, message, hint }]),
);

/** Those that the core does not tell per function, and those about init symbols, which need the
 *  file. */
const OF_FILE = new Set([abi.HAZARD_INIT_SYMBOL]);

export const HAZARD_KINDS: readonly Kind[] = [...BY_BIT.values()];

function findings(bits: bigint, place: string): Finding[] {
  const found: Finding[] = [];
  for (const [bit, kind] of BY_BIT) {
    if ((bits & (1n << BigInt(bit))) !== 0n) found.push({ ...kind, place });
  }
  return found;
}

function placeOf(machine: Machine, func: LoadedFunc): string {
  const name = machine.symbols.nameOf(func.oldVa) ?? func.name;
  return name === "" ? hex(func.oldVa) : `${name} (${hex(func.oldVa)})`;
}

/** Bytes written behind the end of a function that is too small for them. */
function tooSmall(machine: Machine, func: LoadedFunc, place: string): Finding[] {
  const near = machine.symbols.at(func.oldVa);
  if (near?.offset !== 0n || near.symbol.size === 0n) return [];
  const needed = BigInt(func.offset + func.length);
  if (needed <= near.symbol.size || func.length === 0) return [];
  const { name, size, room } = near.symbol;
  const inPadding = needed <= room;
  return [
    {
      id: "old-too-small",
      severity: inPadding ? "warning" : "error",
      place,
      message: inPadding
        ? `${name} has ${size} bytes and the patch ${needed}: it needs the padding behind it.`
        : `${name} has ${size} bytes and the patch ${needed}: it overwrites what follows.`,
      hint: "Patch its callers instead.",
    },
  ];
}

/** What the core noticed, by function where it can tell, each only once. */
export function hazardFindings(machine: Machine, loaded: LoadedLivepatch): Finding[] {
  const ofFuncs = loaded.funcs.flatMap((func) => {
    const place = placeOf(machine, func);
    return [...findings(func.hazards, place), ...tooSmall(machine, func, place)];
  });
  let told = 0n;
  for (const { hazards } of loaded.funcs) told |= hazards;
  for (const bit of OF_FILE) told |= 1n << BigInt(bit);
  return [...ofFuncs, ...findings(loaded.hazards & ~told, "")];
}
