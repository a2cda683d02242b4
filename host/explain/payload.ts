// Sentences for what UPLOAD refuses besides the ELF file itself: sizes, ids, memory, the structures
// of the RFC, the signature (D2: UPLOAD).

import * as abi from "../abi.js";
import { hex, plural, type Sentence, type Sentences } from "./words.js";

const HEADER = "Compile the payload against include/xsplice.h of this version.";

const HASHES: Readonly<Record<string, string>> = {
  0: "MD4",
  1: "MD5",
  2: "SHA-1",
  4: "SHA-256",
  5: "SHA-384",
  6: "SHA-512",
  7: "SHA-224",
};

export const PAYLOAD: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_SIZE_ZERO,
    () => ({ message: "The payload is empty.", hint: "Give a file with something in it." }),
  ],
  [
    abi.REASON_SIZE_LIMIT,
    ({ value, limit }) => ({
      message:
        `The payload has ${plural(value, "byte")}; ${limit || abi.XSPLICE_PAYLOAD_MAX} is the ` +
        "most.",
      hint: "Strip debug sections (`strip -g`), or split the update into several payloads.",
    }),
  ],
  [
    abi.REASON_ID_EXISTS,
    (_, words) => ({
      message: `There is already a payload ${words.id}.`,
      hint: "Unload it first, or upload under another id.",
    }),
  ],
  [
    abi.REASON_PAYLOAD_EXISTS,
    (_, words) => ({
      message: `The same payload is already loaded as ${words.other("another id")}.`,
      hint: "Use that one, or unload it first.",
    }),
  ],
  [
    abi.REASON_NO_MEMORY,
    ({ value }) => ({
      message: `The machine has no memory${value === 0n ? "" : ` for ${plural(value, "byte")}`}.`,
      hint: "Unload payloads that are not needed.",
    }),
  ],
  [
    abi.REASON_PREEMPTED,
    () => ({
      message: "The operation takes longer than one hypercall; it goes on in the background.",
      hint: "Make the same call again.",
    }),
  ],
  [
    abi.REASON_FOREIGN_FORMAT,
    () => ({
      message: "The payload is in the format of today's Xen, not in the RFC's.",
      hint: "Upload it with `xen-livepatch`; the RFC's payloads have a section `.xsplice`.",
    }),
  ],
  [
    abi.REASON_ROOT_MISSING,
    () => ({
      message: "The payload has no section `.xsplice` with its root structure.",
      hint: "Mark struct xsplice with XSPLICE_ROOT, or run `pack` on the object.",
    }),
  ],
  [
    abi.REASON_ROOT_MANY,
    ({ value }) => ({
      message:
        `The payload has ${value === 0n ? "several roots" : `${value} roots`}; there must be ` +
        "one.",
      hint: "Keep one struct xsplice in the section `.xsplice`.",
    }),
  ],
  [
    abi.REASON_STRUCT_SIZE,
    ({ value, limit }, words) => ({
      message:
        `${words.subject("a structure")} has ${plural(value, "byte")} where ${limit} are ` +
        "needed.",
      hint: `${HEADER} Structures have their natural x86-64 layout, not packed.`,
    }),
  ],
  [
    abi.REASON_PAYLOAD_VERSION,
    ({ value }) => ({
      message: `The payload's version is ${value}; only 0 is known.`,
      hint: "Set xsplice.version to 0.",
    }),
  ],
  [
    abi.REASON_PAD_NONZERO,
    ({ value }, words) => ({
      message:
        `The padding of ${words.subject("a structure").replace(/^The /, "the ")} is not zero ` +
        `(byte ${value}).`,
      hint: "Initialise structures with designated initialisers and leave `pad` alone.",
    }),
  ],
  [
    abi.REASON_FLAG_RESERVED,
    ({ value }, words) => ({
      message:
        `${words.subject("a structure")} has flags ${hex(value)} with bits that are reserved ` +
        "or exclude each other.",
      hint:
        `${HEADER} A section needs exactly one of TEXT, RODATA and DATA; STRING may accompany ` +
        "RODATA, and TEXT_INLINE a TEXT whose patch is INLINE_TEXT.",
    }),
  ],
  [
    abi.REASON_ENUM,
    ({ value }, words) => ({
      message:
        `${words.subject("a structure")}: ${hex(value)} is not a value that is ` +
        `allowed${words.name("") && ` in ${words.name("")}`}.`,
      hint: HEADER,
    }),
  ],
  [
    abi.REASON_COUNT_MISMATCH,
    ({ value, limit }, words) => ({
      message: `${words.subject("'new'")} has counts that disagree: ${value} against ${limit}.`,
      hint: "Every patch of 'new' needs its reloc and its section, at the same index.",
    }),
  ],
  [
    abi.REASON_PAYLOAD_POINTER,
    ({ va, value, limit }, words) => ({
      message:
        `A pointer${words.where} leads outside the payload: ${hex(va || value)}` +
        `${limit === 0n ? "" : `, or ${plural(limit, "byte")} from there on do`}.`,
      hint:
        limit === 0n
          ? "Let structures point only at objects of the same file; the ELF relocations fill " +
            "them in."
          : "Give the size that the new code or data really has: `nm -S` shows it.",
    }),
  ],
  [
    abi.REASON_RELOC_OVERFLOW,
    ({ va, va2, value }, words) => ({
      message:
        `${words.subject("a relocation")} (type ${value}) does not fit its field` +
        `${va === 0n ? "" : `: from ${hex(va)}`}${va2 === 0n ? "" : ` to ${words.address(va2)}`}.`,
      hint: "Use 64-bit references, or a payload area nearer the image (`boot --payload-base`).",
    }),
  ],
  [
    abi.REASON_NAME_LENGTH,
    (_, words) => ({
      message: `A name${words.where} is empty, not terminated, or longer than it may be.`,
      hint:
        `Names have at most ${abi.XSPLICE_NAME_MAX} characters; symbol names end inside the ` +
        "payload.",
    }),
  ],
  [
    abi.REASON_SYMBOL_EXISTS,
    (_, words) => ({
      message:
        `The payload defines ${words.name("a symbol")}, which ` +
        `${words.refusal.other === "" ? "the image" : words.other()} has already${words.at}.`,
      hint: "Make it static, or give it a name of its own.",
    }),
  ],
  [
    abi.REASON_SIG_MISSING,
    () => ({
      message: "This machine requires signed payloads, and this one has no signature.",
      hint: "Sign it with `sign`, with a key whose certificate the machine was booted with.",
    }),
  ],
  [
    abi.REASON_SIG_FORMAT,
    (_, words) => ({
      message: `The signature trailer is malformed${words.name("") && `: ${words.name("")}`}.`,
      hint: "Sign the file anew with `sign`; nothing may follow the trailer.",
    }),
  ],
  [
    abi.REASON_SIG_ALGO,
    ({ value }) => ({
      message:
        "The signature's algorithm or hash is not accepted " +
        `(${HASHES[value.toString()] ?? value}).`,
      hint: "Sign with RSA and SHA-256, SHA-384 or SHA-512.",
    }),
  ],
  [
    abi.REASON_SIG_KEY_UNKNOWN,
    (_, words) => ({
      message:
        "The machine has no certificate for the key that signed the " +
        `payload${words.name("") && ` (signer ${words.name("")})`}.`,
      hint: "Boot with the certificate in --keys, or sign with a key that is there.",
    }),
  ],
  [
    abi.REASON_SIG_BAD,
    () => ({
      message: "The signature does not fit the payload: the file was changed after signing.",
      hint: "Get the file anew, or sign it again.",
    }),
  ],
]);
