// Writes ELF64 relocatable files byte by byte, for specs: well-formed unless a spec spoils them.
// The order in the file is header, section contents, section headers, as gas has it.

import { EHDR_SIZE, RELA_SIZE, SHDR_SIZE, SYM_SIZE } from "../../../assembly/hv/elf";

/** One section: contents grow in `data`; NOBITS have only a size. */
export class Section {
  name: string = "";
  type: u32 = 0;
  flags: u64 = 0;
  align: u64 = 1;
  link: u32 = 0;
  info: u32 = 0;
  entsize: u64 = 0;
  nobits: u64 = 0;
  offset: u64 = 0;
  data: Array<u8> = [];

  u8(value: u32): void {
    this.data.push(<u8>value);
  }
  u32(value: u32): void {
    for (let i: u32 = 0; i < 32; i += 8) this.data.push(<u8>(value >> i));
  }
  u64(value: u64): void {
    this.u32(<u32>value);
    this.u32(<u32>(value >> 32));
  }
  zeros(count: i32): void {
    for (let i = 0; i < count; i++) this.data.push(0);
  }
  text(value: string): u32 {
    const at = <u32>this.data.length;
    for (let i = 0; i < value.length; i++) this.data.push(<u8>value.charCodeAt(i));
    this.data.push(0);
    return at;
  }
  size(): u64 {
    return this.nobits != 0 ? this.nobits : <u64>this.data.length;
  }
}

class SymbolSpec {
  name: u32 = 0;
  info: u8 = 0;
  shndx: u16 = 0;
  value: u64 = 0;
  size: u64 = 0;
}

export class ElfBuilder {
  sections: Array<Section> = [new Section()];
  symbols: Array<SymbolSpec> = [new SymbolSpec()];
  names: Section = new Section();
  file_off: usize = 0;
  file_size: u32 = 0;
  symtab: u32 = 0;
  table: u64 = 0;

  constructor() {
    this.names.data.push(0);
  }

  add(name: string, type: u32, flags: u64, align: u64 = 8): u32 {
    const s = new Section();
    s.name = name;
    s.type = type;
    s.flags = flags;
    s.align = align;
    this.sections.push(s);
    return <u32>this.sections.length - 1;
  }

  at(index: u32): Section {
    return this.sections[index];
  }

  /** `bind` << 4 | type; section 0 is undefined. */
  symbol(name: string, section: u32, value: u64, info: u8 = 0x10, size: u64 = 0): u32 {
    const s = new SymbolSpec();
    s.name = name.length == 0 ? 0 : this.names.text(name);
    s.info = info;
    s.shndx = <u16>section;
    s.value = value;
    s.size = size;
    this.symbols.push(s);
    return <u32>this.symbols.length - 1;
  }

  /** Adds to the one relocation section of `target`, which is created when it is first needed. */
  rela(target: u32, offset: u64, type: u32, symbol: u32, addend: i64 = 0): u32 {
    let index: u32 = 0;
    for (let i = 1; i < this.sections.length; i++) {
      if (this.sections[i].type == 4 && this.sections[i].info == target) index = <u32>i;
    }
    if (index == 0) {
      index = this.add(".rela" + this.at(target).name, 4, 0);
      this.at(index).info = target;
      this.at(index).entsize = RELA_SIZE;
    }
    const s = this.at(index);
    s.u64(offset);
    s.u64(((<u64>symbol) << 32) | (<u64>type));
    s.u64(<u64>addend);
    return index;
  }

  private finish_tables(): void {
    this.symtab = this.add(".symtab", 2, 0);
    const symtab = this.at(this.symtab);
    symtab.entsize = SYM_SIZE;
    symtab.info = 1;
    for (let i = 0; i < this.symbols.length; i++) {
      const s = this.symbols[i];
      symtab.u32(s.name);
      symtab.u8(s.info);
      symtab.u8(0);
      symtab.u8(s.shndx);
      symtab.u8(s.shndx >> 8);
      symtab.u64(s.value);
      symtab.u64(s.size);
    }
    symtab.link = this.add(".strtab", 3, 0, 1);
    this.at(symtab.link).data = this.names.data;
    for (let i = 1; i < this.sections.length; i++) {
      if (this.sections[i].type == 4) this.sections[i].link = this.symtab;
    }
  }

  /** Lays the file out at this.file_off (heap), this.file_size bytes. */
  build(): void {
    this.finish_tables();
    const shstr = this.add(".shstrtab", 3, 0, 1);
    const strings = this.at(shstr);
    strings.u8(0);
    const count = this.sections.length;
    const name_at = new Array<u32>(count);
    for (let i = 1; i < count; i++) name_at[i] = strings.text(this.sections[i].name);
    let end: u64 = EHDR_SIZE;
    for (let i = 1; i < count; i++) {
      const s = this.sections[i];
      end = (end + 7) & ~7;
      s.offset = end;
      if (s.nobits == 0) end += s.size();
    }
    this.table = (end + 7) & ~7;
    this.file_size = <u32>(this.table + <u64>count * SHDR_SIZE);
    // Some room behind, for a trailer.
    this.file_off = heap.alloc(this.file_size + 4096);
    memory.fill(this.file_off, 0, this.file_size + 4096);
    this.write_header(count, shstr);
    for (let i = 1; i < count; i++) this.write_section(i, name_at[i]);
  }

  private write_header(count: i32, shstr: u32): void {
    const h = this.file_off;
    store<u64>(h, 0x00010102464c457f);
    store<u16>(h, 1, 16);
    store<u16>(h, 62, 18);
    store<u32>(h, 1, 20);
    store<u64>(h, this.table, 40);
    store<u16>(h, <u16>EHDR_SIZE, 52);
    store<u16>(h, <u16>SHDR_SIZE, 58);
    store<u16>(h, <u16>count, 60);
    store<u16>(h, <u16>shstr, 62);
  }

  private write_section(index: i32, name: u32): void {
    const s = this.sections[index];
    const h = this.header_off(<u32>index);
    store<u32>(h, name);
    store<u32>(h, s.type, 4);
    store<u64>(h, s.flags, 8);
    store<u64>(h, s.offset, 24);
    store<u64>(h, s.size(), 32);
    store<u32>(h, s.link, 40);
    store<u32>(h, s.info, 44);
    store<u64>(h, s.align, 48);
    store<u64>(h, s.entsize, 56);
    if (s.nobits != 0) return;
    for (let i = 0; i < s.data.length; i++) {
      store<u8>(this.file_off + <usize>s.offset + <usize>i, s.data[i]);
    }
  }

  /** Linear offset of a section header of the built file. */
  header_off(index: u32): usize {
    return this.file_off + <usize>this.table + <usize>index * SHDR_SIZE;
  }
  /** Linear offset of a section's bytes in the built file. */
  bytes_off(index: u32): usize {
    return this.file_off + <usize>this.at(index).offset;
  }
}
