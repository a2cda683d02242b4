// Operation -> effect: every instruction, at any width and with any operands. The executor's fast
// cases (exec.ts) are shortcuts for the most frequent ones and must mean the same. The switch is a
// table: one line for a case, dense, so that it becomes one indirect jump; that is why it may be
// longer than others. System instructions and SSE have tables of their own (dispatch_system.ts).

import { Cpu } from "../cpu";
import { do_alu, do_cmpxchg, do_cmpxchg8, do_unary, do_xadd, do_xchg } from "./alu";
import { do_bit_test, do_bswap, do_crc32, do_movbe, do_popcnt, do_scan } from "./bits";
import { do_adx, do_bmi } from "./bmi";
import { do_jcc, do_jump, do_jump_indirect, do_loop, do_ret } from "./branch";
import { do_cbw, do_cmov, do_cwd, do_extend, do_lea, do_mov, do_setcc, do_xlat } from "./data";
import { execute_system, execute_vector } from "./dispatch_system";
import { CF, change_flags, DF, FIXED } from "./flags";
import { Insn } from "./insn";
import { do_divide, do_divide_signed, do_multiply, do_multiply_to } from "./muldiv";
import { Op } from "./ops";
import { set_register } from "./operand";
import { do_port } from "./port";
import { DONE } from "./result";
import { do_double_shift, do_shift } from "./shift";
import { do_enter, do_leave, do_pop, do_popf, do_push, do_push_imm, do_pushf } from "./stack";
import { do_string } from "./string";
import { do_mask } from "./system";

const SAHF_FLAGS: u64 = 0xd5;

function do_flag(cpu: Cpu, insn: Insn): u32 {
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Clc: change_flags(cpu, CF, 0); break;
    case Op.Stc: change_flags(cpu, CF, CF); break;
    case Op.Cmc: cpu.rflags ^= CF; break;
    case Op.Cld: change_flags(cpu, DF, 0); break;
    case Op.Std: change_flags(cpu, DF, DF); break;
    case Op.Lahf: set_register(cpu, 1, 0, (cpu.rflags & SAHF_FLAGS) | FIXED); break;
    default: change_flags(cpu, SAHF_FLAGS, (cpu.rax >> 8) & SAHF_FLAGS);
  }
  return DONE;
}

/** Executes one instruction whose first byte is at Cpu.rip. Flags in Cpu.rflags are complete. */
export function execute(cpu: Cpu, insn: Insn): u32 {
  // prettier-ignore
  switch (<u32>insn.id) {
    case Op.Add: case Op.Or: case Op.Adc: case Op.Sbb: case Op.And: case Op.Sub: case Op.Xor:
    case Op.Cmp: case Op.Test: return do_alu(cpu, insn);
    case Op.Mov: return do_mov(cpu, insn);
    case Op.Xchg: return do_xchg(cpu, insn);
    case Op.Lea: return do_lea(cpu, insn);
    case Op.Inc: case Op.Dec: case Op.Not: case Op.Neg: return do_unary(cpu, insn);
    case Op.Mul: case Op.Imul1: return do_multiply(cpu, insn);
    case Op.Div: return do_divide(cpu, insn);
    case Op.Idiv: return do_divide_signed(cpu, insn);
    case Op.Imul2: case Op.Imul3: return do_multiply_to(cpu, insn);
    case Op.Rol: case Op.Ror: case Op.Rcl: case Op.Rcr: case Op.Shl: case Op.Shr: case Op.Sal:
    case Op.Sar: return do_shift(cpu, insn);
    case Op.Shld: case Op.Shrd: return do_double_shift(cpu, insn);
    case Op.Bt: case Op.Bts: case Op.Btr: case Op.Btc: return do_bit_test(cpu, insn);
    case Op.Bsf: case Op.Bsr: case Op.Tzcnt: case Op.Lzcnt: return do_scan(cpu, insn);
    case Op.Popcnt: return do_popcnt(cpu, insn);
    case Op.Bswap: return do_bswap(cpu, insn);
    case Op.Movzx: case Op.Movsx: return do_extend(cpu, insn);
    case Op.Cbw: return do_cbw(cpu, insn);
    case Op.Cwd: return do_cwd(cpu, insn);
    case Op.Setcc: return do_setcc(cpu, insn);
    case Op.Cmov: return do_cmov(cpu, insn);
    case Op.Xadd: return do_xadd(cpu, insn);
    case Op.Cmpxchg: return do_cmpxchg(cpu, insn);
    case Op.Cmpxchg8: return do_cmpxchg8(cpu, insn);
    case Op.MovbeLoad: case Op.MovbeStore: return do_movbe(cpu, insn);
    case Op.Crc32: return do_crc32(cpu, insn);
    case Op.Push: return do_push(cpu, insn);
    case Op.PushImm: return do_push_imm(cpu, insn);
    case Op.Pop: return do_pop(cpu, insn);
    case Op.Pushf: return do_pushf(cpu, insn);
    case Op.Popf: return do_popf(cpu, insn);
    case Op.Leave: return do_leave(cpu, insn);
    case Op.Enter: return do_enter(cpu, insn);
    case Op.Call: case Op.Jmp: return do_jump(cpu, insn);
    case Op.CallRm: case Op.JmpRm: return do_jump_indirect(cpu, insn);
    case Op.Ret: return do_ret(cpu, insn);
    case Op.Jcc: return do_jcc(cpu, insn);
    case Op.Loopne: case Op.Loope: case Op.Loop: case Op.Jrcxz: return do_loop(cpu, insn);
    case Op.Movs: case Op.Stos: case Op.Lods: case Op.Scas: case Op.Cmps: case Op.Ins:
    case Op.Outs: return do_string(cpu, insn);
    case Op.Clc: case Op.Stc: case Op.Cmc: case Op.Cld: case Op.Std: case Op.Lahf:
    case Op.Sahf: return do_flag(cpu, insn);
    case Op.Cli: case Op.Sti: case Op.Clac: case Op.Stac: return do_mask(cpu, insn);
    case Op.Xlat: return do_xlat(cpu, insn);
    case Op.Nop: case Op.NopRm: return DONE;
    case Op.In: case Op.Out: return do_port(cpu, insn);
    case Op.Andn: case Op.Bextr: case Op.Blsr: case Op.Blsmsk: case Op.Blsi: case Op.Bzhi:
    case Op.Pdep: case Op.Pext: case Op.Mulx: case Op.Rorx: case Op.Shlx: case Op.Sarx:
    case Op.Shrx: return do_bmi(cpu, insn);
    case Op.Adcx: case Op.Adox: return do_adx(cpu, insn);
    default:
      return insn.id < <u16>Op.MovX ? execute_system(cpu, insn) : execute_vector(cpu, insn);
  }
}
