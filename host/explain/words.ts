// Words that the sentences of explain/ share: addresses with their symbols, places inside a
// payload, bytes, numbers.

import * as abi from "../abi.js";
import type { Refusal } from "../refusal.js";

/** What an explanation may look up; without it addresses stay bare. */
export interface Context {
  /** `do_xen_version+0x10` of an address, or undefined. */
  symbolize?(va: bigint): string | undefined;
}

/** What happened, and what the reader can do about it. */
export interface Explanation {
  readonly message: string;
  readonly hint: string;
}

export type Sentence = (refusal: Refusal, words: Words) => Explanation;

export type Sentences = ReadonlyMap<number, Sentence>;

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** `48 c7 c0`, as a disassembler prints it. */
export function hexBytes(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** `1 byte`, `5 bytes`. */
export function plural(count: bigint | number, noun: string): string {
  return `${count} ${noun}${BigInt(count) === 1n ? "" : "s"}`;
}

/** Hooks of today's payloads by their number in the core; the last two are arrays. */
export const HOOKS: readonly string[] = [
  "preapply",
  "apply",
  "postapply",
  "prerevert",
  "revert",
  "postrevert",
  "load",
  "unload",
];

function hookWords(index: number, entry: number): string {
  const name = HOOKS[index] ?? `unknown (${index})`;
  return index < 6 ? `the ${name} hook` : `${name} hook ${entry}`;
}

const PLACES = new Map<number, (index: number, index2: number) => string>([
  [abi.PLACE_ELF_HEADER, () => "the ELF header"],
  [abi.PLACE_ELF_SECTION, (index) => `ELF section ${index}`],
  [abi.PLACE_ELF_SYMBOL, (index) => `ELF symbol ${index}`],
  [abi.PLACE_ELF_RELA, (index, entry) => `relocation ${entry} of ELF section ${index}`],
  [abi.PLACE_ELF_SEGMENT, (index) => `program header ${index}`],
  [abi.PLACE_XSPLICE, () => "struct xsplice"],
  [abi.PLACE_XSPLICE_CODE, (index) => `struct xsplice_code '${index === 0 ? "new" : "old"}'`],
  [abi.PLACE_XSPLICE_RELOC, (index) => `reloc ${index} of 'new'`],
  [abi.PLACE_XSPLICE_SECTION, (index) => `section ${index}`],
  [abi.PLACE_XSPLICE_PATCH, (index) => `patch ${index}`],
  [abi.PLACE_XSPLICE_SYMBOL, (index) => `the symbol of entry ${index}`],
  [abi.PLACE_XSPLICE_HOWTO, (index) => `the howto of reloc ${index}`],
  [abi.PLACE_SIGNATURE, () => "the signature trailer"],
  [abi.PLACE_SYSCTL, (index) => `byte ${index} of struct xen_sysctl`],
  [abi.PLACE_LP_FUNC, (index) => `entry ${index} of .livepatch.funcs`],
  [abi.PLACE_LP_HOOK, hookWords],
  [abi.PLACE_LP_ALT, (index) => `entry ${index} of .altinstructions`],
  [abi.PLACE_LP_NOTE, (index) => `the note in ELF section ${index}`],
  [abi.PLACE_OLD_PATCH, (index) => `entry ${index} of 'old'`],
]);

const PARTS = new Map<number, (index: number) => string>([
  [abi.PART_HEADER, () => "the header"],
  [abi.PART_FRAMES, (index) => `page frame ${index}`],
  [abi.PART_PAGE_TABLES, (index) => tables(index)],
  [abi.PART_SYMBOLS, (index) => `symbol ${index}`],
  [abi.PART_NAMES, () => "the index of names"],
  [abi.PART_REGIONS, (index) => `region ${index}`],
  [abi.PART_SITES, () => "the table of alternatives"],
  [abi.PART_DOMAINS, (index) => `domain ${index}`],
  [abi.PART_CPUS, (index) => `CPU ${index}`],
  [abi.PART_STACKS, (index) => `the stack of CPU ${index}`],
  [abi.PART_TASKLETS, () => "the deferred work"],
  [abi.PART_KEYS, () => "the key store"],
  [abi.PART_QUESTIONS, () => "the questions to the firmware"],
  [abi.PART_PAYLOADS, (index) => `payload slot ${index}`],
  [abi.PART_PAYLOAD_LIST, () => "the list of payloads"],
  [abi.PART_SPLICES, (index) => `the places of payload slot ${index}`],
  [abi.PART_WORK, (index) => `the work of payload slot ${index}`],
  [abi.PART_ENTRIES, () => "the machine's own entries"],
]);

const tables = (index: number): string =>
  `the page tables of ${index === 0 ? "the hypervisor" : `domain ${index - 1}`}`;

/** A part of a machine: `CPU 3`. */
function partWords(part: number, index: number): string {
  return PARTS.get(part)?.(index) ?? `part ${part}`;
}

/** The place as words: `relocation 3 of ELF section 7`; empty when the refusal has none. */
export function placeWords(refusal: Refusal): string {
  if (refusal.place === abi.PLACE_FILE) return refusal.name;
  if (refusal.place === abi.PLACE_MACHINE) return partWords(refusal.index, refusal.index2);
  const words = PLACES.get(refusal.place)?.(refusal.index, refusal.index2) ?? "";
  const array =
    refusal.place === abi.PLACE_XSPLICE_SECTION || refusal.place === abi.PLACE_XSPLICE_PATCH;
  if (!array) return words;
  // UPLOAD tells with `index2` which of the two xsplice_code it is; afterwards it is `new`.
  const old = refusal.step === abi.STEP_UPLOAD && refusal.index2 === 1;
  return `${words} of '${old ? "old" : "new"}'`;
}

/** Phrases about one refusal. */
export class Words {
  constructor(
    readonly refusal: Refusal,
    readonly context: Context,
  ) {}

  /** `0xffff82d080112f9e (do_xen_version)`. */
  address(va: bigint): string {
    const symbol = this.context.symbolize?.(va);
    return symbol === undefined ? hex(va) : `${hex(va)} (${symbol})`;
  }

  /** ` at 0x…`, or nothing when the refusal names no address. */
  get at(): string {
    return this.refusal.va === 0n ? "" : ` at ${this.address(this.refusal.va)}`;
  }

  /** ` in patch 2 of 'new'`, or nothing. */
  get where(): string {
    const place = placeWords(this.refusal);
    return place === "" ? "" : ` in ${place}`;
  }

  /** The place as the subject of a sentence. */
  subject(fallback: string): string {
    const place = placeWords(this.refusal) || fallback;
    return place.charAt(0).toUpperCase() + place.slice(1);
  }

  /** `'do_xen_version'`, or the fallback when the refusal carries no name. */
  name(fallback: string): string {
    return this.refusal.name === "" ? fallback : `'${this.refusal.name}'`;
  }

  /** `payload 'foo'`, or the fallback. */
  other(fallback = "another payload"): string {
    return this.refusal.other === "" ? fallback : `payload '${this.refusal.other}'`;
  }

  get id(): string {
    return this.refusal.id === "" ? "the payload" : `'${this.refusal.id}'`;
  }

  /** `0x10, allowed 0x8`: what was found, and the limit where there is one. */
  get numbers(): string {
    const { value, limit } = this.refusal;
    return limit === 0n ? hex(value) : `${hex(value)}, allowed ${hex(limit)}`;
  }

  /** `: found 48 c7 c0, expected 48 89 e0`, or nothing when no bytes were recorded. */
  get bytes(): string {
    const { found, expected } = this.refusal;
    if (found.length === 0) return "";
    return `: found ${hexBytes(found)}, expected ${hexBytes(expected)}`;
  }
}
