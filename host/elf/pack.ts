// `pack`: a plain object file becomes a payload. The RFC's own test file has its structures
// wherever the compiler put them, beside a main() and a call of puts(); a payload has its root in
// `.xsplice` and nothing that the hypervisor could not load. So: find the root, keep what it
// reaches through pointers and references, move each kept piece to the section where it belongs,
// drop the rest, and point the relocations at the new places. Spec: RFC "Design of payload
// format"; requirements K7, R64.

import { EINVAL, EOPNOTSUPP, XSPLICE_PAYLOAD_MAX } from "../../assembly/abi.js";
import { type Atom, Atoms, atomName, isExtable } from "./atoms.js";
import * as elf from "./constants.js";
import { FileError } from "./error.js";
import { layOut } from "./layout.js";
import { type ElfFile, readElf } from "./reader.js";
import { References } from "./references.js";
import { StructureWalk } from "./structures.js";
import { writeElf } from "./writer.js";

export interface Packed {
  readonly bytes: Uint8Array;
  /** The payload's own name (xsplice.name). */
  readonly name: string;
  readonly patches: number;
  readonly kept: readonly string[];
  readonly dropped: readonly string[];
}

const PAGE = 4096;

/** Sections that describe code in the hypervisor's own tables; `pack` cannot split these. */
const DESCRIBES_CODE = /^\.(altinstructions|alt_call_sites|bug_frames|livepatch)/;

function refuseOrphans(file: ElfFile, atoms: Atoms, refs: References, kept: Set<Atom>): void {
  for (const section of file.sections.filter(({ name }) => DESCRIBES_CODE.test(name))) {
    for (const atom of atoms.of(section)) {
      const about = refs.from(atom).find(({ target }) => target !== undefined && kept.has(target));
      if (!about?.target) continue;
      throw new FileError(
        EOPNOTSUPP,
        "elf-unsupported-section",
        `${section.name} describes ${atomName(about.target)}, and cannot be taken along`,
      );
    }
  }
}

/** What the root reaches; an exception table entry is kept with the code that it covers. */
function reach(file: ElfFile, atoms: Atoms, refs: References, from: Iterable<Atom>): Set<Atom> {
  const kept = new Set<Atom>();
  const queue = [...from];
  const entries = file.sections.filter(isExtable).flatMap((section) => atoms.of(section));
  for (;;) {
    for (let atom = queue.pop(); atom; atom = queue.pop()) {
      if (kept.has(atom)) continue;
      kept.add(atom);
      for (const { target } of refs.from(atom)) if (target) queue.push(target);
    }
    const covering = entries.filter((entry) => {
      const covered = refs.from(entry)[0]?.target;
      return !kept.has(entry) && covered !== undefined && kept.has(covered);
    });
    if (covering.length === 0) break;
    queue.push(...covering);
  }
  refuseOrphans(file, atoms, refs, kept);
  return kept;
}

function refuseForeign(atom: Atom): void {
  const { flags, name } = atom.section;
  if ((flags & elf.SHF_ALLOC) === 0)
    throw new FileError(
      EINVAL,
      "payload-pointer",
      `${atomName(atom)} in ${name} is never in memory`,
    );
  if ((flags & elf.SHF_TLS) !== 0)
    throw new FileError(EOPNOTSUPP, "elf-unsupported-section", `${atomName(atom)} is thread-local`);
}

function refuseExtreme({ sections }: ElfFile): void {
  for (const { name, flags, align, size } of sections) {
    if ((flags & elf.SHF_ALLOC) === 0) continue;
    if (align > PAGE || (align & (align - 1)) !== 0)
      throw new FileError(EINVAL, "elf-section-align", `${name} is to be aligned to ${align}`);
    if (size > XSPLICE_PAYLOAD_MAX)
      throw new FileError(
        EINVAL,
        "size-limit",
        `${name} has ${size} bytes, too many for a payload`,
      );
  }
}

/** Packs an object file. The result depends on its bytes alone. */
export function pack(bytes: Uint8Array): Packed {
  const file = readElf(bytes);
  if (file.type !== elf.ET_REL)
    throw new FileError(
      EOPNOTSUPP,
      "elf-unsupported-type",
      "not a relocatable object: pack what `gcc -c` makes",
    );
  refuseExtreme(file);
  const atoms = new Atoms(file);
  const refs = new References(file, atoms);
  const structures = new StructureWalk(file, atoms, refs).walk();
  const reached = reach(file, atoms, refs, [structures.root, ...structures.roles.keys()]);
  for (const atom of reached) refuseForeign(atom);
  const kept = atoms.all().filter((atom) => reached.has(atom));
  const { sections, symbols } = layOut(kept, structures, refs);
  const rest = atoms.all().filter((atom) => !reached.has(atom) && atom.symbols.length > 0);
  return {
    bytes: writeElf(sections, symbols),
    name: structures.name,
    patches: structures.patches,
    kept: kept.filter(({ symbols: own }) => own.length > 0).map(atomName),
    dropped: rest.map(atomName),
  };
}
