// The flat record between decoder and executor (one instruction, 32 bytes). The decoder fills it
// from bytes alone; the executor never looks at bytes. Registers are byte offsets from the start of
// the Cpu record, so that a register operand is one load, AH is "RAX + 1", and a register that an
// address does not have is CPU_ZERO.
//
//    0  case    u16  which case of the executor's switch runs it (cases.ts); 0 = by `id`
//    2  start   u16  offset of its first byte in its page
//    4  reg     u8   register operand (ModRM.reg), XMM n as 8 * n
//    5  rm      u8   register operand (ModRM.rm, opcode bits 2:0, or RAX)
//    6  base    u8   address = base + (index << scale) + disp
//    7  index   u8
//    8  scale   u8   bits 1:0; SEG_FS, SEG_GS
//    9  len     u8   bytes
//   10  seq     u8   instructions of the block in front of this one
//   11  width   u8   log2 of the operand size: 0 1 2 3
//   12  sub     u8   condition, or source width of an extension, or a detail of the operation
//   13  flags   u8   INSN_*
//   14  id      u16  operation (Op)
//   16  disp    u64  sign-extended; RIP-relative addresses are absolute already
//   24  imm     u64  sign-extended; branches: the target

export const INSN_SIZE: usize = 32;

export const INSN_MEM: u8 = 1; // the r/m operand is in memory
export const INSN_ADDR32: u8 = 2; // address-size prefix
export const INSN_TO_REG: u8 = 4; // destination is `reg`, source is r/m
export const INSN_IMM: u8 = 8; // source is `imm`
export const INSN_LOCK: u8 = 16;
export const INSN_REP: u8 = 32; // F3
export const INSN_REPNE: u8 = 64; // F2
export const INSN_END: u8 = 128; // ends a block

export const SCALE_MASK: u8 = 3;
export const SEG_FS: u8 = 16;
export const SEG_GS: u8 = 32;
/** Byte offsets of Cpu.fs_base and Cpu.gs_base: lowered, a segment base is one more register of an
 *  address. */
export const FS_BASE: u8 = 144;
export const GS_BASE: u8 = 152;

export const MAX_INSN_LEN: u32 = 15;


@unmanaged
export class Insn {
  case: u16;
  start: u16;
  reg: u8;
  rm: u8;
  base: u8;
  index: u8;
  scale: u8;
  len: u8;
  seq: u8;
  width: u8;
  sub: u8;
  flags: u8;
  id: u16;
  disp: u64;
  imm: u64;


  @inline has(flag: u8): bool {
    return (this.flags & flag) != 0;
  }
}
if (offsetof<Insn>() != INSN_SIZE) ERROR("Insn is 32 bytes");
if (offsetof<Insn>("disp") != 16) ERROR("Insn.disp");
