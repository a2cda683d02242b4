// CPUID: what this processor says about itself (Intel SDM vol. 2, CPUID). It announces what it has
// and nothing else.

import { Cpu } from "../cpu";
import { CR4_OSXSAVE } from "./state";

function answer(cpu: Cpu, eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  cpu.rax = eax;
  cpu.rbx = ebx;
  cpu.rcx = ecx;
  cpu.rdx = edx;
}

/** Leaf 1 EDX: DE PSE TSC MSR PAE MCE CX8 APIC SEP PGE CMOV CLFSH FXSR SSE SSE2. */
const LEAF1_EDX: u32 = 0x0708abfc;
/** Leaf 1 ECX: MONITOR CX16 SSE4.2 (for CRC32) MOVBE POPCNT XSAVE RDRAND HYPERVISOR. */
const LEAF1_ECX: u32 = 0xc4d02008;
const LEAF1_ECX_OSXSAVE: u32 = 0x08000000;
/** Leaf 7 EBX: FSGSBASE BMI1 BMI2 ERMS INVPCID RDSEED ADX SMAP CLFLUSHOPT CLWB. */
const LEAF7_EBX: u32 = 0x019c0709;
/** Leaf 7 ECX: UMIP RDPID. EDX: SERIALIZE. */
const LEAF7_ECX: u32 = 0x00400004;
const LEAF7_EDX: u32 = 0x00004000;
/** Of XSAVE's area: the legacy part and the header. */
const XSAVE_SIZE: u32 = 576;
/** XSAVEOPT XSAVEC XGETBV-with-1 XSAVES. */
const XSAVE_FORMS: u32 = 15;
/** LAHF LZCNT PREFETCHW; SYSCALL NX RDTSCP LM. */
const EXTENDED_ECX: u32 = 0x121;
const EXTENDED_EDX: u32 = 0x28100800;

export function identify(cpu: Cpu): void {
  const leaf = <u32>cpu.rcx;
  const os_xsave = (cpu.cr4 & CR4_OSXSAVE) != 0 ? LEAF1_ECX_OSXSAVE : 0;
  // prettier-ignore
  switch (<u32>cpu.rax) {
    case 0: return answer(cpu, 13, 0x756e6547, 0x6c65746e, 0x49656e69); // "GenuineIntel"
    case 1:
      return answer(cpu, 0x000306f0, (cpu.id << 24) | 0x0800, LEAF1_ECX | os_xsave, LEAF1_EDX);
    case 5: return answer(cpu, 64, 64, 3, 0); // MONITOR's line; interrupts end MWAIT
    case 7:
      if (leaf != 0) return answer(cpu, 0, 0, 0, 0);
      return answer(cpu, 0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX);
    case 13:
      if (leaf == 0) return answer(cpu, 3, XSAVE_SIZE, XSAVE_SIZE, 0);
      return answer(cpu, leaf == 1 ? XSAVE_FORMS : 0, leaf == 1 ? XSAVE_SIZE : 0, 0, 0);
    case 0x80000000: return answer(cpu, 0x80000008, 0, 0, 0);
    case 0x80000001: return answer(cpu, 0, 0, EXTENDED_ECX, EXTENDED_EDX);
    case 0x80000002: return answer(cpu, 0x6c705378, 0x20656369, 0x74726976, 0x206c6175);
    case 0x80000003: return answer(cpu, 0x00555043, 0, 0, 0); // "xSplice virtual CPU"
    case 0x80000008: return answer(cpu, 0x3030, 0, 0, 0);
    default: return answer(cpu, 0, 0, 0, 0);
  }
}
