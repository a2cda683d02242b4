// What a piece of an object file refers to: through its relocations, and, in code, through
// branches and rip-relative operands that the assembler resolved itself because both ends were in
// one section. The latter stop being right as soon as the two are moved apart, so they become
// relocations again. GOT loads are relaxed as a linker does (x86-64 psABI, "Optimize GOTPCRELX
// relocations"): a payload has no GOT. Spec: x86-64 psABI 4.4.1, table 4.10.

import { Decoder, type Instruction, OpKind } from "iced-x86";
import { EINVAL, EOPNOTSUPP } from "../../assembly/abi.js";
import { type Atom, type Atoms, atomName } from "./atoms.js";
import * as elf from "./constants.js";
import { FileError } from "./error.js";
import type { ElfFile, ElfRela, ElfSymbol } from "./reader.js";

export interface Reference {
  /** Of the field, in the section of the atom that refers. */
  readonly offset: number;
  readonly type: number;
  /** Against `symbol` if there is one, else against the start of `target`'s section. */
  readonly addend: bigint;
  readonly symbol: ElfSymbol | undefined;
  /** The piece referred to; undefined for what the hypervisor provides. */
  readonly target: Atom | undefined;
  /** Where in the target's section, as far as the file tells. */
  readonly at: bigint;
  /** Bytes that a relaxed GOT load needs changed, from their offset in the section. */
  readonly edit: { readonly offset: number; readonly bytes: readonly number[] } | undefined;
}

const isCode = (atom: Atom): boolean => (atom.section.flags & elf.SHF_EXECINSTR) !== 0;

const PC_RELATIVE = new Set([elf.R_PC32, elf.R_PLT32, elf.R_PC64]);

/** Calls `visit` for every instruction of a piece of code; rip 0 is the start of the section. */
function decode(atom: Atom, visit: (instruction: Instruction, field: number) => void): void {
  if (!isCode(atom)) return;
  const decoder = new Decoder(64, atom.section.data.subarray(atom.start, atom.end), 0);
  decoder.ip = BigInt(atom.start);
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const offsets = decoder.getConstantOffsets(instruction);
    const at = Number(instruction.ip);
    if (instruction.isInvalid) {
      instruction.free();
      continue;
    }
    if (offsets.hasDisplacement) visit(instruction, at + offsets.displacementOffset);
    else if (offsets.hasImmediate) visit(instruction, at + offsets.immediateOffset);
    else visit(instruction, -1);
    offsets.free();
    instruction.free();
  }
  decoder.free();
}

const isNearBranch = (instruction: Instruction): boolean =>
  instruction.opCount > 0 && instruction.opKind(0) === OpKind.NearBranch64;

/** Bytes from a displacement field to the end of its instruction: what rip-relative counts from. */
function fieldTails(atom: Atom): Map<number, number> {
  const tails = new Map<number, number>();
  decode(atom, (instruction, field) => {
    if (field >= 0) tails.set(field, Number(instruction.nextIP) - field);
  });
  return tails;
}

/** Branches and operands that leave the piece without a relocation. */
function unrelocated(atom: Atom, atoms: Atoms, relocated: ReadonlySet<number>): Reference[] {
  const found: Reference[] = [];
  decode(atom, (instruction, field) => {
    const branch = isNearBranch(instruction);
    const relative = instruction.isIpRelMemoryOperand;
    if ((!branch && !relative) || relocated.has(field)) return;
    const to = branch ? instruction.nearBranchTarget : instruction.ipRelMemoryAddress;
    if (to >= BigInt(atom.start) && to < BigInt(atom.end)) return;
    const target = atoms.at(atom.section.index, Number(BigInt.asIntN(53, to)));
    const where = `${atomName(atom)}+0x${(Number(instruction.ip) - atom.start).toString(16)}`;
    if (!target)
      throw new FileError(EINVAL, "elf-reloc", `${where} branches out of ${atom.section.name}`);
    const tail = Number(instruction.nextIP) - field;
    if (branch && tail !== 4)
      throw new FileError(
        EOPNOTSUPP,
        "elf-unsupported-reloc",
        `${where} reaches ${atomName(target)} by a short jump: compile with -ffunction-sections`,
      );
    const addend = to - BigInt(tail);
    found.push({
      offset: field,
      type: elf.R_PC32,
      addend,
      symbol: undefined,
      target,
      at: to,
      edit: undefined,
    });
  });
  return found;
}

/** A GOT load made direct: mov becomes lea, an indirect call or jump a direct one. */
function relaxGot(atom: Atom, rela: ElfRela, symbol: ElfSymbol): [ElfRela, Reference["edit"]] {
  const [before, opcode] = [atom.section.data[rela.offset - 2], atom.section.data[rela.offset - 1]];
  const direct = { ...rela, type: elf.R_PC32 };
  if (before === 0x8b && rela.type !== elf.R_GOTPCREL)
    return [direct, { offset: rela.offset - 2, bytes: [0x8d] }];
  if (before === 0xff && opcode === 0x15)
    return [direct, { offset: rela.offset - 2, bytes: [0x67, 0xe8] }];
  if (before === 0xff && opcode === 0x25)
    return [
      { ...direct, offset: rela.offset - 1 },
      { offset: rela.offset - 2, bytes: [0xe9, 0, 0, 0, 0, 0x90] },
    ];
  const name = symbol.name || "a local symbol";
  throw new FileError(
    EOPNOTSUPP,
    "elf-unsupported-reloc",
    `${atomName(atom)} takes the address of ${name} through a GOT (${elf.relocName(rela.type)}), ` +
      "which a payload does not have: declare it hidden",
  );
}

const GOT = new Set([elf.R_GOTPCREL, elf.R_GOTPCRELX, elf.R_REX_GOTPCRELX]);

export class References {
  private readonly cache = new Map<Atom, readonly Reference[]>();

  constructor(
    private readonly file: ElfFile,
    private readonly atoms: Atoms,
  ) {}

  /** Everything that a piece refers to, in the order of the fields. */
  from(atom: Atom): readonly Reference[] {
    const known = this.cache.get(atom);
    if (known) return known;
    const relas = (this.file.relas.get(atom.section.index) ?? []).filter(
      ({ offset, type }) => offset >= atom.start && offset < atom.end && type !== elf.R_NONE,
    );
    const tails = fieldTails(atom);
    const found = relas.map((rela) => this.resolve(atom, rela, tails.get(rela.offset) ?? 4));
    found.push(...unrelocated(atom, this.atoms, new Set(relas.map(({ offset }) => offset))));
    found.sort((a, b) => a.offset - b.offset);
    this.cache.set(atom, found);
    return found;
  }

  /** The 8-byte pointer at an offset of a piece, if a relocation fills it in. */
  pointer(atom: Atom, offset: number): Reference | undefined {
    return this.from(atom).find((ref) => ref.offset === offset && ref.type === elf.R_64);
  }

  private resolve(atom: Atom, original: ElfRela, tail: number): Reference {
    const symbol = this.file.symbols[original.symbol] as ElfSymbol;
    const [rela, edit] = GOT.has(original.type)
      ? relaxGot(atom, original, symbol)
      : [original, undefined];
    const { offset, type, addend } = rela;
    if (!elf.LOADABLE_RELOCS.has(type))
      throw new FileError(
        EOPNOTSUPP,
        "elf-unsupported-reloc",
        `${atomName(atom)}+0x${(offset - atom.start).toString(16)}: ${elf.relocName(type)} ` +
          `against ${symbol.name || "a section"} cannot be loaded`,
      );
    const quirk = PC_RELATIVE.has(type) && isCode(atom) ? BigInt(tail) : 0n;
    const at = symbol.value + addend + quirk;
    if (symbol.type !== elf.STT_SECTION) {
      const target = symbol.index === 0 ? undefined : this.atoms.ofSymbol(symbol);
      return { offset, type, addend, symbol, target, at, edit };
    }
    const target = this.atoms.at(symbol.shndx, Number(at));
    if (!target)
      throw new FileError(EINVAL, "elf-reloc", `${atomName(atom)} points outside ${symbol.name}`);
    return { offset, type, addend: addend + symbol.value, symbol: undefined, target, at, edit };
  }
}
