// Writes hypervisor images for specs: an ELF executable with one PT_LOAD per section, given in
// ascending order of address, and the means to boot it and to call what is in it.

import { BOOT_CPUS, BOOT_PAYLOAD_BASE, BOOT_SIZE } from "../../../assembly/abi";
import { boot_machine } from "../../../assembly/hv/boot";
import { call_function } from "../../../assembly/hv/call";
import { Cpu, cpu_at } from "../../../assembly/hv/cpu";
import { Ehdr, ehdr_at, PHDR_SIZE, Phdr, phdr_at, Shdr, shdr_at } from "../../../assembly/hv/elf";
import { IO_OFF } from "../../../assembly/hv/layout";
import { find_symbols, match_at, Symbol, symbol } from "../../../assembly/hv/symbols";
import { ElfBuilder, Section } from "./elf_builder";

export const TEXT_VA: u64 = 0xffff82d080100000;
export const RODATA_VA: u64 = 0xffff82d080110000;
export const INIT_VA: u64 = 0xffff82d080118000;
export const DATA_VA: u64 = 0xffff82d080120000;

const ALLOC: u64 = 2;
/** WAX: what a distribution's xen-syms says of all its sections. */
export const LYING_FLAGS: u64 = 7;

export class ImageBuilder {
  elf: ElfBuilder = new ElfBuilder();
  addresses: Array<u64> = [0];
  phdrs: u64 = 0;

  /** An allocated section at `va`. */
  section(name: string, va: u64, flags: u64 = LYING_FLAGS, type: u32 = 1): Section {
    const index = this.elf.add(name, type, flags | ALLOC);
    while (<u32>this.addresses.length <= index) this.addresses.push(0);
    this.addresses[index] = va;
    return this.elf.at(index);
  }

  /** Index of the last section added. */
  last(): u32 {
    return <u32>this.elf.sections.length - 1;
  }

  func(name: string, va: u64, size: u64, info: u8 = 0x12): void {
    this.elf.symbol(name, this.last(), va, info, size);
  }
  label(name: string, va: u64): void {
    this.elf.symbol(name, this.last(), va, 0x10, 0);
  }
  file(name: string): void {
    this.elf.symbol(name, 0xfff1, 0, 4, 0);
  }

  build(): void {
    this.elf.build();
    const e = this.ehdr();
    this.phdrs = (<u64>this.elf.file_size + 7) & ~7;
    e.e_type = 2;
    e.e_phoff = this.phdrs;
    e.e_phentsize = <u16>PHDR_SIZE;
    for (let i = 1; i < this.addresses.length; i++) {
      if (this.addresses[i] == 0) continue;
      const s = this.shdr(<u32>i);
      s.sh_addr = this.addresses[i];
      const p = this.phdr(e.e_phnum);
      p.p_type = 1;
      p.p_flags = 7;
      p.p_offset = s.sh_offset;
      p.p_vaddr = s.sh_addr;
      p.p_filesz = s.sh_type == 8 ? 0 : s.sh_size;
      p.p_memsz = s.sh_size;
      e.e_phnum++;
    }
    this.elf.file_size = <u32>(this.phdrs + <u64>e.e_phnum * PHDR_SIZE);
  }

  ehdr(): Ehdr {
    return ehdr_at(this.elf.file_off);
  }
  phdr(i: u32): Phdr {
    return phdr_at(this.elf.file_off + <usize>this.phdrs, i);
  }
  shdr(i: u32): Shdr {
    return shdr_at(this.elf.file_off + <usize>this.elf.table, i);
  }
  symtab(): Shdr {
    return this.shdr(this.elf.symtab);
  }

  boot(cpus: u32 = 2, payload_base: u64 = 0): i32 {
    memory.fill(IO_OFF, 0, BOOT_SIZE);
    store<u32>(IO_OFF + BOOT_CPUS, cpus);
    store<u64>(IO_OFF + BOOT_PAYLOAD_BASE, payload_base);
    return boot_machine(this.elf.file_off, this.elf.file_size, IO_OFF);
  }
}

/** The bytes of `hex` (blanks ignored) to the end of a section. */
export function code(s: Section, hex: string): void {
  let high: i32 = -1;
  for (let i = 0; i < hex.length; i++) {
    const c = hex.charCodeAt(i);
    if (c == 0x20) continue;
    const digit = c <= 0x39 ? c - 0x30 : c - 0x57;
    if (high < 0) high = digit;
    else {
      s.u8((high << 4) | digit);
      high = -1;
    }
  }
}

/** A small image: code, data, init, an exception table. Not built yet. */
export function small_image(): ImageBuilder {
  const b = new ImageBuilder();
  const text = b.section(".text", TEXT_VA);
  code(text, "b8 2a 00 00 00 c3"); // 00 answer: mov $42,%eax; ret
  code(text, "48 89 f8 48 29 f0 c3"); // 06 minus: mov %rdi,%rax; sub %rsi,%rax; ret
  code(text, "eb fe"); // 0d forever: jmp .
  code(text, "48 8b 07 c3"); // 0f load: mov (%rdi),%rax; ret
  code(text, "48 c7 c0 f2 ff ff ff c3"); // 13 fixup: mov $-14,%rax; ret
  code(text, "48 8b 07 c3"); // 1b bad: mov (%rdi),%rax; ret, no entry in the table
  code(text, "f4 c3"); // 1f halt
  code(text, "48 89 e0 c3"); // 21 stack: mov %rsp,%rax; ret
  code(text, "9c 58 c3"); // 25 flags: pushf; pop %rax; ret
  code(text, "b8 01 00 00 00 0f 01 c1 c3"); // 28 gate: mov $1,%eax; vmcall; ret
  code(text, "48 8b 04 25 00 00 00 00 c3"); // 31 null: mov 0,%rax; ret
  b.func("answer", TEXT_VA, 6);
  b.func("minus", TEXT_VA + 0x06, 7);
  b.func("forever", TEXT_VA + 0x0d, 2);
  b.func("load", TEXT_VA + 0x0f, 4);
  b.func("fixup", TEXT_VA + 0x13, 8);
  b.func("bad", TEXT_VA + 0x1b, 4);
  b.func("halt", TEXT_VA + 0x1f, 2);
  b.func("stack", TEXT_VA + 0x21, 4);
  b.func("flags", TEXT_VA + 0x25, 3);
  b.func("do_sysctl", TEXT_VA + 0x28, 9);
  b.func("null", TEXT_VA + 0x31, 9);
  const rodata = b.section(".rodata", RODATA_VA);
  rodata.u32(<u32>(TEXT_VA + 0x0f - RODATA_VA));
  rodata.u32(<u32>(TEXT_VA + 0x13 - (RODATA_VA + 4)));
  b.label("__start___ex_table", RODATA_VA);
  b.label("__stop___ex_table", RODATA_VA + 8);
  b.section(".init.text", INIT_VA).zeros(16);
  b.func("boot_only", INIT_VA, 16);
  b.section(".data", DATA_VA).u64(0x1122334455667788);
  b.func("variable", DATA_VA, 8, 0x11);
  return b;
}

/** The only symbol of that name. */
export function known(name: string): Symbol {
  const off = changetype<usize>(String.UTF8.encode(name));
  assert(find_symbols(off, name.length) == 1, name);
  return symbol(match_at(0));
}

/** Calls a function of the booted image on CPU 0; returns STOP_*, cpu_at(0).rax is its value. */
export function call(name: string, arg0: u64 = 0, arg1: u64 = 0, budget: u64 = 1000): u32 {
  const args = memory.data(16);
  store<u64>(args, arg0);
  store<u64>(args, arg1, 8);
  return call_function(cpu_at(0), known(name).va, args, 2, budget);
}

export function cpu0(): Cpu {
  return cpu_at(0);
}
