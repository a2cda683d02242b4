// Control and debug registers (Intel SDM vol. 3, 2.5, 2.6 and 17.2; vol. 2: MOV to and from them,
// SMSW, LMSW, CLTS, XGETBV, XSETBV). Bits that this processor does not have are refused as a real
// one refuses them. Paging and 64-bit mode cannot be left. Debug registers hold what is written;
// no breakpoint in them ever matches.

import { VECTOR_DB, VECTOR_GP, VECTOR_UD } from "../../abi";
import { Cpu } from "../cpu";
import { flush_tlb } from "../pages";
import { Insn, INSN_MEM } from "./insn";
import { Op } from "./ops";
import { load_width, rm_read, rm_write, set_register, set_rm } from "./operand";
import { DONE, FAULT, raise } from "./result";
import {
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR4_DE,
  CR4_OSXSAVE,
  CR4_PAE,
  DR6_RESET,
  DR7_RESET,
  SystemState,
  system_of,
  XCR0_ALL,
  XCR0_X87,
} from "./state";
import { is_hidden } from "./tables";

/** PE MP EM TS ET NE WP AM NW CD PG; others of the low half are ignored. */
const CR0_BITS: u64 = 0xe005003f;
/** TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP FSGSBASE OSXSAVE SMAP. */
const CR4_BITS: u64 = 0x250ffc;
const CR3_RESERVED: u64 = 0xfff0000000000000;
const LMSW_BITS: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS;

// DR6: B0-B3 BD BS BT may change. DR7: all but bits 10 (one) and 11, 12, 14, 15 (zero).
const DR6_BITS: u64 = 0xe00f;
export const DR6_BD: u64 = 0x2000;
export const DR6_BS: u64 = 0x4000;
const DR7_BITS: u64 = 0xffff23ff;
const DR7_GD: u64 = 0x2000;

function write_cr0(cpu: Cpu, value: u64): bool {
  if (value >> 32 != 0 || (value & CR0_PE) == 0 || (value & CR0_PG) == 0) return false;
  if ((value & CR0_NW) != 0 && (value & CR0_CD) == 0) return false;
  cpu.cr0 = (value & CR0_BITS) | CR0_ET;
  return true;
}

/** False: it cannot hold the value. */
function write_cr(cpu: Cpu, number: u32, value: u64): bool {
  switch (number) {
    case 0:
      return write_cr0(cpu, value);
    case 2:
      cpu.cr2 = value;
      return true;
    case 3:
      if ((value & CR3_RESERVED) != 0) return false;
      cpu.cr3 = value;
      flush_tlb();
      return true;
    case 4:
      if ((value & ~CR4_BITS) != 0 || (value & CR4_PAE) == 0) return false;
      cpu.cr4 = value;
      return true;
    default:
      if (value > 15) return false;
      cpu.cr8 = value;
      return true;
  }
}

function read_cr(cpu: Cpu, number: u32): u64 {
  if (number == 0) return cpu.cr0;
  if (number == 2) return cpu.cr2;
  if (number == 3) return cpu.cr3;
  return number == 4 ? cpu.cr4 : cpu.cr8;
}

/** DR0 to DR3, 6 and 7; 4 and 5 are other names of these, but with CR4.DE. */
function do_debug(cpu: Cpu, insn: Insn, number: u32): u32 {
  const system = system_of(cpu);
  if (number > 7 || ((number & 6) == 4 && (cpu.cr4 & CR4_DE) != 0)) return raise(VECTOR_UD, 0);
  if ((system.dr7 & DR7_GD) != 0) {
    system.dr6 |= DR6_BD;
    system.dr7 &= ~DR7_GD;
    return raise(VECTOR_DB, 0);
  }
  if ((number & 6) == 4) number += 2;
  const at: usize = number < 4 ? (<usize>number) << 3 : offsetof<SystemState>("dr6");
  const off = cpu.system_off + (number == 7 ? offsetof<SystemState>("dr7") : at);
  if (insn.id == Op.ReadDr) {
    set_register(cpu, insn.rm, 3, load<u64>(off));
    return DONE;
  }
  let value = load<u64>(changetype<usize>(cpu) + insn.rm);
  if (number >= 6) {
    if (value >> 32 != 0) return raise(VECTOR_GP, 0);
    value = number == 6 ? (value & DR6_BITS) | DR6_RESET : (value & DR7_BITS) | DR7_RESET;
  }
  store<u64>(off, value);
  return DONE;
}

/** MOV to and from control and debug registers. */
export function do_control(cpu: Cpu, insn: Insn): u32 {
  const number: u32 = insn.reg >> 3;
  const is_debug = insn.id == Op.ReadDr || insn.id == Op.WriteDr;
  const exists = is_debug || number == 0 || (number >= 2 && number <= 4) || number == 8;
  if (!exists) return raise(VECTOR_UD, 0);
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  if (is_debug) return do_debug(cpu, insn, number);
  if (insn.id == Op.ReadCr) {
    set_register(cpu, insn.rm, 3, read_cr(cpu, number));
    return DONE;
  }
  const value = load<u64>(changetype<usize>(cpu) + insn.rm);
  return write_cr(cpu, number, value) ? DONE : raise(VECTOR_GP, 0);
}

/** SMSW LMSW: the low half of CR0. LMSW cannot clear PE. */
export function do_status_word(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.Smsw) {
    if (is_hidden(cpu)) return raise(VECTOR_GP, 0);
    const width: u32 = insn.has(INSN_MEM) ? 1 : insn.width;
    const off = rm_write(cpu, insn, width);
    if (off == 0) return FAULT;
    set_rm(cpu, insn, off, width, cpu.cr0);
    return DONE;
  }
  if (cpu.user != 0) return raise(VECTOR_GP, 0);
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  cpu.cr0 = (cpu.cr0 & ~(LMSW_BITS & ~CR0_PE)) | (load_width(off, 1) & LMSW_BITS);
  return DONE;
}

/** XGETBV: XCR0, or with ECX 1 the parts of it that are in use. XSETBV. */
export function do_extended_control(cpu: Cpu, insn: Insn, in_use: u64): u32 {
  if ((cpu.cr4 & CR4_OSXSAVE) == 0) return raise(VECTOR_UD, 0);
  const system = system_of(cpu);
  const number = <u32>cpu.rcx;
  if (insn.id == Op.Xgetbv) {
    if (number > 1) return raise(VECTOR_GP, 0);
    cpu.rax = number == 0 ? system.xcr0 : system.xcr0 & in_use;
    cpu.rdx = 0;
    return DONE;
  }
  const value = (cpu.rdx << 32) | (cpu.rax & 0xffffffff);
  const valid = (value & XCR0_X87) != 0 && (value & ~XCR0_ALL) == 0;
  if (cpu.user != 0 || number != 0 || !valid) return raise(VECTOR_GP, 0);
  system.xcr0 = value;
  return DONE;
}
