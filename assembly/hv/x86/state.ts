// What a processor holds beside its general and XMM registers (Intel SDM vol. 1, 8.1 and 10.2;
// vol. 3, 2.4, 2.5, 17.2). The x87's registers are kept as they were loaded, in the order of the
// FXSAVE area: nothing here computes with them, but they are saved and restored.

import { Cpu } from "../cpu";

/** The first bytes of the FXSAVE area (vol. 1, table 10-2), what follows are XMM registers. */
export const LEGACY_SIZE: usize = 160;


@unmanaged
export class LegacyState {
  fcw: u16;
  fsw: u16;
  ftw: u8; // one bit a register: not empty
  pad0: u8;
  fop: u16;
  fip: u64;
  fdp: u64;
  mxcsr: u32; // 24
  mxcsr_mask: u32;
  // 32: ST0 to ST7, 16 bytes each
}
if (offsetof<LegacyState>("mxcsr") != 24) ERROR("LegacyState.mxcsr");


@unmanaged
export class SystemState {
  dr0: u64;
  dr1: u64;
  dr2: u64;
  dr3: u64;
  dr6: u64;
  dr7: u64;
  gdt_base: u64;
  idt_base: u64;
  ldt_base: u64;
  tr_base: u64;
  gdt_limit: u16;
  idt_limit: u16;
  ldtr: u16; // 0: no LDT
  tr: u16; // 0: no TSS
  ldt_limit: u32;
  tr_limit: u32;
  xcr0: u64;
  sysenter_cs: u64;
  sysenter_esp: u64;
  sysenter_eip: u64;
}
if (offsetof<SystemState>() > 192) ERROR("SystemState reaches behind the CPU record");


@inline
export function legacy_of(cpu: Cpu): LegacyState {
  return changetype<LegacyState>(cpu.legacy_off);
}


@inline
export function system_of(cpu: Cpu): SystemState {
  return changetype<SystemState>(cpu.system_off);
}

export const CR0_PE: u64 = 1;
export const CR0_MP: u64 = 2;
export const CR0_EM: u64 = 4;
export const CR0_TS: u64 = 8;
export const CR0_ET: u64 = 0x10;
export const CR0_NW: u64 = 0x20000000;
export const CR0_CD: u64 = 0x40000000;
export const CR0_PG: u64 = 0x80000000;
export const CR4_TSD: u64 = 4;
export const CR4_DE: u64 = 8;
export const CR4_PAE: u64 = 0x20;
export const CR4_PCE: u64 = 0x100;
export const CR4_OSFXSR: u64 = 0x200;
export const CR4_UMIP: u64 = 0x800;
export const CR4_FSGSBASE: u64 = 0x10000;
export const CR4_OSXSAVE: u64 = 0x40000;
export const EFER_SCE: u64 = 1;
export const EFER_LMA: u64 = 0x400;

/** PE, MP, ET, NE, WP, AM, PG. */
const CR0: u64 = 0x80050033;
/** PAE, PGE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE. */
const CR4: u64 = 0x506a0;
/** SCE, LME, LMA, NXE. */
const EFER: u64 = 0xd01;
export const MXCSR_RESET: u32 = 0x1f80;
/** Bits that MXCSR has. */
export const MXCSR_MASK: u32 = 0xffff;
export const FCW_RESET: u16 = 0x37f;
/** XCR0: x87 (always set) and SSE. */
export const XCR0_X87: u64 = 1;
export const XCR0_SSE: u64 = 2;
export const XCR0_ALL: u64 = 3;
export const DR6_RESET: u64 = 0xffff0ff0;
export const DR7_RESET: u64 = 0x400;

/** As FNINIT leaves the x87, with empty registers that hold zero. */
export function reset_x87(cpu: Cpu): void {
  const legacy = legacy_of(cpu);
  const mxcsr = legacy.mxcsr;
  memory.fill(cpu.legacy_off, 0, LEGACY_SIZE);
  legacy.fcw = FCW_RESET;
  legacy.mxcsr = mxcsr;
  legacy.mxcsr_mask = MXCSR_MASK;
}

/** As a booted hypervisor leaves a processor: 64-bit mode, SSE, XSAVE and the segment base
 *  instructions switched on; no debug registers, no tables. */
export function reset_state(cpu: Cpu): void {
  cpu.cr0 = CR0;
  cpu.cr4 = CR4;
  cpu.efer = EFER;
  legacy_of(cpu).mxcsr = MXCSR_RESET;
  reset_x87(cpu);
  const system = system_of(cpu);
  memory.fill(cpu.system_off, 0, offsetof<SystemState>());
  system.dr6 = DR6_RESET;
  system.dr7 = DR7_RESET;
  system.xcr0 = XCR0_ALL;
}
