// Operation -> effect, of the rest: system instructions, and SSE, which control registers may
// switch off. Tables, as in dispatch.ts.

import { VECTOR_UD } from "../../abi";
import { Cpu } from "../cpu";
import { do_control, do_extended_control, do_status_word } from "./control";
import { do_far, do_iret, do_ret_far, do_syscall, do_sysenter, do_sysret } from "./far";
import { do_x87, has_sse } from "./fpu";
import { Insn } from "./insn";
import { Op } from "./ops";
import { do_random } from "./random";
import { FAULT, raise } from "./result";
import { do_load_far, do_segment, do_stack_segment, do_verify } from "./segment";
import {
  do_movd,
  do_movmsk,
  do_packed,
  do_packed_shift,
  do_shuffle,
  do_word,
  do_xmm_move,
} from "./sse";
import {
  do_flush,
  do_identify,
  do_invpcid,
  do_monitor,
  do_privileged,
  do_segment_base,
  do_trap,
  do_vmcall,
} from "./system";
import { do_load_selector, do_store_selector, do_table } from "./tables";
import { do_fxsave, do_mxcsr, do_xsave, in_use } from "./xsave";

export function execute_system(cpu: Cpu, insn: Insn): u32 {
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Int1: case Op.Int3: case Op.Int: case Op.Ud: return do_trap(cpu, insn);
    case Op.Hlt: case Op.Rdmsr: case Op.Wrmsr: case Op.Invlpg: case Op.Swapgs: case Op.Clts:
    case Op.Wbinvd: return do_privileged(cpu, insn);
    case Op.Cpuid: case Op.Rdtsc: case Op.Rdtscp: case Op.Rdpid:
    case Op.Rdpmc: return do_identify(cpu, insn);
    case Op.Rdrand: case Op.Rdseed: return do_random(cpu, insn);
    case Op.Rdfsbase: case Op.Rdgsbase: case Op.Wrfsbase:
    case Op.Wrgsbase: return do_segment_base(cpu, insn);
    case Op.Clflush: return do_flush(cpu, insn);
    case Op.Invpcid: return do_invpcid(cpu, insn);
    case Op.Monitor: case Op.Mwait: return do_monitor(cpu, insn);
    case Op.ReadCr: case Op.WriteCr: case Op.ReadDr: case Op.WriteDr: return do_control(cpu, insn);
    case Op.Smsw: case Op.Lmsw: return do_status_word(cpu, insn);
    case Op.Xgetbv: case Op.Xsetbv: return do_extended_control(cpu, insn, in_use(cpu));
    case Op.ReadSeg: case Op.WriteSeg: return do_segment(cpu, insn);
    case Op.PushSeg: case Op.PopSeg: return do_stack_segment(cpu, insn);
    case Op.LoadFar: return do_load_far(cpu, insn);
    case Op.Lar: case Op.Lsl: case Op.Verr: case Op.Verw: return do_verify(cpu, insn);
    case Op.Sgdt: case Op.Sidt: case Op.Lgdt: case Op.Lidt: return do_table(cpu, insn);
    case Op.Sldt: case Op.Str: return do_store_selector(cpu, insn);
    case Op.Lldt: case Op.Ltr: return do_load_selector(cpu, insn);
    case Op.CallFar: case Op.JmpFar: return do_far(cpu, insn);
    case Op.RetFar: return do_ret_far(cpu, insn);
    case Op.Iret: return do_iret(cpu, insn);
    case Op.Syscall: return do_syscall(cpu, insn);
    case Op.Sysret: return do_sysret(cpu, insn);
    case Op.Sysenter: case Op.Sysexit: return do_sysenter(cpu, insn);
    case Op.Vmcall: return do_vmcall(cpu, insn);
    case Op.Fninit: case Op.Fnclex: case Op.Fldcw: case Op.Fnstcw: case Op.Fnstsw:
    case Op.Fwait: return do_x87(cpu, insn);
    case Op.Stmxcsr: case Op.Ldmxcsr: return has_sse(cpu) ? do_mxcsr(cpu, insn) : FAULT;
    case Op.Fxsave: case Op.Fxrstor: return do_fxsave(cpu, insn);
    case Op.Xsave: case Op.Xsaveopt: case Op.Xsavec: case Op.Xsaves: case Op.Xrstor:
    case Op.Xrstors: return do_xsave(cpu, insn);
    default: return raise(VECTOR_UD, 0); // Op.Invalid
  }
}

export function execute_vector(cpu: Cpu, insn: Insn): u32 {
  if (insn.id == <u16>Op.Unsupported) return raise(VECTOR_UD, 0);
  if (!has_sse(cpu)) return FAULT;
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.MovD: case Op.MovDStore: return do_movd(cpu, insn);
    case Op.Pmovmskb: case Op.Movmskps: case Op.Movmskpd: return do_movmsk(cpu, insn);
    case Op.Pinsrw: case Op.Pextrw: return do_word(cpu, insn);
    case Op.Pxor: case Op.Por: case Op.Pand: case Op.Pandn:
    case Op.Packed: return do_packed(cpu, insn);
    case Op.Pshufd: case Op.Pshuflw: case Op.Pshufhw: case Op.Shufps:
    case Op.Shufpd: return do_shuffle(cpu, insn);
    case Op.PshiftX: case Op.PshiftImm: return do_packed_shift(cpu, insn);
    default: return do_xmm_move(cpu, insn);
  }
}
