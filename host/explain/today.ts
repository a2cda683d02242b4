// Sentences for payloads in the format of today's Xen (.livepatch.funcs): what Xen refuses, and
// what would crash or hang it, which is refused here. Names are those of Xen's
// livepatch_payload.h.

import * as abi from "../abi.js";
import { errnoName } from "../errno.js";
import { HOOKS, type Sentence, type Sentences } from "./words.js";

const REBUILD = "Build the payload again with livepatch-build-tools for this Xen.";

/** `what` is the sentence without its end; place, name, address and numbers follow. */
function today(what: string, hint = REBUILD): Sentence {
  return ({ name, value, limit }, words) => ({
    message:
      `${what}${words.where}${name === "" ? "" : ` ('${name}')`}${words.at}` +
      `${value === 0n && limit === 0n ? "" : `: ${words.numbers}`}.`,
    hint,
  });
}

/** The same for what a real Xen would not have survived. */
function crash(what: string, hint = REBUILD): Sentence {
  return (refusal, words) => {
    const { message } = today(what, hint)(refusal, words);
    return { message: `${message} Xen itself would crash here.`, hint };
  };
}

/** What a hook's `int` is in Xen's eyes. */
function returned(value: bigint): string {
  const number = Number(BigInt.asIntN(32, value));
  return number < 0 && number > -4096 ? `-${errnoName(-number)}` : `${number}`;
}

/** Hooks without a value: what counts is what they leave in struct payload. */
const VOID_HOOKS: readonly (string | undefined)[] = ["postapply", "postrevert"];

const hookFailed: Sentence = ({ index, value }, words) => ({
  message: VOID_HOOKS.includes(HOOKS[index])
    ? `${words.subject("A hook")} has set the payload's rc to ${returned(value)}.`
    : `${words.subject("A hook")} says no: it returned ${returned(value)}.`,
  hint: "Look at the console, and at what the hook's code returns.",
});

/** Vector of a hook that went into a function which does not return. */
const NO_VECTOR = 256n;

const hookFaulted: Sentence = ({ va, va2, value }, words) => {
  const how =
    value === NO_VECTOR
      ? `called ${words.address(va)}`
      : `faulted${words.at}: ${abi.vectorName(Number(value))}` +
        (value === BigInt(abi.VECTOR_PF) ? ` on ${words.address(va2)}` : "");
  return {
    message: `${words.subject("A hook")} ${how}. Xen itself would crash here: nothing is changed.`,
    hint: "Look at the console, and with `disas` at the hook's code.",
  };
};

const REFUSED: readonly (readonly [number, Sentence])[] = [
  [abi.REASON_LP_NAME, today("The name is empty, too long or not terminated", "Name it anew.")],
  [
    abi.REASON_LP_NAME_EXISTS,
    today("There is already a payload of this name", "Unload that one, or take another name."),
  ],
  [abi.REASON_LP_PAD, today("Padding that must be zero is not")],
  [abi.REASON_LP_SECTION_MISSING, today("A section that every payload needs is missing")],
  [abi.REASON_LP_SECTION_EMPTY, today("A section that must hold something is empty")],
  [abi.REASON_LP_SECTION_SIZE, today("A section's size is no multiple of its entries'")],
  [
    abi.REASON_LP_NOTHING_TO_PATCH,
    today("The payload has neither functions to patch nor hooks", "Give it something to do."),
  ],
  [abi.REASON_LP_NOTE, today("A build-id note is malformed")],
  [abi.REASON_LP_FUNC_VERSION, today("An entry of .livepatch.funcs has an unknown version")],
  [abi.REASON_LP_OLD_SIZE_ZERO, today("old_size is zero")],
  [abi.REASON_LP_NOP_SIZE, today("The range to fill with NOPs has an impossible length")],
  [
    abi.REASON_LP_TOO_SMALL,
    today("The function is too small for a trampoline", "Patch its callers instead."),
  ],
  [abi.REASON_LP_ALTERNATIVE, today("An entry of .altinstructions is not usable")],
  [abi.REASON_LP_MODINFO, today("The section .modinfo is not terminated")],
  [
    abi.REASON_LP_EXPECTATION,
    (_, words) => ({
      message: `The memory${words.at} is not what the payload expects${words.bytes}.`,
      hint: "It is for another build, or something else patched the place.",
    }),
  ],
  [abi.REASON_LP_EXPECT_FIELD, today("The expectation of an entry is inconsistent")],
  [
    abi.REASON_LP_NOT_REAPPLIABLE,
    today(
      "The payload has writable data and was reverted, so it cannot be applied again",
      "Unload it and upload it anew.",
    ),
  ],
  [abi.REASON_LP_HOOK_VETO, hookFailed],
  [abi.REASON_LP_HOOK_FAILED, hookFailed],
  [
    abi.REASON_LP_REPLACE_HOOKS,
    today(
      "REPLACE does not work with payloads that have apply or revert hooks",
      "Revert the applied payloads one by one, then apply this one.",
    ),
  ],
  [
    abi.REASON_LP_REPLACE_REVERT,
    today("A payload to be replaced could not be reverted", "`explain` that payload."),
  ],
  [abi.REASON_LP_STILL_APPLIED, today("The payload is applied", "Revert it first.")],
];

const CRASHES: readonly (readonly [number, Sentence])[] = [
  [abi.REASON_XEN_CRASH_SYMTAB_LINK, crash("The symbol table names no string table")],
  [abi.REASON_XEN_CRASH_NOT_ALLOC, crash("A section that is used at run time is not allocated")],
  [abi.REASON_XEN_CRASH_SIZE_WRAP, crash("The sizes of the sections wrap around")],
  [abi.REASON_XEN_CRASH_ALIGN_ZERO, crash("A section's alignment is zero")],
  [abi.REASON_XEN_CRASH_RELOC_INFO, crash("A relocation section applies to no section")],
  [abi.REASON_XEN_CRASH_NAME_POINTER, crash("The name of a function is no pointer to a string")],
  [abi.REASON_XEN_CRASH_OLD_ADDR, crash("old_addr is not memory of the hypervisor")],
  [abi.REASON_XEN_CRASH_MODINFO_EMPTY, crash("The section .modinfo is empty")],
  [abi.REASON_XEN_CRASH_HOOK_NULL, crash("A hook is a null pointer")],
  [abi.REASON_XEN_CRASH_HOOK_ADDRESS, crash("A hook points to what is not code")],
  [abi.REASON_XEN_CRASH_ALT_FEATURE, crash("An alternative names a feature that does not exist")],
  [abi.REASON_XEN_CRASH_ALT_REPLACEMENT, crash("An alternative's code lies outside the payload")],
  [abi.REASON_XEN_CRASH_ALT_LENGTH, crash("An alternative is longer than what it replaces")],
  [abi.REASON_XEN_CRASH_NOP_UNDERFLOW, crash("The length of a range of NOPs is below zero")],
  [abi.REASON_XEN_CRASH_NEW_ADDR, crash("The new code is not executable")],
  [abi.REASON_XEN_CRASH_NEW_CODE, crash("The new code is not in the file")],
  [abi.REASON_XEN_CRASH_HOOK_FAULT, hookFaulted],
  [
    abi.REASON_XEN_HANG_HOOK,
    (_, words) => ({
      message:
        `${words.subject("A hook")} does not come to an end${words.at}. ` +
        "Xen itself would hang here: nothing is changed.",
      hint: "Look for an endless loop in the hook.",
    }),
  ],
  [abi.REASON_XEN_CRASH_PARTIAL_APPLY, crash("The payload could be applied only in part")],
  [abi.REASON_XEN_CRASH_PARTIAL_REVERT, crash("The payload could be reverted only in part")],
  [
    abi.REASON_XEN_CRASH_STILL_PATCHED,
    crash("Code of the hypervisor still jumps into the payload", "Revert what jumps there first."),
  ],
  [
    abi.REASON_XEN_CRASH_BUG_RECURSION,
    crash("A WARN lies in code that printing a WARN needs", "Take it out of the new code."),
  ],
  [abi.REASON_XEN_CRASH_WRITE, crash("The place to patch is not memory of the hypervisor")],
  [
    abi.REASON_XEN_CRASH_MID_INSTRUCTION,
    crash("old_addr lies inside an instruction", "Patch the function at its first byte."),
  ],
  [abi.REASON_XEN_CRASH_LOOP, crash("The new code is the very place that jumps to it")],
  [
    abi.REASON_XEN_CRASH_NOP_TAIL,
    crash(
      "The NOPs end inside an instruction, and what is left of it is executed",
      "Let new_size end where an instruction ends.",
    ),
  ],
];

export const TODAY: Sentences = new Map<number, Sentence>([...REFUSED, ...CRASHES]);
