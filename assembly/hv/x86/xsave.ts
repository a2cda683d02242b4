// Saving and restoring the state of x87 and SSE (Intel SDM vol. 1, 10.5 and ch. 13; vol. 2: FXSAVE,
// FXRSTOR, XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, LDMXCSR, STMXCSR). Both components lie
// in the legacy area, so that the compacted format differs in its header alone. An area is checked
// as a whole before anything of it, or of the registers, changes.

import { VECTOR_GP, VECTOR_UD } from "../../abi";
import { Cpu } from "../cpu";
import { copy_from_va, copy_to_va, is_canonical, translate_read, translate_write } from "../mem";
import { PAGE_SIZE } from "../param";
import { available, set_control } from "./fpu";
import { Insn } from "./insn";
import { Op } from "./ops";
import { address_va, misaligned, rm_read, rm_write, set_rm } from "./operand";
import { DONE, FAULT, raise } from "./result";
import {
  CR0_TS,
  CR4_OSXSAVE,
  FCW_RESET,
  LEGACY_SIZE,
  LegacyState,
  legacy_of,
  MXCSR_MASK,
  MXCSR_RESET,
  reset_x87,
  system_of,
  XCR0_SSE,
  XCR0_X87,
} from "./state";

const XMM_SIZE: usize = 256;
const MXCSR_AT: usize = 24;
const MXCSR_SIZE: usize = 8;
/** The legacy area as far as it is written; FXSAVE's has 512 bytes, and XSAVE's header follows. */
const USED: usize = LEGACY_SIZE + XMM_SIZE;
const FXSAVE_SIZE: u64 = 512;
const HEADER_SIZE: u64 = 64;
const COMPACT: u64 = 0x8000000000000000;

/** A copy of the area: its legacy part, then the header. */
const AREA = memory.data(576);
const HEADER: usize = AREA + 512;


@inline
function area(): LegacyState {
  return changetype<LegacyState>(AREA);
}

/** Is `mask` of the area at `va` aligned, and there to be read or written? */
function check_area(va: u64, size: u64, mask: u64, writes: bool): bool {
  // FXSAVE and FXRSTOR look at the address first (AMD), which then says #GP or #SS.
  if ((mask != 15 || is_canonical(va)) && misaligned(va, mask)) return false;
  const last = va + size - 1;
  const second = (last & ~(<u64>PAGE_SIZE - 1)) > va ? last & ~(<u64>PAGE_SIZE - 1) : va;
  if (writes) return translate_write(va) != 0 && translate_write(second) != 0;
  return translate_read(va) != 0 && translate_read(second) != 0;
}

/** Components that are not as after reset (XINUSE). */
export function in_use(cpu: Cpu): u64 {
  let used: u64 = legacy_of(cpu).fcw != FCW_RESET ? XCR0_X87 : 0;
  for (let at: usize = 2; at < LEGACY_SIZE; at += 2) {
    const is_mxcsr = at >= MXCSR_AT && at < MXCSR_AT + MXCSR_SIZE;
    if (!is_mxcsr && load<u16>(cpu.legacy_off + at) != 0) used |= XCR0_X87;
  }
  for (let at: usize = 0; at < XMM_SIZE; at += 8) {
    if (load<u64>(cpu.xmm_off + at) != 0) used |= XCR0_SSE;
  }
  return used;
}

/** Instruction and data pointers have 64 bits with REX.W, else 32 and a selector, which is 0. */
function narrow_pointers(insn: Insn): void {
  if (insn.width == 3) return;
  area().fip &= 0xffffffff;
  area().fdp &= 0xffffffff;
}

/** Writes `count` bytes of the copy, from `at` on, to where they belong in memory. */
function put(va: u64, at: usize, count: u64): void {
  copy_to_va(va + at, AREA + at, count);
}

function put_components(cpu: Cpu, insn: Insn, va: u64, components: u64, mxcsr: bool): void {
  memory.copy(AREA, cpu.legacy_off, LEGACY_SIZE);
  memory.copy(AREA + LEGACY_SIZE, cpu.xmm_off, XMM_SIZE);
  narrow_pointers(insn);
  if ((components & XCR0_X87) != 0) {
    put(va, 0, MXCSR_AT);
    put(va, 32, LEGACY_SIZE - 32);
  }
  if (mxcsr) put(va, MXCSR_AT, MXCSR_SIZE);
  if ((components & XCR0_SSE) != 0) put(va, LEGACY_SIZE, XMM_SIZE);
}

/** Takes the x87's part of the copy. */
function take_x87(cpu: Cpu): void {
  const mxcsr = legacy_of(cpu).mxcsr;
  memory.copy(cpu.legacy_off, AREA, LEGACY_SIZE);
  const legacy = legacy_of(cpu);
  legacy.mxcsr = mxcsr;
  legacy.mxcsr_mask = MXCSR_MASK;
  legacy.pad0 = 0;
  for (let st: usize = 32; st < LEGACY_SIZE; st += 16) {
    store<u16>(cpu.legacy_off + st, 0, 10);
    store<u32>(cpu.legacy_off + st, 0, 12);
  }
  set_control(cpu, legacy.fcw);
}

function is_mxcsr_valid(value: u32): bool {
  return (value & ~MXCSR_MASK) == 0;
}

/** FXSAVE FXRSTOR. */
export function do_fxsave(cpu: Cpu, insn: Insn): u32 {
  if (!available(cpu)) return FAULT;
  const va = address_va(cpu, insn);
  const writes = insn.id == Op.Fxsave;
  if (!check_area(va, FXSAVE_SIZE, 15, writes)) return FAULT;
  if (writes) {
    put_components(cpu, insn, va, XCR0_X87 | XCR0_SSE, true);
    return DONE;
  }
  copy_from_va(AREA, va, USED);
  if (!is_mxcsr_valid(area().mxcsr)) return raise(VECTOR_GP, 0);
  narrow_pointers(insn);
  take_x87(cpu);
  legacy_of(cpu).mxcsr = area().mxcsr;
  memory.copy(cpu.xmm_off, AREA + LEGACY_SIZE, XMM_SIZE);
  return DONE;
}


@inline
function requested(cpu: Cpu): u64 {
  return ((cpu.rdx << 32) | (cpu.rax & 0xffffffff)) & system_of(cpu).xcr0;
}

/** XSAVE XSAVEOPT XSAVEC XSAVES: the components of EDX:EAX. The last three leave out what is as
 *  after reset. */
function save(cpu: Cpu, insn: Insn, va: u64): u32 {
  const wanted = requested(cpu);
  const id: u32 = insn.id;
  const compact = id == Op.Xsavec || id == Op.Xsaves;
  let present = in_use(cpu) & wanted;
  if (compact && (wanted & XCR0_SSE) != 0 && legacy_of(cpu).mxcsr != MXCSR_RESET) {
    present |= XCR0_SSE;
  }
  const written = id == Op.Xsave ? wanted : present;
  put_components(cpu, insn, va, written, ((compact ? present : wanted) & XCR0_SSE) != 0);
  if (compact) {
    store<u64>(HEADER, present);
    store<u64>(HEADER, wanted | COMPACT, 8);
    put(va, 512, 16);
    return DONE;
  }
  copy_from_va(HEADER, va + 512, 8);
  store<u64>(HEADER, (load<u64>(HEADER) & ~wanted) | present);
  put(va, 512, 8);
  return DONE;
}

/** Is the header one that XRSTOR takes? */
function is_header_valid(cpu: Cpu, supervisor: bool): bool {
  const present = load<u64>(HEADER);
  const layout = load<u64>(HEADER, 8);
  const xcr0 = system_of(cpu).xcr0;
  const compact = (layout & COMPACT) != 0;
  const reserved_end: usize = compact ? 64 : 24;
  for (let at: usize = 16; at < reserved_end; at += 8) {
    if (load<u64>(HEADER + at) != 0) return false;
  }
  if (!compact) return !supervisor && layout == 0 && (present & ~xcr0) == 0;
  return (layout & ~(xcr0 | COMPACT)) == 0 && (present & ~layout) == 0;
}

/** XRSTOR XRSTORS: components that the area does not have become as after reset. */
function restore(cpu: Cpu, insn: Insn, va: u64): u32 {
  copy_from_va(AREA, va, USED);
  copy_from_va(HEADER, va + 512, HEADER_SIZE);
  if (!is_header_valid(cpu, insn.id == Op.Xrstors)) return raise(VECTOR_GP, 0);
  const wanted = requested(cpu);
  const present = load<u64>(HEADER) & wanted;
  const compact = (load<u64>(HEADER, 8) & COMPACT) != 0;
  // In the standard format MXCSR is there whenever SSE is asked for.
  const sse = (wanted & XCR0_SSE) != 0;
  const mxcsr = compact && (present & XCR0_SSE) == 0 ? MXCSR_RESET : area().mxcsr;
  if (sse && !is_mxcsr_valid(mxcsr)) return raise(VECTOR_GP, 0);
  narrow_pointers(insn);
  if ((present & XCR0_X87) != 0) take_x87(cpu);
  else if ((wanted & XCR0_X87) != 0) reset_x87(cpu);
  if (!sse) return DONE;
  legacy_of(cpu).mxcsr = mxcsr;
  if ((present & XCR0_SSE) != 0) memory.copy(cpu.xmm_off, AREA + LEGACY_SIZE, XMM_SIZE);
  else memory.fill(cpu.xmm_off, 0, XMM_SIZE);
  return DONE;
}

/** The XSAVE family, with XSAVES and XRSTORS for ring 0. */
export function do_xsave(cpu: Cpu, insn: Insn): u32 {
  const id: u32 = insn.id;
  if ((cpu.cr4 & CR4_OSXSAVE) == 0) return raise(VECTOR_UD, 0);
  if (cpu.user != 0 && (id == Op.Xsaves || id == Op.Xrstors)) return raise(VECTOR_GP, 0);
  if ((cpu.cr0 & CR0_TS) != 0 && !available(cpu)) return FAULT;
  const va = address_va(cpu, insn);
  const restores = id == Op.Xrstor || id == Op.Xrstors;
  if (!check_area(va, FXSAVE_SIZE + HEADER_SIZE, 63, !restores)) return FAULT;
  return restores ? restore(cpu, insn, va) : save(cpu, insn, va);
}

/** LDMXCSR STMXCSR. */
export function do_mxcsr(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.Ldmxcsr) {
    const off = rm_read(cpu, insn, 2);
    if (off == 0) return FAULT;
    const value = load<u32>(off);
    if (!is_mxcsr_valid(value)) return raise(VECTOR_GP, 0);
    legacy_of(cpu).mxcsr = value;
    return DONE;
  }
  const off = rm_write(cpu, insn, 2);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, 2, legacy_of(cpu).mxcsr);
  return DONE;
}
