// The payload's structures as gcc -m64 lays them out (RFC "Design of payload format",
// requirements A2; K1: the sizes that the RFC states are those of a packed or a 32-bit build).
// Pointers are virtual addresses once the payload is relocated. Field names are the RFC's; `isns`
// is its spelling (K9).

import {
  XSPLICE_CODE_SIZE,
  XSPLICE_HOWTO_SIZE,
  XSPLICE_PATCH_SIZE,
  XSPLICE_RELOC_SIZE,
  XSPLICE_SECTION_SIZE,
  XSPLICE_SIZE,
  XSPLICE_SYMBOL_SIZE,
} from "../abi";


@unmanaged
export class XspliceRoot {
  version: u32;
  hole0: u32; // the compiler's, not the RFC's: may hold anything
  name: u64; // const char *
  id: u64; // const char *
  id_size: u32;
  hole1: u32;
  new_code: u64; // struct xsplice_code *new
  old_code: u64; // struct xsplice_code *old
  pad0: u64;
  pad1: u64;
  pad2: u64;
}
if (offsetof<XspliceRoot>() != XSPLICE_SIZE) ERROR("struct xsplice is 72 bytes");
export const ROOT_PAD: usize = offsetof<XspliceRoot>("pad0");
export const ROOT_PAD_SIZE: usize = <usize>XSPLICE_SIZE - ROOT_PAD;


@unmanaged
export class XspliceCode {
  relocs: u64;
  n_relocs: u32;
  hole0: u32;
  sections: u64;
  n_sections: u32;
  hole1: u32;
  patches: u64;
  n_patches: u32;
  pad0: u32;
  pad1: u64;
  pad2: u64;
  pad3: u64;
}
if (offsetof<XspliceCode>() != XSPLICE_CODE_SIZE) ERROR("struct xsplice_code is 72 bytes");
export const CODE_PAD: usize = offsetof<XspliceCode>("pad0");
export const CODE_PAD_SIZE: usize = <usize>XSPLICE_CODE_SIZE - CODE_PAD;


@unmanaged
export class XspliceReloc {
  addr: u64;
  symbol: u64; // struct xsplice_symbol *
  isns_target: i64;
  howto: u64; // struct xsplice_reloc_howto *
  isns_added: i64;
  pad0: u64;
  pad1: u64;
  pad2: u64;
}
if (offsetof<XspliceReloc>() != XSPLICE_RELOC_SIZE) ERROR("struct xsplice_reloc is 64 bytes");
export const RELOC_PAD: usize = offsetof<XspliceReloc>("pad0");
export const RELOC_PAD_SIZE: usize = <usize>XSPLICE_RELOC_SIZE - RELOC_PAD;


@unmanaged
export class XspliceSection {
  symbol: u64; // struct xsplice_symbol *
  address: u64;
  size: u32;
  flags: u32;
  pad0: u32;
  pad1: u32;
  pad2: u32;
  hole0: u32;
}
if (offsetof<XspliceSection>() != XSPLICE_SECTION_SIZE) ERROR("struct xsplice_section is 40 bytes");
export const SECTION_PAD: usize = offsetof<XspliceSection>("pad0");
export const SECTION_PAD_SIZE: usize = 12;


@unmanaged
export class XsplicePatch {
  type: u32;
  size: u32;
  addr: u64;
  content: u64; // void *
  pad0: u64;
  pad1: u64;
  pad2: u64;
  pad3: u64;
  pad4: u64;
}
if (offsetof<XsplicePatch>() != XSPLICE_PATCH_SIZE) ERROR("struct xsplice_patch is 64 bytes");
export const PATCH_PAD: usize = offsetof<XsplicePatch>("pad0");
export const PATCH_PAD_SIZE: usize = <usize>XSPLICE_PATCH_SIZE - PATCH_PAD;


@unmanaged
export class XspliceSymbol {
  name: u64; // const char *
  label: u64; // const char *
  pad0: u64;
  pad1: u64;
}
if (offsetof<XspliceSymbol>() != XSPLICE_SYMBOL_SIZE) ERROR("struct xsplice_symbol is 32 bytes");
export const SYMBOL_PAD: usize = offsetof<XspliceSymbol>("pad0");
export const SYMBOL_PAD_SIZE: usize = <usize>XSPLICE_SYMBOL_SIZE - SYMBOL_PAD;


@unmanaged
export class XspliceHowto {
  howto: u32;
  flag: u32;
  size: u32;
  r_shift: u32;
  mask: u64;
  pad0: u64;
}
if (offsetof<XspliceHowto>() != XSPLICE_HOWTO_SIZE) ERROR("struct xsplice_reloc_howto is 32 bytes");
export const HOWTO_PAD: usize = offsetof<XspliceHowto>("pad0");
export const HOWTO_PAD_SIZE: usize = <usize>XSPLICE_HOWTO_SIZE - HOWTO_PAD;

/** True when `len` bytes at `off` are zero: pads must be (R21). */
export function is_zero(off: usize, len: usize): bool {
  for (let i: usize = 0; i < len; i++) {
    if (load<u8>(off + i) != 0) return false;
  }
  return true;
}
