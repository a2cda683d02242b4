// Sentences for ELF files that are not accepted: payloads at UPLOAD, images at boot (D2: elf-*).

import * as abi from "../abi.js";
import { hex, type Sentence, type Sentences } from "./words.js";

const REBUILD = "Make the file again with `gcc -c`, or with `pack`; it seems to be damaged.";

/** `what` names the thing that is wrong; place, name and numbers follow from the refusal. */
function broken(what: string, hint = REBUILD): Sentence {
  return ({ name, value, limit }, words) => ({
    message:
      `${what}${words.where}${name === "" ? "" : ` ('${name}')`}` +
      `${value === 0n && limit === 0n ? "" : `: ${words.numbers}`}.`,
    hint,
  });
}

/** What begins at `value` does not end within the `limit` bytes of the file; of the file's own
 *  header the two are the bytes that there are and those that there must be. */
function beyond(what: string, hint = REBUILD): Sentence {
  return ({ name, value, limit, place }, words) => ({
    message:
      `${what}${words.where}${name === "" ? "" : ` ('${name}')`}: ` +
      (place === abi.PLACE_ELF_HEADER && value < limit
        ? `the file has ${hex(value)} bytes, ${hex(limit)} are needed.`
        : `it begins at ${hex(value)}, the file has ${hex(limit)} bytes.`),
    hint,
  });
}

const TYPES: Readonly<Record<string, string>> = {
  0: "none",
  1: "a relocatable object",
  2: "an executable",
  3: "a shared object",
  4: "a core dump",
};

export const ELF: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_ELF_TRUNCATED,
    beyond("The file ends before what its own headers announce", "Copy the file again."),
  ],
  [
    abi.REASON_ELF_MAGIC,
    () => ({
      message: "The file is not ELF: it does not begin with 7f 45 4c 46.",
      hint: "Give the object file itself, not an archive or a source.",
    }),
  ],
  [abi.REASON_ELF_HEADER, broken("The ELF header is inconsistent")],
  [abi.REASON_ELF_SECTION_TABLE, broken("The section header table is inconsistent")],
  [abi.REASON_ELF_SECTION_BOUNDS, beyond("A section does not lie inside the file")],
  [abi.REASON_ELF_SECTION_ALIGN, broken("A section's alignment is not usable")],
  [abi.REASON_ELF_SECTION_NAME, broken("A section's name lies outside the name table")],
  [abi.REASON_ELF_STRING_TABLE, broken("A string table is missing or not terminated")],
  [
    abi.REASON_ELF_SYMBOL_TABLE,
    broken("There is not exactly one usable symbol table", "Do not strip the file."),
  ],
  [abi.REASON_ELF_SYMBOL, broken("A symbol is inconsistent")],
  [abi.REASON_ELF_RELOC_TABLE, broken("A relocation table is inconsistent")],
  [abi.REASON_ELF_RELOC, broken("A relocation points outside what it may touch")],
  [abi.REASON_ELF_SEGMENT, broken("A segment does not lie inside the file or the address space")],
  [
    abi.REASON_ELF_UNSUPPORTED_CLASS,
    () => ({
      message: "The ELF file is not 64-bit little-endian.",
      hint: "Compile with `gcc -m64` for x86-64.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_MACHINE,
    ({ value }) => ({
      message: `The ELF file is for machine ${value}, not for x86-64 (62).`,
      hint: "Compile for x86-64.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_TYPE,
    ({ value, step }) => ({
      message:
        `The ELF file is ${TYPES[value.toString()] ?? `of type ${value}`}; ` +
        `${step === abi.STEP_BOOT ? "an executable" : "a relocatable object"} is needed.`,
      hint: step === abi.STEP_BOOT ? "Link the image." : "Compile with `gcc -c`; do not link.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_VERSION,
    broken("The ELF version or OS ABI is not known", "Compile for a bare x86-64 ELF target."),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_RELOC,
    ({ value }, words) => ({
      message: `${words.subject("a relocation")} has type ${value}, which is not supported.`,
      hint:
        "Compile with -fpie -fvisibility=hidden and declare image symbols XSPLICE_IMAGE: no " +
        "GOT.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_WX,
    (_, words) => ({
      message: `${words.subject("a section")} ${words.name("")} is both writable and executable.`,
      hint: "Put code and data into separate sections.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_SYMBOL,
    ({ value }, words) => ({
      message:
        `${words.subject("a symbol")} ${words.name("")} is of a kind that is not supported ` +
        `(${hex(value)}).`,
      hint: "Compile with -fno-common; thread-local and indirect symbols cannot be used.",
    }),
  ],
  [
    abi.REASON_ELF_UNSUPPORTED_SECTION,
    ({ value }, words) => ({
      message:
        `${words.subject("a section")} ${words.name("")} is of a kind that is not supported ` +
        `(${hex(value)}).`,
      hint: "Remove it with `objcopy --remove-section`, or use `pack`.",
    }),
  ],
]);
