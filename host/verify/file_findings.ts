// Findings from a payload's file and the hypervisor together: what it refers to, what nothing
// refers to, what Xen will pass over.

import type { ElfFile } from "../elf/reader.js";
import type { Machine } from "../machine.js";
import type { ImageSymbol } from "../symbols.js";
import { branchesTo, needed, ownData, unknownSections, unreached } from "./payload_file.js";
import { type Finding, hex, type SymbolRow } from "./row.js";

/** More of one kind are counted, not told. */
const MANY = 16;

/** The symbol that a name means to Xen: the plain name of a global one, `file#name` of a static
 *  one. */
function lookUp(machine: Machine, name: string): ImageSymbol | undefined {
  const found = machine.symbols.find(name);
  return name.includes("#") ? found[0] : (found.find(({ bind }) => bind !== "local") ?? found[0]);
}

/** What the payload refers to outside of itself. */
export function boundSymbols(machine: Machine, file: ElfFile): SymbolRow[] {
  return needed(file).map(({ name }) => {
    const symbol = lookUp(machine, name);
    return symbol ? { name, va: hex(symbol.va) } : { name };
  });
}

function isMapped(machine: Machine, va: bigint): boolean {
  return machine.inside((core) => core.invoke("hv_read", -1, va, 1) >= 0);
}

function initSymbols(machine: Machine, file: ElfFile): Finding[] {
  return needed(file).flatMap(({ name, used }) => {
    const symbol = lookUp(machine, name);
    if (!symbol || isMapped(machine, symbol.va)) return [];
    return [
      {
        id: "symbol-in-init",
        severity: used ? ("error" as const) : ("note" as const),
        place: name,
        message: used
          ? `${name} lies in memory that is freed after boot: whatever uses it faults.`
          : `${name} lies in memory that is freed after boot; nothing in the payload uses it.`,
        hint: "Do not refer to __init code or data: copy what is needed into the payload.",
      },
    ];
  });
}

function dataBranches(machine: Machine, file: ElfFile): Finding[] {
  const { textStart, textEnd } = machine.info();
  return branchesTo(file).flatMap(({ name, place }) => {
    const symbol = lookUp(machine, name);
    if (!symbol || (symbol.va >= textStart && symbol.va < textEnd)) return [];
    if (!isMapped(machine, symbol.va)) return []; // told as symbol-in-init
    return [
      {
        id: "branch-to-data",
        severity: "error" as const,
        place,
        message: `The code calls or jumps to ${name}, which is data: it faults when it runs.`,
        hint: "Look at how the symbol is declared in the payload's source.",
      },
    ];
  });
}

function duplicatedData(machine: Machine, file: ElfFile): Finding[] {
  return ownData(file).flatMap(({ name }) => {
    const plain = name.replace(/\.\d+$/, "");
    const [other] = machine.symbols.find(plain).filter(({ type }) => type === "object");
    if (!other) return [];
    return [
      {
        id: "data-duplicated",
        severity: "warning" as const,
        place: name,
        message:
          `The payload has a copy of the variable ${plain} of its own; the rest of Xen ` +
          `goes on using the one at ${hex(other.va)}.`,
        hint: `Refer to it as an undefined symbol: ${other.file ? `${other.file}#` : ""}${plain}.`,
      },
    ];
  });
}

function changedSections(file: ElfFile): Finding[] {
  const unknown = unknownSections(file).map((name) => ({
    id: "section-unknown",
    severity: "warning" as const,
    place: name,
    message: `Xen 4.17 does not know the section ${name}: it is loaded and never looked at.`,
    hint: "Check the spelling, and which version of Xen the payload's headers are from.",
  }));
  const vain = unreached(file).map(({ name }) => ({
    id: "new-never-reached",
    severity: "warning" as const,
    place: name,
    message: `Nothing in the payload refers to its function ${name}: it never runs.`,
    hint: "Add the entry that patches the old function, or leave the new one out.",
  }));
  return [...unknown, ...vain];
}

/** At most MANY of each kind. */
export function limit(findings: readonly Finding[]): Finding[] {
  const seen = new Map<string, number>();
  const kept = findings.filter(({ id }) => {
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    return count <= MANY;
  });
  return kept.map((finding) => {
    const count = seen.get(finding.id) ?? 0;
    const last = count > MANY && kept.filter(({ id }) => id === finding.id).at(-1) === finding;
    return last
      ? { ...finding, message: `${finding.message} (and ${count - MANY} more of this kind)` }
      : finding;
  });
}

export function fileFindings(machine: Machine, file: ElfFile): Finding[] {
  return [
    ...initSymbols(machine, file),
    ...dataBranches(machine, file),
    ...duplicatedData(machine, file),
    ...changedSections(file),
  ];
}
