// The executor: runs the records of decoded blocks. One switch over all cases, because that is what
// makes it fast: the state of a run (flags not yet worked out, record, block, budget) stays in
// locals, and each case is one or two lines. It is the one long function of the project; read it as
// a table. A case that goes on with the next record ends in `continue`; a `break` leaves the block:
// through `link`, to `va` when the link is DYNAMIC, or with a fault latched in mem.ts when nobody
// set a link.

import { STOP_BUDGET, STOP_FAULT, STOP_RETURN, VECTOR_PF, VECTOR_SS } from "../../abi";
import { Cpu } from "../cpu";
import { RETURN_VA } from "../layout";
import {
  code_context,
  fault_error,
  fault_is_address,
  fault_va,
  fault_vector,
  is_hypervisor_va,
  latch_fault,
  read_at,
  write_at,
} from "../mem";
import { PAGE_SIZE } from "../param";
import {
  BLOCK_CONTEXT,
  BLOCK_COUNT,
  BLOCK_GEN,
  BLOCK_GEN_OFF,
  BLOCK_NEXT,
  BLOCK_NEXT_VA,
  BLOCK_RECORDS,
  BLOCK_TAKEN,
  BLOCK_VA,
  LINK_VA,
} from "./blocks";
import { find_block, flush_count, hash_slot } from "./cache";
import { Case } from "./cases";
import { execute } from "./dispatch";
import {
  address,
  based,
  branch,
  compare_says,
  detail,
  DYNAMIC,
  FAULTED,
  immediate,
  jump_link,
  load16,
  load32,
  load64,
  load8,
  m16,
  m32,
  m64,
  m8,
  put_m32,
  put_m64,
  put_m8,
  put_r32,
  put_r64,
  put_r8,
  r32,
  r64,
  r8,
  result_says,
  sar_flags,
  shl_flags,
  shr_flags,
  STOPPED,
  store16,
  store32,
  store64,
} from "./fields";
import { CF } from "./flags";
import { Insn, INSN_SIZE } from "./insn";
import {
  ADD,
  DEC,
  EAGER,
  IMUL,
  INC,
  lazy_carry,
  lazy_condition,
  LOGIC,
  settle_flags,
  SHIFT,
  SUB,
} from "./lazy";
import { set_executed } from "./msr";
import { is_stack_access } from "./stack";
import { DONE, JUMP, STOP } from "./result";

const NEXT: usize = INSN_SIZE;

/** Instructions retired by the last `run_blocks`. */
let retired: i32 = 0;
export function retired_last(): u32 {
  return retired;
}
/** Instructions of the present run in front of the next `run_blocks`. */
let before: u64 = 0;
export function set_retired_before(count: u64): void {
  before = count;
  retired = 0;
}


@inline
function is_stale(block: usize): bool {
  return load<u32>(load<u32>(block, BLOCK_GEN_OFF)) != load<u32>(block, BLOCK_GEN);
}

/** The block behind a link that does not know it (any more); remembers it. */
function follow(block: usize, link: usize): usize {
  const va = load<u64>(link, LINK_VA);
  const flushes = flush_count();
  const next = find_block(va);
  // A link means the same address in every context of the block only within one half.
  const same_half = is_hypervisor_va(va) == is_hypervisor_va(load<u64>(block, BLOCK_VA));
  if (next != 0 && same_half && flushes == flush_count()) store<u32>(link, next);
  return next;
}

/** The block at a computed address. */
@inline
function lookup(va: u64): usize {
  const block: usize = load<u32>(hash_slot(va));
  if (block == 0 || load<u64>(block, BLOCK_VA) != va || is_stale(block)) return find_block(va);
  return load<u64>(block, BLOCK_CONTEXT) == code_context(va) ? block : find_block(va);
}


@inline
function insn_va(block: usize, ip: usize): u64 {
  return (load<u64>(block, BLOCK_VA) & ~(<u64>PAGE_SIZE - 1)) | changetype<Insn>(ip).start;
}

/** An instruction by its operation. `executed`: instructions of this call in front of it. */
function run_generic(cpu: Cpu, block: usize, ip: usize, executed: i32): u32 {
  cpu.rip = insn_va(block, ip);
  set_executed(before + executed);
  return execute(cpu, changetype<Insn>(ip));
}

/** Ends with what mem.ts latched about the instruction at `va`. */
export function stop_fault(cpu: Cpu, va: u64): u32 {
  cpu.rip = va;
  if (va == RETURN_VA) return STOP_RETURN;
  cpu.fault_vector = fault_vector;
  cpu.fault_error = fault_error;
  cpu.fault_va = fault_va;
  cpu.fault_rip = va;
  if (fault_vector == VECTOR_PF) cpu.cr2 = fault_va;
  return STOP_FAULT;
}

/**
 * Executes whole blocks from Cpu.rip on (or from `first`, which is decoded code for it) while they
 * fit into `limit` instructions. Returns STOP_*; STOP_BUDGET when the next block did not fit.
 */
export function run_blocks(registers: Cpu, limit: i32, first: usize): u32 {
  const cpu = changetype<usize>(registers);
  let left = limit;
  let block: usize = 0;
  let ip: usize = 0;
  let link = FAULTED;
  let off: usize = 0;
  let va = registers.rip;
  let n: u64 = 0;
  let fk = EAGER;
  let fa: u64 = 0;
  let fb: u64 = 0;
  let result = DONE;
  let next = first != 0 ? first : lookup(va);
  retired = 0;
  if (next == 0) return stop_fault(registers, va);
  left -= load<i32>(next, BLOCK_COUNT);
  if (left < 0) return STOP_BUDGET;
  block = next;

  // prettier-ignore
  for (ip = block + BLOCK_RECORDS; ; ip += NEXT) {
    switch (<u32>load<u16>(ip)) {
      case Case.Generic:
        settle_flags(registers, fk, fa, fb);
        fk = EAGER;
        n = load<u32>(block, BLOCK_COUNT) - load<u8>(ip, 10);
        result = run_generic(registers, block, ip, limit - left - <i32>n);
        if (result == DONE) continue;
        va = registers.rip;
        link = result == JUMP ? DYNAMIC : result >= STOP ? STOPPED : FAULTED;
        break;
      // ADD
      case Case.AddRR32: fa = m32(cpu, ip); fb = <u64>(<i32>(fa + r32(cpu, ip))); fk = ADD | 2;
        put_m32(cpu, ip, fb); continue;
      case Case.AddRR64: fa = m64(cpu, ip); fb = fa + r64(cpu, ip); fk = ADD | 3;
        put_m64(cpu, ip, fb); continue;
      case Case.AddRI32: fa = m32(cpu, ip); fb = <u64>(<i32>(fa + immediate(ip))); fk = ADD | 2;
        put_m32(cpu, ip, fb); continue;
      case Case.AddRI64: fa = m64(cpu, ip); fb = fa + immediate(ip); fk = ADD | 3;
        put_m64(cpu, ip, fb); continue;
      case Case.AddRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = r32(cpu, ip); fb = <u64>(<i32>(fa + load32(off))); fk = ADD | 2; put_r32(cpu, ip, fb);
        continue;
      case Case.AddRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = r64(cpu, ip); fb = fa + load64(off); fk = ADD | 3; put_r64(cpu, ip, fb); continue;
      case Case.AddMR32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fa = load32(off); fb = <u64>(<i32>(fa + r32(cpu, ip))); fk = ADD | 2; store32(off, fb);
        continue;
      case Case.AddMR64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fa = load64(off); fb = fa + r64(cpu, ip); fk = ADD | 3; store64(off, fb); continue;
      case Case.AddMI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fa = load32(off); fb = <u64>(<i32>(fa + immediate(ip))); fk = ADD | 2; store32(off, fb);
        continue;
      case Case.AddMI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fa = load64(off); fb = fa + immediate(ip); fk = ADD | 3; store64(off, fb); continue;
      // SUB
      case Case.SubRR32: fa = m32(cpu, ip); fb = r32(cpu, ip); fk = SUB | 2;
        put_m32(cpu, ip, fa - fb); continue;
      case Case.SubRR64: fa = m64(cpu, ip); fb = r64(cpu, ip); fk = SUB | 3;
        put_m64(cpu, ip, fa - fb); continue;
      case Case.SubRI32: fa = m32(cpu, ip); fb = immediate(ip); fk = SUB | 2;
        put_m32(cpu, ip, fa - fb); continue;
      case Case.SubRI64: fa = m64(cpu, ip); fb = immediate(ip); fk = SUB | 3;
        put_m64(cpu, ip, fa - fb); continue;
      case Case.SubRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = r32(cpu, ip); fb = load32(off); fk = SUB | 2; put_r32(cpu, ip, fa - fb); continue;
      case Case.SubRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = r64(cpu, ip); fb = load64(off); fk = SUB | 3; put_r64(cpu, ip, fa - fb); continue;
      case Case.SubMR32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fa = load32(off); fb = r32(cpu, ip); fk = SUB | 2; store32(off, fa - fb); continue;
      case Case.SubMR64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fa = load64(off); fb = r64(cpu, ip); fk = SUB | 3; store64(off, fa - fb); continue;
      case Case.SubMI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fa = load32(off); fb = immediate(ip); fk = SUB | 2; store32(off, fa - fb); continue;
      case Case.SubMI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fa = load64(off); fb = immediate(ip); fk = SUB | 3; store64(off, fa - fb); continue;
      // AND
      case Case.AndRR32: fb = m32(cpu, ip) & r32(cpu, ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.AndRR64: fb = m64(cpu, ip) & r64(cpu, ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.AndRI32: fb = m32(cpu, ip) & immediate(ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.AndRI64: fb = m64(cpu, ip) & immediate(ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.AndRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fb = r32(cpu, ip) & load32(off); fk = LOGIC | 2; put_r32(cpu, ip, fb); continue;
      case Case.AndRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fb = r64(cpu, ip) & load64(off); fk = LOGIC | 3; put_r64(cpu, ip, fb); continue;
      case Case.AndMR32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) & r32(cpu, ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.AndMR64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) & r64(cpu, ip); fk = LOGIC | 3; store64(off, fb); continue;
      case Case.AndMI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) & immediate(ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.AndMI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) & immediate(ip); fk = LOGIC | 3; store64(off, fb); continue;
      // OR
      case Case.OrRR32: fb = m32(cpu, ip) | r32(cpu, ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.OrRR64: fb = m64(cpu, ip) | r64(cpu, ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.OrRI32: fb = m32(cpu, ip) | immediate(ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.OrRI64: fb = m64(cpu, ip) | immediate(ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.OrRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fb = r32(cpu, ip) | load32(off); fk = LOGIC | 2; put_r32(cpu, ip, fb); continue;
      case Case.OrRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fb = r64(cpu, ip) | load64(off); fk = LOGIC | 3; put_r64(cpu, ip, fb); continue;
      case Case.OrMR32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) | r32(cpu, ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.OrMR64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) | r64(cpu, ip); fk = LOGIC | 3; store64(off, fb); continue;
      case Case.OrMI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) | immediate(ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.OrMI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) | immediate(ip); fk = LOGIC | 3; store64(off, fb); continue;
      // XOR
      case Case.XorRR32: fb = m32(cpu, ip) ^ r32(cpu, ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.XorRR64: fb = m64(cpu, ip) ^ r64(cpu, ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.XorRI32: fb = m32(cpu, ip) ^ immediate(ip); fk = LOGIC | 2; put_m32(cpu, ip, fb);
        continue;
      case Case.XorRI64: fb = m64(cpu, ip) ^ immediate(ip); fk = LOGIC | 3; put_m64(cpu, ip, fb);
        continue;
      case Case.XorRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fb = r32(cpu, ip) ^ load32(off); fk = LOGIC | 2; put_r32(cpu, ip, fb); continue;
      case Case.XorRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fb = r64(cpu, ip) ^ load64(off); fk = LOGIC | 3; put_r64(cpu, ip, fb); continue;
      case Case.XorMR32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) ^ r32(cpu, ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.XorMR64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) ^ r64(cpu, ip); fk = LOGIC | 3; store64(off, fb); continue;
      case Case.XorMI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) ^ immediate(ip); fk = LOGIC | 2; store32(off, fb); continue;
      case Case.XorMI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) ^ immediate(ip); fk = LOGIC | 3; store64(off, fb); continue;
      // CMP
      case Case.CmpRR32: fa = m32(cpu, ip); fb = r32(cpu, ip); fk = SUB | 2; continue;
      case Case.CmpRR64: fa = m64(cpu, ip); fb = r64(cpu, ip); fk = SUB | 3; continue;
      case Case.CmpRI32: fa = m32(cpu, ip); fb = immediate(ip); fk = SUB | 2; continue;
      case Case.CmpRI64: fa = m64(cpu, ip); fb = immediate(ip); fk = SUB | 3; continue;
      case Case.CmpRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = r32(cpu, ip); fb = load32(off); fk = SUB | 2; continue;
      case Case.CmpRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = r64(cpu, ip); fb = load64(off); fk = SUB | 3; continue;
      case Case.CmpMR32: off = read_at(address(cpu, ip), 4); if (off == 0) break; fa = load32(off);
        fb = r32(cpu, ip); fk = SUB | 2; continue;
      case Case.CmpMR64: off = read_at(address(cpu, ip), 8); if (off == 0) break; fa = load64(off);
        fb = r64(cpu, ip); fk = SUB | 3; continue;
      case Case.CmpMI32: off = read_at(address(cpu, ip), 4); if (off == 0) break; fa = load32(off);
        fb = immediate(ip); fk = SUB | 2; continue;
      case Case.CmpMI64: off = read_at(address(cpu, ip), 8); if (off == 0) break; fa = load64(off);
        fb = immediate(ip); fk = SUB | 3; continue;
      // TEST
      case Case.TestRR32: fb = m32(cpu, ip) & r32(cpu, ip); fk = LOGIC | 2; continue;
      case Case.TestRR64: fb = m64(cpu, ip) & r64(cpu, ip); fk = LOGIC | 3; continue;
      case Case.TestRI32: fb = m32(cpu, ip) & immediate(ip); fk = LOGIC | 2; continue;
      case Case.TestRI64: fb = m64(cpu, ip) & immediate(ip); fk = LOGIC | 3; continue;
      case Case.TestMR32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) & r32(cpu, ip); fk = LOGIC | 2; continue;
      case Case.TestMR64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) & r64(cpu, ip); fk = LOGIC | 3; continue;
      case Case.TestMI32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fb = load32(off) & immediate(ip); fk = LOGIC | 2; continue;
      case Case.TestMI64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fb = load64(off) & immediate(ip); fk = LOGIC | 3; continue;
      // On bytes
      case Case.AddRR8: fa = m8(cpu, ip); fb = <u64>(<i8>(fa + r8(cpu, ip))); fk = ADD;
        put_m8(cpu, ip, fb); continue;
      case Case.AddRI8: fa = m8(cpu, ip); fb = <u64>(<i8>(fa + immediate(ip))); fk = ADD;
        put_m8(cpu, ip, fb); continue;
      case Case.AddRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break; fa = r8(cpu, ip);
        fb = <u64>(<i8>(fa + load8(off))); fk = ADD; put_r8(cpu, ip, fb); continue;
      case Case.SubRR8: fa = m8(cpu, ip); fb = r8(cpu, ip); fk = SUB; put_m8(cpu, ip, fa - fb);
        continue;
      case Case.SubRI8: fa = m8(cpu, ip); fb = immediate(ip); fk = SUB; put_m8(cpu, ip, fa - fb);
        continue;
      case Case.SubRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break; fa = r8(cpu, ip);
        fb = load8(off); fk = SUB; put_r8(cpu, ip, fa - fb); continue;
      case Case.AndRR8: fb = m8(cpu, ip) & r8(cpu, ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.AndRI8: fb = m8(cpu, ip) & immediate(ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.AndRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = r8(cpu, ip) & load8(off); fk = LOGIC; put_r8(cpu, ip, fb); continue;
      case Case.AndMR8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) & r8(cpu, ip); fk = LOGIC; store<u8>(off, <u8>fb); continue;
      case Case.AndMI8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) & immediate(ip); fk = LOGIC; store<u8>(off, <u8>fb); continue;
      case Case.OrRR8: fb = m8(cpu, ip) | r8(cpu, ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.OrRI8: fb = m8(cpu, ip) | immediate(ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.OrRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = r8(cpu, ip) | load8(off); fk = LOGIC; put_r8(cpu, ip, fb); continue;
      case Case.OrMR8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) | r8(cpu, ip); fk = LOGIC; store<u8>(off, <u8>fb); continue;
      case Case.OrMI8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) | immediate(ip); fk = LOGIC; store<u8>(off, <u8>fb); continue;
      case Case.XorRR8: fb = m8(cpu, ip) ^ r8(cpu, ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.XorRI8: fb = m8(cpu, ip) ^ immediate(ip); fk = LOGIC; put_m8(cpu, ip, fb); continue;
      case Case.XorRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = r8(cpu, ip) ^ load8(off); fk = LOGIC; put_r8(cpu, ip, fb); continue;
      case Case.CmpRR8: fa = m8(cpu, ip); fb = r8(cpu, ip); fk = SUB; continue;
      case Case.CmpRI8: fa = m8(cpu, ip); fb = immediate(ip); fk = SUB; continue;
      case Case.CmpRM8: off = read_at(address(cpu, ip), 1); if (off == 0) break; fa = r8(cpu, ip);
        fb = load8(off); fk = SUB; continue;
      case Case.CmpMR8: off = read_at(address(cpu, ip), 1); if (off == 0) break; fa = load8(off);
        fb = r8(cpu, ip); fk = SUB; continue;
      case Case.CmpMI8: off = read_at(address(cpu, ip), 1); if (off == 0) break; fa = load8(off);
        fb = immediate(ip); fk = SUB; continue;
      case Case.TestRR8: fb = m8(cpu, ip) & r8(cpu, ip); fk = LOGIC; continue;
      case Case.TestRI8: fb = m8(cpu, ip) & immediate(ip); fk = LOGIC; continue;
      case Case.TestMR8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) & r8(cpu, ip); fk = LOGIC; continue;
      case Case.TestMI8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) & immediate(ip); fk = LOGIC; continue;
      // One operand, shifts, products
      case Case.Zero: fb = 0; fk = LOGIC | 3; put_m64(cpu, ip, 0); continue;
      case Case.Inc32:
        registers.rflags = (registers.rflags & ~CF) | lazy_carry(registers, fk, fa, fb);
        fb = <u64>(<i32>(m32(cpu, ip) + 1)); fk = INC | 2; put_m32(cpu, ip, fb); continue;
      case Case.Inc64:
        registers.rflags = (registers.rflags & ~CF) | lazy_carry(registers, fk, fa, fb);
        fb = m64(cpu, ip) + 1; fk = INC | 3; put_m64(cpu, ip, fb); continue;
      case Case.Dec32:
        registers.rflags = (registers.rflags & ~CF) | lazy_carry(registers, fk, fa, fb);
        fb = <u64>(<i32>(m32(cpu, ip) - 1)); fk = DEC | 2; put_m32(cpu, ip, fb); continue;
      case Case.Dec64:
        registers.rflags = (registers.rflags & ~CF) | lazy_carry(registers, fk, fa, fb);
        fb = m64(cpu, ip) - 1; fk = DEC | 3; put_m64(cpu, ip, fb); continue;
      case Case.Neg32: fa = 0; fb = m32(cpu, ip); fk = SUB | 2; put_m32(cpu, ip, 0 - fb); continue;
      case Case.Neg64: fa = 0; fb = m64(cpu, ip); fk = SUB | 3; put_m64(cpu, ip, 0 - fb); continue;
      case Case.Not32: put_m32(cpu, ip, ~m32(cpu, ip)); continue;
      case Case.Not64: put_m64(cpu, ip, ~m64(cpu, ip)); continue;
      case Case.Shl32: n = immediate(ip); fb = m32(cpu, ip); fa = shl_flags(fb, n, 32);
        fb = <u64>(<i32>(fb << n)); fk = SHIFT | 2; put_m32(cpu, ip, fb); continue;
      case Case.Shl64: n = immediate(ip); fb = m64(cpu, ip); fa = shl_flags(fb, n, 64);
        fb = fb << n; fk = SHIFT | 3; put_m64(cpu, ip, fb); continue;
      case Case.Shr32: n = immediate(ip); fb = m32(cpu, ip); fa = shr_flags(fb, n, 32);
        fb = <u64>(<i32>(<u32>fb >> <u32>n)); fk = SHIFT | 2; put_m32(cpu, ip, fb); continue;
      case Case.Shr64: n = immediate(ip); fb = m64(cpu, ip); fa = shr_flags(fb, n, 64);
        fb = fb >> n; fk = SHIFT | 3; put_m64(cpu, ip, fb); continue;
      case Case.Sar32: n = immediate(ip); fb = m32(cpu, ip); fa = sar_flags(fb, n, 32);
        fb = <u64>(<i64>fb >> n); fk = SHIFT | 2; put_m32(cpu, ip, fb); continue;
      case Case.Sar64: n = immediate(ip); fb = m64(cpu, ip); fa = sar_flags(fb, n, 64);
        fb = <u64>(<i64>fb >> n); fk = SHIFT | 3; put_m64(cpu, ip, fb); continue;
      case Case.Rol32: put_m32(cpu, ip, rotl<u32>(<u32>m32(cpu, ip), <u32>immediate(ip))); continue;
      case Case.Rol64: put_m64(cpu, ip, rotl<u64>(m64(cpu, ip), immediate(ip))); continue;
      case Case.ImulRR32: fa = r32(cpu, ip); fb = m32(cpu, ip); fk = IMUL | 2;
        put_r32(cpu, ip, fa * fb); continue;
      case Case.ImulRR64: fa = r64(cpu, ip); fb = m64(cpu, ip); fk = IMUL | 3;
        put_r64(cpu, ip, fa * fb); continue;
      case Case.ImulRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = r32(cpu, ip); fb = load32(off); fk = IMUL | 2; put_r32(cpu, ip, fa * fb); continue;
      case Case.ImulRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = r64(cpu, ip); fb = load64(off); fk = IMUL | 3; put_r64(cpu, ip, fa * fb); continue;
      case Case.ImulRI32: fa = m32(cpu, ip); fb = immediate(ip); fk = IMUL | 2;
        put_r32(cpu, ip, fa * fb); continue;
      case Case.ImulRI64: fa = m64(cpu, ip); fb = immediate(ip); fk = IMUL | 3;
        put_r64(cpu, ip, fa * fb); continue;
      // Moves
      case Case.MovRR64: put_m64(cpu, ip, r64(cpu, ip)); continue;
      case Case.MovRR32: put_m32(cpu, ip, r32(cpu, ip)); continue;
      case Case.MovRR8: put_m8(cpu, ip, r8(cpu, ip)); continue;
      case Case.MovRI: put_m64(cpu, ip, immediate(ip)); continue;
      case Case.MovRI8: put_m8(cpu, ip, immediate(ip)); continue;
      case Case.Load64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        put_r64(cpu, ip, load<u64>(off)); continue;
      case Case.Load32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        put_r64(cpu, ip, load<u32>(off)); continue;
      case Case.Load8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        put_r8(cpu, ip, load<u8>(off)); continue;
      case Case.Load64D: off = read_at(based(cpu, ip), 8); if (off == 0) break;
        put_r64(cpu, ip, load<u64>(off)); continue;
      case Case.Load32D: off = read_at(based(cpu, ip), 4); if (off == 0) break;
        put_r64(cpu, ip, load<u32>(off)); continue;
      case Case.Store64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        store64(off, r64(cpu, ip)); continue;
      case Case.Store32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        store32(off, r64(cpu, ip)); continue;
      case Case.Store16: off = write_at(address(cpu, ip), 2); if (off == 0) break;
        store16(off, r64(cpu, ip)); continue;
      case Case.Store8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        store<u8>(off, <u8>r8(cpu, ip)); continue;
      case Case.Store64D: off = write_at(based(cpu, ip), 8); if (off == 0) break;
        store64(off, r64(cpu, ip)); continue;
      case Case.Store32D: off = write_at(based(cpu, ip), 4); if (off == 0) break;
        store32(off, r64(cpu, ip)); continue;
      case Case.StoreI64: off = write_at(address(cpu, ip), 8); if (off == 0) break;
        store64(off, immediate(ip)); continue;
      case Case.StoreI32: off = write_at(address(cpu, ip), 4); if (off == 0) break;
        store32(off, immediate(ip)); continue;
      case Case.StoreI16: off = write_at(address(cpu, ip), 2); if (off == 0) break;
        store16(off, immediate(ip)); continue;
      case Case.StoreI8: off = write_at(address(cpu, ip), 1); if (off == 0) break;
        store<u8>(off, <u8>immediate(ip)); continue;
      case Case.Zx8R: put_r64(cpu, ip, m8(cpu, ip) & 0xff); continue;
      case Case.Zx16R: put_r64(cpu, ip, m64(cpu, ip) & 0xffff); continue;
      case Case.Zx8M: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        put_r64(cpu, ip, load<u8>(off)); continue;
      case Case.Zx16M: off = read_at(address(cpu, ip), 2); if (off == 0) break;
        put_r64(cpu, ip, load<u16>(off)); continue;
      case Case.Sx8R32: put_r32(cpu, ip, m8(cpu, ip)); continue;
      case Case.Sx8R64: put_r64(cpu, ip, m8(cpu, ip)); continue;
      case Case.Sx16R32: put_r32(cpu, ip, m16(cpu, ip)); continue;
      case Case.Sx16R64: put_r64(cpu, ip, m16(cpu, ip)); continue;
      case Case.Sx32R64: put_r64(cpu, ip, m32(cpu, ip)); continue;
      case Case.Sx8M32: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        put_r32(cpu, ip, load8(off)); continue;
      case Case.Sx8M64: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        put_r64(cpu, ip, load8(off)); continue;
      case Case.Sx16M32: off = read_at(address(cpu, ip), 2); if (off == 0) break;
        put_r32(cpu, ip, load16(off)); continue;
      case Case.Sx16M64: off = read_at(address(cpu, ip), 2); if (off == 0) break;
        put_r64(cpu, ip, load16(off)); continue;
      case Case.Sx32M64: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        put_r64(cpu, ip, load32(off)); continue;
      case Case.Lea64: put_r64(cpu, ip, address(cpu, ip)); continue;
      case Case.Lea64D: put_r64(cpu, ip, based(cpu, ip)); continue;
      case Case.Lea32: put_r32(cpu, ip, address(cpu, ip)); continue;
      case Case.Cdqe: registers.rax = <u64>(<i64>(<i32>registers.rax)); continue;
      case Case.Cwde: registers.rax = <u32>(<i32>(<i16>registers.rax)); continue;
      case Case.Cqo: registers.rdx = <u64>(<i64>registers.rax >> 63); continue;
      case Case.Cdq: registers.rdx = <u32>(<i32>registers.rax >> 31); continue;
      case Case.Setcc:
        put_m8(cpu, ip, <u64>lazy_condition(registers, detail(ip), fk, fa, fb)); continue;
      case Case.Cmov32:
        n = lazy_condition(registers, detail(ip), fk, fa, fb) ? m32(cpu, ip) : r32(cpu, ip);
        put_r32(cpu, ip, n); continue;
      case Case.Cmov64:
        if (lazy_condition(registers, detail(ip), fk, fa, fb)) put_r64(cpu, ip, m64(cpu, ip));
        continue;
      // Stack and branches: a break with a link, or with `va`, goes to another block
      case Case.Push:
        va = registers.rsp - 8; off = write_at(va, 8); if (off == 0) break;
        store64(off, m64(cpu, ip)); registers.rsp = va; continue;
      case Case.PushI:
        va = registers.rsp - 8; off = write_at(va, 8); if (off == 0) break;
        store64(off, immediate(ip)); registers.rsp = va; continue;
      case Case.Pop:
        off = read_at(registers.rsp, 8); if (off == 0) break;
        registers.rsp += 8; put_m64(cpu, ip, load<u64>(off)); continue;
      case Case.Leave:
        off = read_at(registers.rbp, 8); if (off == 0) break;
        registers.rsp = registers.rbp + 8; registers.rbp = load<u64>(off); continue;
      case Case.Next: link = block + BLOCK_NEXT; break;
      case Case.Jmp: link = block + BLOCK_TAKEN; break;
      case Case.Call:
        va = registers.rsp - 8; off = write_at(va, 8); if (off == 0) break;
        store64(off, load<u64>(block, BLOCK_NEXT_VA)); registers.rsp = va;
        link = block + BLOCK_TAKEN; break;
      case Case.JmpR: link = jump_link(m64(cpu, ip)); va = m64(cpu, ip); break;
      case Case.JmpM:
        off = read_at(address(cpu, ip), 8); if (off == 0) break;
        va = load<u64>(off); link = jump_link(va); break;
      case Case.CallR:
        off = write_at(registers.rsp - 8, 8); if (off == 0) break;
        va = m64(cpu, ip); link = jump_link(va); if (link == FAULTED) break;
        store64(off, load<u64>(block, BLOCK_NEXT_VA)); registers.rsp -= 8; break;
      case Case.CallM:
        off = read_at(address(cpu, ip), 8); if (off == 0) break;
        va = load<u64>(off);
        off = write_at(registers.rsp - 8, 8); if (off == 0) break;
        link = jump_link(va); if (link == FAULTED) break;
        store64(off, load<u64>(block, BLOCK_NEXT_VA)); registers.rsp -= 8; break;
      case Case.Ret:
        off = read_at(registers.rsp, 8); if (off == 0) break;
        va = load<u64>(off); link = jump_link(va); if (link == FAULTED) break;
        registers.rsp += 8 + immediate(ip); break;
      case Case.Jcc:
        link = block + BLOCK_NEXT;
        if (lazy_condition(registers, detail(ip), fk, fa, fb)) link = block + BLOCK_TAKEN;
        break;
      case Case.JccResult: link = block + branch(result_says(fb), ip); break;
      case Case.JccSub: link = block + branch(compare_says(fa, fb), ip); break;
      // Two instructions: the branch is the next record
      case Case.CmpJccRR32: fa = m32(cpu, ip); fb = r32(cpu, ip); fk = SUB | 2;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRR64: fa = m64(cpu, ip); fb = r64(cpu, ip); fk = SUB | 3;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRI32: fa = m32(cpu, ip); fb = immediate(ip); fk = SUB | 2;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRI64: fa = m64(cpu, ip); fb = immediate(ip); fk = SUB | 3;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRM32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = r32(cpu, ip); fb = load32(off); fk = SUB | 2;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRM64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = r64(cpu, ip); fb = load64(off); fk = SUB | 3;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccMI32: off = read_at(address(cpu, ip), 4); if (off == 0) break;
        fa = load32(off); fb = immediate(ip); fk = SUB | 2;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccMI64: off = read_at(address(cpu, ip), 8); if (off == 0) break;
        fa = load64(off); fb = immediate(ip); fk = SUB | 3;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRR8: fa = m8(cpu, ip); fb = r8(cpu, ip); fk = SUB;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccRI8: fa = m8(cpu, ip); fb = immediate(ip); fk = SUB;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.CmpJccMI8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fa = load8(off); fb = immediate(ip); fk = SUB;
        link = block + branch(compare_says(fa, fb), ip + NEXT); break;
      case Case.TestJccRR32: fb = m32(cpu, ip) & r32(cpu, ip); fk = LOGIC | 2;
        link = block + branch(result_says(fb), ip + NEXT); break;
      case Case.TestJccRR64: fb = m64(cpu, ip) & r64(cpu, ip); fk = LOGIC | 3;
        link = block + branch(result_says(fb), ip + NEXT); break;
      case Case.TestJccRR8: fb = m8(cpu, ip) & r8(cpu, ip); fk = LOGIC;
        link = block + branch(result_says(fb), ip + NEXT); break;
      case Case.TestJccRI8: fb = m8(cpu, ip) & immediate(ip); fk = LOGIC;
        link = block + branch(result_says(fb), ip + NEXT); break;
      case Case.TestJccMI8: off = read_at(address(cpu, ip), 1); if (off == 0) break;
        fb = load8(off) & immediate(ip); fk = LOGIC;
        link = block + branch(result_says(fb), ip + NEXT); break;
      default: unreachable();
    }

    if (link > DYNAMIC) {
      next = load<u32>(link);
      if (next == 0 || is_stale(next)) {
        va = load<u64>(link, LINK_VA);
        next = follow(block, link);
      }
    } else if (link == DYNAMIC) next = lookup(va);
    else break;
    link = FAULTED;
    if (next == 0) {
      settle_flags(registers, fk, fa, fb);
      retired = limit - left;
      registers.rip = va;
      // What cannot be fetched is the next run's: this one has done what it was given.
      return left == 0 && va != RETURN_VA ? STOP_BUDGET : stop_fault(registers, va);
    }
    left -= load<i32>(next, BLOCK_COUNT);
    if (left < 0) {
      settle_flags(registers, fk, fa, fb);
      retired = limit - left - load<i32>(next, BLOCK_COUNT);
      registers.rip = load<u64>(next, BLOCK_VA);
      return STOP_BUDGET;
    }
    block = next;
    ip = block + BLOCK_RECORDS - NEXT;
  }

  // Not all of the block was executed.
  settle_flags(registers, fk, fa, fb);
  retired = limit - left - (load<i32>(block, BLOCK_COUNT) - <i32>load<u8>(ip, 10));
  if (link == FAULTED) {
    if (fault_is_address && is_stack_access(registers, changetype<Insn>(ip)))
      latch_fault(VECTOR_SS, 0);
    return stop_fault(registers, insn_va(block, ip));
  }
  retired++;
  return result - STOP;
}
