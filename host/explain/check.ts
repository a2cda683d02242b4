// Sentences for what CHECK, APPLY and REVERT find: the payload against the running hypervisor
// (D2: CHECK, APPLY/REVERT).

import * as abi from "../abi.js";
import type { Refusal } from "../refusal.js";
import { hex, hexBytes, plural, type Sentence, type Sentences, type Words } from "./words.js";

const PRINTABLE = /^[\x20-\x7e]+$/;
const NO_CPU = 0xffffffff;
const REGIONS = ["not memory", "code", "read-only data", "writable data", "code of the boot"];
const OTHER_BUILD = "The payload was made for another build; get the one for this build.";

/** A build-id as people write it. */
const plainHex = (bytes: Uint8Array): string => hexBytes(bytes).replaceAll(" ", "");

/** Who was inside the code: `value` is the frame's number, 0 the CPU itself, `va2` where on the
 *  stack it lies, `limit` whether it is surely a frame. */
function onStack({ cpu, va, va2, value, limit }: Refusal, words: Words, code: string): string {
  const place = words.address(va);
  if (va2 === 0n) return `CPU ${cpu} was in ${code} until the deadline: at ${place}.`;
  const where = `frame ${value} of its stack, at ${hex(va2)},`;
  return limit === 0n
    ? `CPU ${cpu} may have been inside ${code} until the deadline: what may be ${where} ` +
        `holds ${place}.`
    : `CPU ${cpu} was inside ${code} until the deadline: ${where} leads back to ${place}.`;
}

/** What would have to happen. `index2`: where CPUs meet. */
function offStack({ cpu, va2, value, limit, index2 }: Refusal, code: string): string {
  const sentences = [
    va2 === 0n
      ? `CPU ${cpu} has to leave ${code}.`
      : `CPU ${cpu} has to return from frame ${value}.`,
    "Try again when that code is not running, or with a longer --time.",
  ];
  if (index2 === abi.QUIESCE_RENDEZVOUS) {
    sentences.push("Before the guests (`boot --quiesce guest-entry`) stacks are empty.");
  }
  if (va2 !== 0n && limit === 0n) {
    sentences.push(
      "`boot --stack-walk frames` tells a return address from a word that is merely left over.",
    );
  }
  return sentences.join(" ");
}

export const CHECK: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_BUILD_ID,
    ({ name, found, expected }) => ({
      message:
        `The payload is for the build ${PRINTABLE.test(name) ? name : plainHex(found)}, ` +
        `not for the one that runs${expected.length === 0 ? "" : `, ${plainHex(expected)}`}.`,
      hint: `${OTHER_BUILD} \`info\` shows the running build-id.`,
    }),
  ],
  [
    abi.REASON_NO_BUILD_ID,
    () => ({
      message: "The running hypervisor has no build-id to compare with.",
      hint: "Link the hypervisor with --build-id, or name its version string in the payload.",
    }),
  ],
  [
    abi.REASON_SYM_MISSING,
    ({ value, other }, words) => ({
      message:
        (value === 0n ? "" : `The payload is for another build${other && `, ${other}`}. `) +
        `The symbol ${words.name("it needs")}${words.where} exists neither in the image nor in ` +
        "a payload.",
      hint: value === 0n ? "`symbols` lists what the image has." : `${OTHER_BUILD} See \`info\`.`,
    }),
  ],
  [
    abi.REASON_SYM_AMBIGUOUS,
    ({ candidates, candidateCount, value }, words) => ({
      message:
        `The symbol ${words.name("")}${words.where} means ${value || candidateCount} things: ` +
        `${candidates.map((va) => words.address(va)).join(", ")}` +
        `${(value || candidateCount) > candidates.length ? " …" : ""}.`,
      hint: "Qualify it as file.c#name, or give the address too.",
    }),
  ],
  [
    abi.REASON_ADDR_SYMBOL,
    ({ va, va2 }, words) => ({
      message:
        `${words.subject("an entry")}: the address ${hex(va)} is not that of ` +
        `${words.name("its symbol")}, ${hex(va2)}.`,
      hint: "Leave the address 0 to let the symbol decide, or correct it.",
    }),
  ],
  [
    abi.REASON_NOT_MAPPED,
    (_, words) => ({
      message: `There is no hypervisor memory${words.at}${words.where}.`,
      hint: OTHER_BUILD,
    }),
  ],
  [
    abi.REASON_WRONG_SECTION,
    ({ value }, words) => ({
      message:
        `The target${words.at} is ${REGIONS[Number(value)] ?? "other memory"}, which is not what ` +
        `the flags of its section say${words.where}.`,
      hint: "Set exactly the location flag (TEXT, RODATA, DATA) where the object really is.",
    }),
  ],
  [
    abi.REASON_INIT_TEXT,
    (_, words) => ({
      message: `The target ${words.name("")}${words.at} is in .init, which is gone after boot.`,
      hint: "Patch what still runs; boot-time code has already done its work.",
    }),
  ],
  [
    abi.REASON_WRITABLE_DATA,
    (_, words) => ({
      message:
        `The target ${words.name("")}${words.at} is writable data, which may have changed ` +
        "since boot.",
      hint: "Change it by code of the payload instead.",
    }),
  ],
  [
    abi.REASON_SIZE,
    ({ value, limit }, words) => ({
      message:
        `${words.subject("an entry")}: size ${value} does not agree with ` +
        `${words.name("the object")}, which has ${limit}${words.at}.`,
      hint: OTHER_BUILD,
    }),
  ],
  [
    abi.REASON_DOES_NOT_FIT,
    ({ value, limit }, words) => ({
      message: `${plural(value, "byte")} do not fit into ${limit}${words.at}${words.where}.`,
      hint: "Make the change smaller, or use a trampoline (RELOC_TEXT).",
    }),
  ],
  [
    abi.REASON_TOO_SMALL,
    ({ value, limit }, words) => ({
      message:
        `${words.name("The function")}${words.at} has room for ${plural(value, "byte")} with ` +
        `its padding; a trampoline needs ${limit || 5}.`,
      hint: "Patch its callers instead, or change it in place.",
    }),
  ],
  [
    abi.REASON_DISTANCE,
    ({ va, va2 }, words) => ({
      message:
        `From ${words.address(va)} to ${words.address(va2)} is more than 2 GB, too far for a ` +
        "jump.",
      hint: "Boot with a payload area nearer to the image (`--payload-base`).",
    }),
  ],
  [
    abi.REASON_RELOC_VALUE,
    ({ value }, words) => ({
      message:
        `${words.subject("a reloc")}: the value ${hex(value)} does not fit its size, shift and ` +
        `mask${words.at}.`,
      hint: "Give the howto the size, shift, mask and sign of the field.",
    }),
  ],
  [
    abi.REASON_OLD_CODE,
    (_, words) => ({
      message:
        `The memory${words.at} is not what 'old' ` +
        `says${words.bytes}${words.refusal.other === "" ? "" : ` (written by ${words.other()})`}.`,
      hint:
        "Something else changed it, or the payload is for another build: `map` shows what is " +
        "patched.",
    }),
  ],
  [
    abi.REASON_ALREADY_PATCHED,
    (_, words) => ({
      message: `The target ${words.name("")}${words.at} is already patched by ${words.other()}.`,
      hint: "Revert that one first, or carry its bytes in 'old' to stack on it.",
    }),
  ],
  [
    abi.REASON_OVERLAP,
    ({ va, va2 }, words) => ({
      message:
        `${words.subject("a patch")} overlaps another one of the same payload: ${hex(va)} and ` +
        `${hex(va2)}.`,
      hint: "Merge the two patches.",
    }),
  ],
  [
    abi.REASON_SELF_PATCH,
    (_, words) => ({
      message: `The target ${words.name("")}${words.at} is code that patching itself runs through.`,
      hint: "This code cannot be patched live.",
    }),
  ],
  [
    abi.REASON_DEPENDENCY,
    (_, words) => ({
      message:
        `The payload builds on ${words.other("a payload")} ${words.name("")}, which is not ` +
        "applied below it.",
      hint: "Apply the payloads in the order in which they were built.",
    }),
  ],
  [
    abi.REASON_CONTENT_NOT_EXECUTABLE,
    (_, words) => ({
      message:
        `The new code of ${words.subject("a patch").toLowerCase()} does not lie in an ` +
        `executable section${words.at}.`,
      hint: "Let `content` point to a function, or run `pack`, which moves it.",
    }),
  ],
  [
    abi.REASON_ENTERED_MIDWAY,
    ({ va, va2 }, words) => ({
      message:
        `A branch at ${words.address(va2)} enters the bytes to be replaced at ` +
        `${words.address(va)}.`,
      hint: "Replace the whole function, or patch another place.",
    }),
  ],
  [
    abi.REASON_PATCH_ADDRESS,
    ({ value, va, limit }, words) => ({
      message:
        `${words.subject("a patch")}: ${hex(va || value)} is neither an offset below ${limit} ` +
        "nor an address of the hypervisor.",
      hint: "Give patch.addr as an offset from section.symbol, or as the full address.",
    }),
  ],
  [
    abi.REASON_TIMEOUT,
    ({ cpu, value }, words) => ({
      message:
        "The CPUs did not come together in time" +
        (cpu === NO_CPU
          ? "."
          : `: CPU ${cpu}${words.at}${value > 1n ? ` and ${value - 1n} more` : ""} missing.`),
      hint: "Try again, with a longer --time.",
    }),
  ],
  [
    abi.REASON_ON_STACK,
    (refusal, words) => {
      const code = words.name("the code that goes out of use");
      return { message: onStack(refusal, words, code), hint: offStack(refusal, code) };
    },
  ],
  [
    abi.REASON_NO_VA,
    ({ value }) => ({
      message:
        "There is no room in the payload " +
        `area${value === 0n ? "" : ` for ${plural(value, "byte")}`}.`,
      hint: "Unload payloads that are not needed.",
    }),
  ],
  [
    abi.REASON_NOT_TOP,
    (_, words) => ({
      message: `${words.other()} was applied later on the same place${words.at}.`,
      hint: "Revert that one first.",
    }),
  ],
  [
    abi.REASON_FOREIGN_BYTES,
    (_, words) => ({
      message: `The memory${words.at} is no longer what was written there${words.bytes}.`,
      hint: "Something else wrote it; nothing was reverted. `map` shows what is patched.",
    }),
  ],
]);
