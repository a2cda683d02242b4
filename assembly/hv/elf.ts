// ELF64 overlays and the constants that both the image loader and the payload loader read.
// Specification: System V ABI, "Object Files" (gABI ch. 4 and 5); AMD64 psABI, ch. 4. Field names
// are the gABI's. An overlay is laid over bytes that the caller has already checked to be inside
// its buffer; unaligned access is legal here, so tables need not be aligned.

export const EI_CLASS: usize = 4;
export const EI_DATA: usize = 5;
export const EI_VERSION: usize = 6;
export const EI_OSABI: usize = 7;
export const ELF_MAGIC: u32 = 0x464c457f; // "\x7fELF", read little-endian
export const ELFCLASS64: u8 = 2;
export const ELFDATA2LSB: u8 = 1;
export const EV_CURRENT: u32 = 1;
export const ELFOSABI_SYSV: u8 = 0;
export const ELFOSABI_FREEBSD: u8 = 9;

export const ET_REL: u16 = 1;
export const ET_EXEC: u16 = 2;
export const ET_DYN: u16 = 3;
export const EM_X86_64: u16 = 62;

export const SHN_UNDEF: u16 = 0;
export const SHN_LORESERVE: u16 = 0xff00;
export const SHN_ABS: u16 = 0xfff1;
export const SHN_COMMON: u16 = 0xfff2;
export const SHN_XINDEX: u16 = 0xffff;

export const SHT_NULL: u32 = 0;
export const SHT_PROGBITS: u32 = 1;
export const SHT_SYMTAB: u32 = 2;
export const SHT_STRTAB: u32 = 3;
export const SHT_RELA: u32 = 4;
export const SHT_NOTE: u32 = 7;
export const SHT_NOBITS: u32 = 8;
export const SHT_REL: u32 = 9;
export const SHT_GROUP: u32 = 17;
export const SHT_SYMTAB_SHNDX: u32 = 18;

export const SHF_WRITE: u64 = 0x1;
export const SHF_ALLOC: u64 = 0x2;
export const SHF_EXECINSTR: u64 = 0x4;
export const SHF_MERGE: u64 = 0x10;
export const SHF_STRINGS: u64 = 0x20;
export const SHF_TLS: u64 = 0x400;
export const SHF_COMPRESSED: u64 = 0x800;

export const PT_LOAD: u32 = 1;
export const PT_NOTE: u32 = 4;

export const STB_LOCAL: u8 = 0;
export const STB_GLOBAL: u8 = 1;
export const STB_WEAK: u8 = 2;
export const STT_NOTYPE: u8 = 0;
export const STT_OBJECT: u8 = 1;
export const STT_FUNC: u8 = 2;
export const STT_SECTION: u8 = 3;
export const STT_FILE: u8 = 4;
export const STT_COMMON: u8 = 5;
export const STT_TLS: u8 = 6;
export const STT_GNU_IFUNC: u8 = 10;

export const NT_GNU_BUILD_ID: u32 = 3;


@unmanaged
export class Ehdr {
  e_ident_lo: u64; // e_ident[16]: read its bytes with ident()
  e_ident_hi: u64;
  e_type: u16;
  e_machine: u16;
  e_version: u32;
  e_entry: u64;
  e_phoff: u64;
  e_shoff: u64;
  e_flags: u32;
  e_ehsize: u16;
  e_phentsize: u16;
  e_phnum: u16;
  e_shentsize: u16;
  e_shnum: u16;
  e_shstrndx: u16;


  @inline ident(i: usize): u8 {
    return load<u8>(changetype<usize>(this) + i);
  }


  @inline get magic(): u32 {
    return <u32>this.e_ident_lo;
  }
}
export const EHDR_SIZE: usize = 64;
if (offsetof<Ehdr>() != EHDR_SIZE) ERROR("Ehdr is 64 bytes");


@unmanaged
export class Shdr {
  sh_name: u32;
  sh_type: u32;
  sh_flags: u64;
  sh_addr: u64;
  sh_offset: u64;
  sh_size: u64;
  sh_link: u32;
  sh_info: u32;
  sh_addralign: u64;
  sh_entsize: u64;
}
export const SHDR_SIZE: usize = 64;
if (offsetof<Shdr>() != SHDR_SIZE) ERROR("Shdr is 64 bytes");


@unmanaged
export class Phdr {
  p_type: u32;
  p_flags: u32;
  p_offset: u64;
  p_vaddr: u64;
  p_paddr: u64;
  p_filesz: u64;
  p_memsz: u64;
  p_align: u64;
}
export const PHDR_SIZE: usize = 56;
if (offsetof<Phdr>() != PHDR_SIZE) ERROR("Phdr is 56 bytes");


@unmanaged
export class Sym {
  st_name: u32;
  st_info: u8;
  st_other: u8;
  st_shndx: u16;
  st_value: u64;
  st_size: u64;


  @inline get bind(): u8 {
    return this.st_info >> 4;
  }


  @inline get type(): u8 {
    return this.st_info & 15;
  }
}
export const SYM_SIZE: usize = 24;
if (offsetof<Sym>() != SYM_SIZE) ERROR("Sym is 24 bytes");


@unmanaged
export class Rela {
  r_offset: u64;
  r_info: u64;
  r_addend: i64;


  @inline get sym(): u32 {
    return <u32>(this.r_info >> 32);
  }


  @inline get type(): u32 {
    return <u32>this.r_info;
  }
}
export const RELA_SIZE: usize = 24;
if (offsetof<Rela>() != RELA_SIZE) ERROR("Rela is 24 bytes");


@unmanaged
export class Nhdr {
  n_namesz: u32;
  n_descsz: u32;
  n_type: u32;
}
export const NHDR_SIZE: usize = 12;
if (offsetof<Nhdr>() != NHDR_SIZE) ERROR("Nhdr is 12 bytes");


@inline
export function ehdr_at(off: usize): Ehdr {
  return changetype<Ehdr>(off);
}


@inline
export function shdr_at(table_off: usize, index: usize): Shdr {
  return changetype<Shdr>(table_off + index * SHDR_SIZE);
}


@inline
export function phdr_at(table_off: usize, index: usize): Phdr {
  return changetype<Phdr>(table_off + index * PHDR_SIZE);
}


@inline
export function sym_at(table_off: usize, index: usize): Sym {
  return changetype<Sym>(table_off + index * SYM_SIZE);
}


@inline
export function rela_at(table_off: usize, index: usize): Rela {
  return changetype<Rela>(table_off + index * RELA_SIZE);
}

/** True when [off, off + len) lies inside a buffer of `size` bytes; no sum that could wrap. */
@inline
export function is_inside(off: u64, len: u64, size: u64): bool {
  return off <= size && len <= size - off;
}
