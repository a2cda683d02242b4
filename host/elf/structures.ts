// Finds the root of an object's xSplice structures and walks what hangs from it, by type: which
// piece of the file is the root, which hold relocs, sections, patches, symbols and howtos, and
// which are code that a trampoline will jump to. Spec: RFC "Design of payload format";
// requirements K1 (sizes as gcc lays them out), K7 (how a root is recognised when it lies in no
// .xsplice section).

import * as abi from "../../assembly/abi.js";
import { type Atom, type Atoms, atomName } from "./atoms.js";
import { SHF_EXECINSTR } from "./constants.js";
import { FileError } from "./error.js";
import type { ElfFile } from "./reader.js";
import type { Reference, References } from "./references.js";

/** What a piece is for; it decides the section it goes to. */
export type Role =
  | "root"
  | "code"
  | "relocs"
  | "sections"
  | "patches"
  | "symbols"
  | "howtos"
  | "text";

export interface Structures {
  readonly root: Atom;
  readonly name: string;
  readonly patches: number;
  readonly roles: ReadonlyMap<Atom, Role>;
  /** Bytes that a patch says its code has, where that is more than the code itself. */
  readonly rooms: ReadonlyMap<Atom, number>;
}

/** A place in a piece, as an offset in its section. */
interface Place {
  readonly atom: Atom;
  readonly at: number;
}

const CODE_ARRAYS = [
  { field: "relocs", pointer: 0, count: 8, size: abi.XSPLICE_RELOC_SIZE },
  { field: "sections", pointer: 16, count: 24, size: abi.XSPLICE_SECTION_SIZE },
  { field: "patches", pointer: 32, count: 40, size: abi.XSPLICE_PATCH_SIZE },
] as const;

function u32(atom: Atom, offset: number): number {
  const { data } = atom.section;
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(offset, true);
}

function placeOf(ref: Reference | undefined): Place | undefined {
  const atom = ref?.target;
  if (!atom || ref.at < BigInt(atom.start) || ref.at > BigInt(atom.end)) return undefined;
  return { atom, at: Number(ref.at) };
}

export class StructureWalk {
  private readonly roles = new Map<Atom, Role>();
  private readonly rooms = new Map<Atom, number>();
  private patches = 0;

  constructor(
    private readonly file: ElfFile,
    private readonly atoms: Atoms,
    private readonly refs: References,
  ) {}

  walk(): Structures {
    const root = this.findRoot();
    this.role(root, "root");
    this.code(this.follow(root, root.start + 32, "the root's `new`"), true);
    const old = placeOf(this.refs.pointer(root, root.start + 40));
    if (old) this.code(old, false);
    return {
      root,
      name: this.nameOf(root),
      patches: this.patches,
      roles: this.roles,
      rooms: this.rooms,
    };
  }

  private findRoot(): Atom {
    const section = this.file.sections.find(({ name }) => name === ".xsplice");
    if (section) {
      const atoms = this.atoms.of(section);
      const [atom] = atoms;
      if (!atom || atoms.length !== 1 || section.size !== abi.XSPLICE_SIZE)
        throw new FileError(
          abi.EINVAL,
          "struct-size",
          `.xsplice has ${section.size} bytes; one struct xsplice has ${abi.XSPLICE_SIZE}`,
        );
      return atom;
    }
    const sized = this.atoms
      .all()
      .filter(({ start, end, symbols }) => end - start === abi.XSPLICE_SIZE && symbols.length > 0);
    const roots = sized.filter((atom) => this.isRoot(atom));
    if (roots.length === 1) return roots[0] as Atom;
    const names = (atoms: readonly Atom[]): string => atoms.map(atomName).join(", ");
    if (roots.length > 1)
      throw new FileError(
        abi.EINVAL,
        "root-many",
        `several symbols can be the root: ${names(roots)}`,
      );
    const near = sized.length > 0 ? `; of this size, but no root: ${names(sized)}` : "";
    throw new FileError(
      abi.EINVAL,
      "root-missing",
      `no symbol of ${abi.XSPLICE_SIZE} bytes reads as struct xsplice${near}`,
    );
  }

  /** Version 0, a name, `new` that reads as struct xsplice_code, zero pads. */
  private isRoot(atom: Atom): boolean {
    const { start, section } = atom;
    const allowed = new Set([8, 16, 32, 40]);
    const places = this.refs.from(atom).map(({ offset }) => offset - start);
    if (section.data.length < atom.end || places.some((offset) => !allowed.has(offset)))
      return false;
    if (u32(atom, start) !== 0 || !places.includes(8)) return false;
    if (section.data.subarray(start + 48, start + 72).some((byte) => byte !== 0)) return false;
    const code = placeOf(this.refs.pointer(atom, start + 32));
    return code !== undefined && this.isCode(code);
  }

  private isCode({ atom, at }: Place): boolean {
    if (at + abi.XSPLICE_CODE_SIZE > Math.min(atom.end, atom.section.data.length)) return false;
    const pad = atom.section.data.subarray(at + 44, at + abi.XSPLICE_CODE_SIZE);
    return (
      pad.every((byte) => byte === 0) &&
      CODE_ARRAYS.every(({ pointer, count }) => {
        const present = this.refs.pointer(atom, at + pointer) !== undefined;
        return u32(atom, at + count) === 0 || present;
      })
    );
  }

  private nameOf(root: Atom): string {
    const place = placeOf(this.refs.pointer(root, root.start + 8));
    if (!place) return "";
    const { data } = place.atom.section;
    const end = data.indexOf(0, place.at);
    return Buffer.from(data.subarray(place.at, end < 0 ? data.length : end)).toString("utf8");
  }

  private follow(atom: Atom, offset: number, what: string): Place {
    const place = placeOf(this.refs.pointer(atom, offset));
    if (place) return place;
    throw new FileError(abi.EFAULT, "payload-pointer", `${what} points at nothing in this file`);
  }

  private role(atom: Atom, role: Role): void {
    const known = this.roles.get(atom);
    if (known !== undefined && known !== role && (known === "text" || role === "text"))
      throw new FileError(
        abi.EINVAL,
        "content-not-executable",
        `${atomName(atom)} is both code to run and the ${known === "text" ? role : known}`,
      );
    if (known === undefined) this.roles.set(atom, role);
  }

  /** Checks that `count` structures of `size` fit, and returns where each begins. */
  private array(place: Place, count: number, size: number, what: string): number[] {
    const { atom, at } = place;
    if (at + count * size > Math.min(atom.end, atom.section.data.length))
      throw new FileError(
        abi.EINVAL,
        "struct-size",
        `${what}: ${count} of ${size} bytes do not fit in ${atomName(atom)}`,
      );
    return Array.from({ length: count }, (_, index) => at + index * size);
  }

  private code(place: Place, isNew: boolean): void {
    const { atom, at } = place;
    const which = isNew ? "new" : "old";
    this.array(place, 1, abi.XSPLICE_CODE_SIZE, which);
    this.role(atom, "code");
    for (const { field, pointer, count, size } of CODE_ARRAYS) {
      const number = u32(atom, at + count);
      // The RFC ignores the relocs of `old` (R26); what a pointer keeps alive stays all the same.
      if (number === 0 || (!isNew && field === "relocs")) continue;
      const array = this.follow(atom, at + pointer, `${which}.${field}`);
      const elements = this.array(array, number, size, `${which}.${field}`);
      this.role(array.atom, field);
      for (const [index, element] of elements.entries()) {
        this.element(field, array.atom, element, `${which}.${field}[${index}]`, isNew);
      }
      if (isNew && field === "patches") this.patches = number;
    }
  }

  private element(field: string, atom: Atom, at: number, what: string, isNew: boolean): void {
    if (field === "relocs") {
      this.leaf(atom, at + 8, "symbols", abi.XSPLICE_SYMBOL_SIZE, `${what}.symbol`);
      this.leaf(atom, at + 24, "howtos", abi.XSPLICE_HOWTO_SIZE, `${what}.howto`);
    } else if (field === "sections") {
      this.leaf(atom, at, "symbols", abi.XSPLICE_SYMBOL_SIZE, `${what}.symbol`);
    } else if (isNew && u32(atom, at) === abi.XSPLICE_PATCH_RELOC_TEXT) {
      const content = this.follow(atom, at + 16, `${what}.content`);
      this.reserve(content, u32(atom, at + 4), what);
      this.role(content.atom, "text");
    }
  }

  /**
   * `size` bounds the new code. C cannot say how long a function is, so an author gives a bound,
   * which may be too large: room is kept for it. An array of bytes has a size that must hold.
   */
  private reserve({ atom, at }: Place, size: number, what: string): void {
    const wanted = at - atom.start + size;
    if (wanted > atom.end - atom.start && (atom.section.flags & SHF_EXECINSTR) === 0)
      throw new FileError(
        abi.EINVAL,
        "size",
        `${what}: ${size} bytes reach past the end of ${atomName(atom)}`,
      );
    if (size > abi.XSPLICE_PAYLOAD_MAX)
      throw new FileError(abi.EINVAL, "size", `${what}: ${size} bytes are more than a payload has`);
    this.rooms.set(atom, Math.max(this.rooms.get(atom) ?? 0, wanted));
  }

  /** A structure without an array around it; a null pointer stays for the hypervisor to judge. */
  private leaf(atom: Atom, offset: number, role: Role, size: number, what: string): void {
    const place = placeOf(this.refs.pointer(atom, offset));
    if (!place) return;
    this.array(place, 1, size, what);
    this.role(place.atom, role);
  }
}
