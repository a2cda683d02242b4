// A payload like the RFC's XSA-125 example (R63), made by hand: one function replaced by a
// trampoline. Specs build it, spoil one thing, and load it.

import { ElfBuilder } from "./elf_builder";

export const A: u64 = 2; // SHF_ALLOC
export const AW: u64 = 3; // + SHF_WRITE
export const AX: u64 = 6; // + SHF_EXECINSTR
export const PROGBITS: u32 = 1;
export const NOBITS: u32 = 8;
export const R_64: u32 = 1;

/** Offsets in section `.xsplice.tables`. */
export const CODE: u32 = 0;
export const RELOC: u32 = 72;
export const SECTION: u32 = 136;
export const PATCH: u32 = 176;
export const SYMBOL: u32 = 240;
export const HOWTO: u32 = 272;
export const OLD: u32 = 304;

export class Sample extends ElfBuilder {
  text: u32 = 0;
  root: u32 = 0;
  tables: u32 = 0;
  strings: u32 = 0;
  sym_text: u32 = 0;
  sym_tables: u32 = 0;
  sym_strings: u32 = 0;

  constructor() {
    super();
    this.text = this.add(".text.xen_version", PROGBITS, AX, 16);
    this.root = this.add(".xsplice", PROGBITS, AW);
    this.tables = this.add(".xsplice.tables", PROGBITS, AW);
    this.strings = this.add(".rodata.str1.1", PROGBITS, A, 1);
    this.sym_text = this.symbol("new_do_xen_version", this.text, 0, 0x12, 32);
    this.sym_tables = this.symbol("", this.tables, 0, 0x03);
    this.sym_strings = this.symbol("", this.strings, 0, 0x03);
    const text = this.at(this.text);
    text.u8(0x31);
    text.u8(0xc0);
    text.u8(0xc3);
    text.zeros(29);
    this.at(this.root).zeros(72);
    this.at(this.tables).zeros(304);
    const s = this.at(this.strings);
    const name = s.text("xsa125");
    const id = s.text("92dd05a61556c554155b1508c9cf67d993336d28");
    const function_name = s.text("do_xen_version");
    const label = s.text("do_xen_version+<0x0>");
    this.pointer(this.root, 8, this.sym_strings, name);
    this.pointer(this.root, 16, this.sym_strings, id);
    this.pointer(this.root, 32, this.sym_tables, CODE);
    this.fill_code(function_name, label);
  }

  pointer(section: u32, offset: u32, symbol: u32, addend: u32): void {
    this.rela(section, offset, R_64, symbol, <i64>addend);
  }
  set32(section: u32, offset: u32, value: u32): void {
    const data = this.at(section).data;
    for (let i: u32 = 0; i < 4; i++) data[offset + i] = <u8>(value >> (8 * i));
  }
  set64(section: u32, offset: u32, value: u64): void {
    this.set32(section, offset, <u32>value);
    this.set32(section, offset + 4, <u32>(value >> 32));
  }
  table32(offset: u32, value: u32): void {
    this.set32(this.tables, offset, value);
  }
  table64(offset: u32, value: u64): void {
    this.set64(this.tables, offset, value);
  }
  table_pointer(offset: u32, to: u32): void {
    this.pointer(this.tables, offset, this.sym_tables, to);
  }

  private fill_code(function_name: u32, label: u32): void {
    this.table_pointer(CODE, RELOC);
    this.table32(CODE + 8, 1);
    this.table_pointer(CODE + 16, SECTION);
    this.table32(CODE + 24, 1);
    this.table_pointer(CODE + 32, PATCH);
    this.table32(CODE + 40, 1);
    this.table64(RELOC, 0xffff82d080112f9e);
    this.table_pointer(RELOC + 8, SYMBOL);
    this.table_pointer(RELOC + 24, HOWTO);
    this.table64(RELOC + 32, <u64>-4);
    this.table_pointer(SECTION, SYMBOL);
    this.table64(SECTION + 8, 0xffff82d080112f9e);
    this.table32(SECTION + 16, 1728);
    this.table32(SECTION + 20, 1);
    this.table32(PATCH, 3);
    this.table32(PATCH + 4, 32);
    this.pointer(this.tables, PATCH + 16, this.sym_text, 0);
    this.pointer(this.tables, SYMBOL, this.sym_strings, function_name);
    this.pointer(this.tables, SYMBOL + 8, this.sym_strings, label);
    this.table32(HOWTO, 2);
    this.table32(HOWTO + 4, 1);
    this.table64(HOWTO + 16, 0xffffffffffffffff);
  }

  /** Gives the payload an `old`, a copy of `new` without relocs. */
  add_old(): void {
    this.at(this.tables).zeros(72);
    this.table_pointer(OLD + 16, SECTION);
    this.table32(OLD + 24, 1);
    this.table_pointer(OLD + 32, PATCH);
    this.table32(OLD + 40, 1);
    this.pointer(this.root, 40, this.sym_tables, OLD);
  }
}
