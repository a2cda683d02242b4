// The x87 as far as it is a matter of the system and not of numbers (Intel SDM vol. 1, 8.1; vol. 3,
// 2.5): when it and SSE may be used at all, its control and status words, and the errors that wait
// in them. What computes with its registers is not here and raises #UD.

import { VECTOR_MF, VECTOR_NM, VECTOR_UD } from "../../abi";
import { Cpu } from "../cpu";
import { Insn, INSN_MEM } from "./insn";
import { Op } from "./ops";
import { rm_read, rm_write, set_register, set_rm } from "./operand";
import { DONE, FAULT, raise } from "./result";
import { CR0_EM, CR0_MP, CR0_TS, CR4_OSFXSR, FCW_RESET, legacy_of } from "./state";

/** Exceptions of the status word, masked by the same bits of the control word. */
const EXCEPTIONS: u32 = 0x3f;
const ERROR_SUMMARY: u32 = 0x80;
const STACK_FAULT: u32 = 0x40;
const BUSY: u32 = 0x8000;
/** Bits that the control word has, and one that is always set. */
const CONTROL_BITS: u32 = 0x1f3f;
const CONTROL_FIXED: u32 = 0x40;

/** May x87 state and FXSAVE be used? False with #NM (vol. 3, table 2-2). */
export function available(cpu: Cpu): bool {
  if ((cpu.cr0 & (CR0_EM | CR0_TS)) == 0) return true;
  raise(VECTOR_NM, 0);
  return false;
}

/** May SSE instructions be used? False with #UD or #NM (vol. 3, table 2-2 and 13.1). */
export function has_sse(cpu: Cpu): bool {
  if ((cpu.cr0 & (CR0_EM | CR0_TS)) == 0 && (cpu.cr4 & CR4_OSFXSR) != 0) return true;
  const off = (cpu.cr0 & CR0_EM) != 0 || (cpu.cr4 & CR4_OSFXSR) == 0;
  raise(off ? VECTOR_UD : VECTOR_NM, 0);
  return false;
}

/** Sets the status word; two of its bits say whether an error waits. */
export function set_status(cpu: Cpu, status: u32): void {
  const legacy = legacy_of(cpu);
  const waits = (status & ~(<u32>legacy.fcw) & EXCEPTIONS) != 0;
  status &= ~(ERROR_SUMMARY | BUSY);
  legacy.fsw = <u16>(waits ? status | ERROR_SUMMARY | BUSY : status);
}

/** Sets the control word: some of its bits are not there, or fixed. */
export function set_control(cpu: Cpu, control: u32): void {
  legacy_of(cpu).fcw = <u16>((control & CONTROL_BITS) | CONTROL_FIXED);
  set_status(cpu, legacy_of(cpu).fsw);
}

/** An error that nobody masks is reported by the next instruction that waits for it. */
function has_error(cpu: Cpu): bool {
  if (((<u32>legacy_of(cpu).fsw) & ERROR_SUMMARY) == 0) return false;
  raise(VECTOR_MF, 0);
  return true;
}

function load_control(cpu: Cpu, insn: Insn): u32 {
  if (has_error(cpu)) return FAULT;
  const off = rm_read(cpu, insn, 1);
  if (off == 0) return FAULT;
  set_control(cpu, load<u16>(off));
  return DONE;
}

/** FNINIT: the registers keep their values, but are empty. */
function initialise(cpu: Cpu): void {
  const legacy = legacy_of(cpu);
  legacy.fcw = FCW_RESET;
  legacy.fsw = 0;
  legacy.ftw = 0;
  legacy.fop = 0;
  legacy.fip = 0;
  legacy.fdp = 0;
}

/** FNINIT FNCLEX FLDCW FNSTCW FNSTSW FWAIT. */
export function do_x87(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == Op.Fwait) {
    const monitored = CR0_MP | CR0_TS;
    if ((cpu.cr0 & monitored) == monitored) return raise(VECTOR_NM, 0);
    return has_error(cpu) ? FAULT : DONE;
  }
  if (!available(cpu)) return FAULT;
  const legacy = legacy_of(cpu);
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Fninit: initialise(cpu); return DONE;
    case Op.Fnclex: set_status(cpu, legacy.fsw & ~(EXCEPTIONS | STACK_FAULT)); return DONE;
    case Op.Fldcw: return load_control(cpu, insn);
    default: break;
  }
  const value: u32 = insn.id == Op.Fnstcw ? legacy.fcw : legacy.fsw;
  if (!insn.has(INSN_MEM)) {
    set_register(cpu, 0, 1, value);
    return DONE;
  }
  const off = rm_write(cpu, insn, 1);
  if (off == 0) return FAULT;
  set_rm(cpu, insn, off, 1, value);
  return DONE;
}
