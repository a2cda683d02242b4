// Model-specific registers (Intel SDM vol. 4): those that this processor has; any other is #GP, as
// on a real one.

import { Cpu } from "../cpu";
import { header } from "../header";
import { is_canonical } from "../mem";
import { system_of } from "./state";

const IA32_TSC: u32 = 0x10;
const IA32_APIC_BASE: u32 = 0x1b;
const IA32_SYSENTER_CS: u32 = 0x174;
const IA32_SYSENTER_ESP: u32 = 0x175;
const IA32_SYSENTER_EIP: u32 = 0x176;
const IA32_PAT: u32 = 0x277;
const IA32_XSS: u32 = 0xda0;
const IA32_EFER: u32 = 0xc0000080;
const IA32_STAR: u32 = 0xc0000081;
const IA32_LSTAR: u32 = 0xc0000082;
const IA32_CSTAR: u32 = 0xc0000083;
const IA32_FMASK: u32 = 0xc0000084;
const IA32_FS_BASE: u32 = 0xc0000100;
const IA32_GS_BASE: u32 = 0xc0000101;
const IA32_KERNEL_GS_BASE: u32 = 0xc0000102;
const IA32_TSC_AUX: u32 = 0xc0000103;
/** x2APIC (SDM vol. 3, 10.12.1). */
const X2APIC_EOI: u32 = 0x80b;
const X2APIC_ICR: u32 = 0x830;

let send_ipi: ((target: u32, low: u32) => bool) | null = null;

/** Who takes interrupts that a CPU sends; false: there is no such interrupt. */
export function install_icr(hook: (target: u32, low: u32) => bool): void {
  send_ipi = hook;
}


@inline
export function is_icr(cpu: Cpu): bool {
  return <u32>cpu.rcx == X2APIC_ICR;
}

const APIC_BASE: u64 = 0xfee00800;
const APIC_BSP: u64 = 0x100;
const PAT_RESET: u64 = 0x0007040600070406;
/** SCE, LME, LMA, NXE. */
const EFER_BITS: u64 = 0xd01;

/** Instructions of the present run in front of the one that executes. */
let executed: u64 = 0;

export function set_executed(count: u64): void {
  executed = count;
}

/** The time stamp: virtual time, one nanosecond for each instruction. */
export function time_stamp(): u64 {
  return header().time_ns + executed;
}

/** Value of the MSR named by ECX into EDX:EAX; false: there is none. */
export function read_msr(cpu: Cpu): bool {
  let value: u64;
  // prettier-ignore
  switch (<u32>cpu.rcx) {
    case IA32_TSC: value = time_stamp(); break;
    case IA32_APIC_BASE: value = APIC_BASE | (cpu.id == 0 ? APIC_BSP : 0); break;
    case IA32_SYSENTER_CS: value = system_of(cpu).sysenter_cs; break;
    case IA32_SYSENTER_ESP: value = system_of(cpu).sysenter_esp; break;
    case IA32_SYSENTER_EIP: value = system_of(cpu).sysenter_eip; break;
    case IA32_PAT: value = PAT_RESET; break;
    case IA32_XSS: value = 0; break; // no state that only a supervisor saves
    case IA32_EFER: value = cpu.efer; break;
    case IA32_STAR: value = cpu.star; break;
    case IA32_LSTAR: value = cpu.lstar; break;
    case IA32_CSTAR: value = cpu.cstar; break;
    case IA32_FMASK: value = cpu.sfmask; break;
    case IA32_FS_BASE: value = cpu.fs_base; break;
    case IA32_GS_BASE: value = cpu.gs_base; break;
    case IA32_KERNEL_GS_BASE: value = cpu.kernel_gs_base; break;
    case IA32_TSC_AUX: value = cpu.id; break;
    default: return false;
  }
  cpu.rax = value & 0xffffffff;
  cpu.rdx = value >> 32;
  return true;
}

/** Writes EDX:EAX to the MSR named by ECX; false: there is none, or it cannot hold the value. */
export function write_msr(cpu: Cpu): bool {
  const value = (cpu.rdx << 32) | (cpu.rax & 0xffffffff);
  const msr = <u32>cpu.rcx;
  if (msr == IA32_EFER) {
    if ((value & ~EFER_BITS) != 0) return false;
    cpu.efer = value;
    return true;
  }
  if (msr == IA32_STAR) {
    cpu.star = value;
    return true;
  }
  if (msr == IA32_FMASK) {
    if (value >> 32 != 0) return false;
    cpu.sfmask = value;
    return true;
  }
  if (msr == X2APIC_EOI) return value == 0;
  if (msr == X2APIC_ICR) {
    const hook = send_ipi;
    return hook !== null && hook(<u32>(value >> 32), <u32>value);
  }
  if (msr == IA32_SYSENTER_CS) {
    system_of(cpu).sysenter_cs = value & 0xffffffff;
    return true;
  }
  if (msr == IA32_XSS) return value == 0;
  if (msr == IA32_PAT) return value == PAT_RESET;
  if (msr == IA32_TSC_AUX) return value == <u64>cpu.id;
  if (!is_canonical(value)) return false;
  // prettier-ignore
  switch (msr) {
    case IA32_SYSENTER_ESP: system_of(cpu).sysenter_esp = value; return true;
    case IA32_SYSENTER_EIP: system_of(cpu).sysenter_eip = value; return true;
    case IA32_LSTAR: cpu.lstar = value; return true;
    case IA32_CSTAR: cpu.cstar = value; return true;
    case IA32_FS_BASE: cpu.fs_base = value; return true;
    case IA32_GS_BASE: cpu.gs_base = value; return true;
    case IA32_KERNEL_GS_BASE: cpu.kernel_gs_base = value; return true;
    default: return false;
  }
}
