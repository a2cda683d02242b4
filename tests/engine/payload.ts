// Payloads made byte by byte, so that a test can say exactly what is in them, right or wrong: an
// ELF relocatable file as gcc would make of a source with include/xsplice.h. Structures as A2 has
// them.

import * as abi from "../../host/abi.js";

export interface Howto {
  howto?: number;
  flag?: number;
  size?: number;
  shift?: number;
  mask?: bigint;
}

/** One index of relocs, sections and patches. */
export interface Place {
  type?: number;
  /** Name in the image, for section and reloc; none: by address alone. */
  symbol?: string | undefined;
  /** The payload's own name for it (R44); the same for every place of one symbol. */
  label?: string;
  /** section.address */
  address?: bigint;
  /** section.size */
  size: number;
  flags?: number;
  /** reloc.addr, isns_target, isns_added */
  relocAddr?: bigint;
  target?: bigint;
  added?: bigint;
  howto?: Howto;
  /** patch.addr */
  at?: bigint;
  content: Uint8Array;
  /** Where the content lies. */
  inside?: "text" | "rodata";
  /** patch.size, if it is not the content's. */
  contentSize?: number;
}

export interface PayloadSpec {
  name?: string;
  /** xsplice.id, as a string. */
  id?: string;
  places: readonly Place[];
  old?: readonly Place[];
  /** Relocs behind the paired ones (K13): fields inside inline patches. */
  fixups?: readonly Pick<Place, "symbol" | "relocAddr" | "target" | "added" | "howto">[];
  /** The payload's own build-id. */
  buildId?: Uint8Array;
}

export const BUILD_ID = "92dd05a61556c554155b1508c9cf67d993336d28";
const TEXT = 1;
const RODATA = 2;
const ROOT = 3;
const STRUCTS = 4;

/** A section under construction. */
class Bytes {
  private data = new Uint8Array(1024);
  length = 0;

  /** Room for `count` zero bytes, aligned; its offset. */
  room(count: number, align = 8): number {
    const at = Math.ceil(this.length / align) * align;
    this.length = at + count;
    if (this.length > this.data.length) {
      const larger = new Uint8Array(this.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    return at;
  }
  add(bytes: Uint8Array, align = 8): number {
    const at = this.room(bytes.length, align);
    this.data.set(bytes, at);
    return at;
  }
  string(text: string): number {
    return this.add(new TextEncoder().encode(`${text}\0`), 1);
  }
  u32(at: number, value: number): void {
    new DataView(this.data.buffer).setUint32(at, value, true);
  }
  u64(at: number, value: bigint): void {
    new DataView(this.data.buffer).setBigUint64(at, BigInt.asUintN(64, value), true);
  }
  bytes(): Uint8Array {
    return this.data.slice(0, this.length);
  }
}

interface Section {
  name: string;
  type: number;
  flags: number;
  bytes: Uint8Array;
  link?: number;
  info?: number;
  entry?: number;
}

class Builder {
  readonly text = new Bytes();
  readonly rodata = new Bytes();
  readonly root = new Bytes();
  readonly structs = new Bytes();
  readonly relas = { [ROOT]: new Bytes(), [STRUCTS]: new Bytes() };
  private readonly symbols = new Map<string, number>();

  /** A pointer field: `section` + `addend` at `at` of root or structs (R_X86_64_64). */
  pointer(where: typeof ROOT | typeof STRUCTS, at: number, section: number, addend: number): void {
    const rela = this.relas[where].room(24);
    this.relas[where].u64(rela, BigInt(at));
    this.relas[where].u64(rela + 8, (BigInt(section) << 32n) | 1n);
    this.relas[where].u64(rela + 16, BigInt(addend));
  }

  symbol(name: string, label?: string): number {
    let at = this.symbols.get(name);
    if (at === undefined) {
      at = this.structs.room(abi.XSPLICE_SYMBOL_SIZE);
      this.pointer(STRUCTS, at, RODATA, this.rodata.string(name));
      if (label !== undefined) this.pointer(STRUCTS, at + 8, RODATA, this.rodata.string(label));
      this.symbols.set(name, at);
    }
    return at;
  }

  private howto(h: Howto): number {
    const at = this.structs.room(abi.XSPLICE_HOWTO_SIZE);
    this.structs.u32(at, h.howto ?? abi.XSPLICE_HOWTO_INLINE);
    this.structs.u32(at + 4, h.flag ?? 0);
    this.structs.u32(at + 8, h.size ?? 1);
    this.structs.u32(at + 12, h.shift ?? 0);
    this.structs.u64(at + 16, h.mask ?? 0n);
    return at;
  }

  code(places: readonly Place[], old: boolean, fixups: PayloadSpec["fixups"] = []): number {
    const n = places.length;
    const all = n + fixups.length;
    const code = this.structs.room(abi.XSPLICE_CODE_SIZE);
    const relocs = this.structs.room(all * abi.XSPLICE_RELOC_SIZE);
    const sections = this.structs.room(n * abi.XSPLICE_SECTION_SIZE);
    const patches = this.structs.room(n * abi.XSPLICE_PATCH_SIZE);
    if (!old) {
      this.pointer(STRUCTS, code, STRUCTS, relocs);
      this.structs.u32(code + 8, all);
    }
    this.pointer(STRUCTS, code + 16, STRUCTS, sections);
    this.structs.u32(code + 24, n);
    this.pointer(STRUCTS, code + 32, STRUCTS, patches);
    this.structs.u32(code + 40, n);
    places.forEach((place, i) => {
      if (!old) this.reloc(relocs + i * abi.XSPLICE_RELOC_SIZE, place);
      this.section(sections + i * abi.XSPLICE_SECTION_SIZE, place);
      this.patch(patches + i * abi.XSPLICE_PATCH_SIZE, place);
    });
    fixups.forEach((fixup, i) => {
      this.reloc(relocs + (n + i) * abi.XSPLICE_RELOC_SIZE, fixup);
    });
    return code;
  }

  private reloc(at: number, place: Omit<Place, "content" | "size">): void {
    this.structs.u64(at, place.relocAddr ?? 0n);
    if (place.symbol !== undefined)
      this.pointer(STRUCTS, at + 8, STRUCTS, this.symbol(place.symbol, place.label));
    this.structs.u64(at + 16, place.target ?? 0n);
    this.pointer(STRUCTS, at + 24, STRUCTS, this.howto(place.howto ?? {}));
    this.structs.u64(at + 32, place.added ?? 0n);
  }

  private section(at: number, place: Place): void {
    if (place.symbol !== undefined)
      this.pointer(STRUCTS, at, STRUCTS, this.symbol(place.symbol, place.label));
    this.structs.u64(at + 8, place.address ?? 0n);
    this.structs.u32(at + 16, place.size);
    this.structs.u32(at + 20, place.flags ?? abi.XSPLICE_SECTION_TEXT);
  }

  private patch(at: number, place: Place): void {
    const inText = (place.inside ?? "text") === "text";
    const content = (inText ? this.text : this.rodata).add(place.content, 16);
    this.structs.u32(at, place.type ?? abi.XSPLICE_PATCH_INLINE_TEXT);
    this.structs.u32(at + 4, place.contentSize ?? place.content.length);
    this.structs.u64(at + 8, place.at ?? 0n);
    this.pointer(STRUCTS, at + 16, inText ? TEXT : RODATA, content);
  }
}

function note(buildId: Uint8Array): Uint8Array {
  const bytes = new Bytes();
  const at = bytes.room(16, 4);
  bytes.u32(at, 4);
  bytes.u32(at + 4, buildId.length);
  bytes.u32(at + 8, 3);
  bytes.u32(at + 12, 0x00554e47); // "GNU"
  bytes.add(buildId, 4);
  return bytes.bytes();
}

/** Header, sections, section headers. Symbols 1…4 are those of the first four sections. */
function link(sections: Section[]): Uint8Array {
  const names = new Bytes();
  names.string("");
  const nameOf = sections.map((s) => names.string(s.name));
  const own = names.string(".shstrtab");
  const all = [...sections, { name: "", type: 3, flags: 0, bytes: names.bytes() }];
  nameOf.push(own);
  const file = new Bytes();
  file.room(64);
  const offsets = all.map((s) => file.add(s.bytes, 16));
  const table = file.room((all.length + 1) * 64, 16);
  all.forEach((s: Section, i) => {
    const at = table + (i + 1) * 64;
    file.u32(at, nameOf[i] as number);
    file.u32(at + 4, s.type);
    file.u64(at + 8, BigInt(s.flags));
    file.u64(at + 24, BigInt(offsets[i] as number));
    file.u64(at + 32, BigInt(s.bytes.length));
    file.u32(at + 40, s.link ?? 0);
    file.u32(at + 44, s.info ?? 0);
    file.u64(at + 48, 16n);
    file.u64(at + 56, BigInt(s.entry ?? 0));
  });
  file.u64(0, 0x00010102464c457fn);
  file.u32(16, 0x003e0001); // ET_REL, x86-64
  file.u32(20, 1);
  file.u64(40, BigInt(table));
  file.u32(52, 64); // e_ehsize
  file.u32(56, 64 << 16); // e_phnum 0, e_shentsize
  file.u32(60, (all.length + 1) | (all.length << 16)); // e_shnum, e_shstrndx
  return file.bytes();
}

/** The file. */
export function buildPayload(spec: PayloadSpec): Uint8Array {
  const b = new Builder();
  const root = b.root.room(abi.XSPLICE_SIZE);
  b.pointer(ROOT, root + 8, RODATA, b.rodata.string(spec.name ?? "test"));
  b.pointer(ROOT, root + 16, RODATA, b.rodata.string(spec.id ?? BUILD_ID));
  b.pointer(ROOT, root + 32, STRUCTS, b.code(spec.places, false, spec.fixups));
  if (spec.old) b.pointer(ROOT, root + 40, STRUCTS, b.code(spec.old, true));
  const symbols = new Bytes();
  symbols.room(24 * 5);
  for (let i = 1; i < 5; i++) symbols.u32(24 * i + 4, 3 | (i << 16)); // STT_SECTION
  const [progbits, rela, write, alloc, exec] = [1, 4, 1, 2, 4];
  const sections: Section[] = [
    { name: ".text", type: progbits, flags: alloc | exec, bytes: b.text.bytes() },
    { name: ".rodata", type: progbits, flags: alloc, bytes: b.rodata.bytes() },
    { name: ".xsplice", type: progbits, flags: alloc | write, bytes: b.root.bytes() },
    { name: ".xsplice.structs", type: progbits, flags: alloc | write, bytes: b.structs.bytes() },
    { name: ".symtab", type: 2, flags: 0, bytes: symbols.bytes(), link: 6, info: 5, entry: 24 },
    { name: ".strtab", type: 3, flags: 0, bytes: new Uint8Array(1) },
  ];
  for (const where of [ROOT, STRUCTS] as const) {
    const name = `.rela${sections[where - 1]?.name}`;
    const bytes = b.relas[where].bytes();
    sections.push({ name, type: rela, flags: 0, bytes, link: 5, info: where, entry: 24 });
  }
  if (spec.buildId) {
    sections.push({ name: ".note.gnu.build-id", type: 7, flags: alloc, bytes: note(spec.buildId) });
  }
  return link(sections);
}

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replace(/ /g, ""), "hex"));

/** A function replaced at its entry. `code` defaults to `mov $42,%eax; ret`. */
export function trampoline(symbol: string, size: number, code = hex("b82a000000c3")): Place {
  return {
    type: abi.XSPLICE_PATCH_RELOC_TEXT,
    symbol,
    size,
    flags: abi.XSPLICE_SECTION_TEXT,
    added: -4n,
    howto: {
      howto: abi.XSPLICE_HOWTO_RELOC_PATCH,
      flag: abi.XSPLICE_HOWTO_FLAG_PC_REL,
      size: 4,
      mask: 0xffffffffn,
    },
    content: code,
  };
}

/** Bytes in place, `at` bytes into a function. */
export function inline(symbol: string, size: number, at: number, code: Uint8Array): Place {
  return {
    symbol,
    size,
    flags: abi.XSPLICE_SECTION_TEXT | abi.XSPLICE_SECTION_TEXT_INLINE,
    target: BigInt(at),
    at: BigInt(at),
    content: code,
  };
}
