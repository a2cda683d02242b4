// A block of decoded code (cache.ts), drawn. Offsets of its header; the records (insn.ts) follow.
//
//    0  context  u64  whose address space (mem.ts, code_context)
//    8  va       u64
//   16  gen_off  u32  where the generation of its frame stands   20  gen   u32
//   24  gen2_off u32  the same for a second frame, or 0          28  gen2  u32
//   32  count    u32  instructions                               36  gen1  u32  of a crossing block
//   40  next     u32  block behind it, when known                44  chain u32  same hash slot
//   48  next_va  u64
//   56  taken    u32  block of the branch at its end             64  taken_va u64
//   96  records

export const BLOCK_CONTEXT: usize = 0;
export const BLOCK_VA: usize = 8;
export const BLOCK_GEN_OFF: usize = 16;
export const BLOCK_GEN: usize = 20;
export const BLOCK_GEN2_OFF: usize = 24;
export const BLOCK_GEN2: usize = 28;
export const BLOCK_COUNT: usize = 32;
export const BLOCK_GEN1: usize = 36;
export const BLOCK_NEXT: usize = 40;
export const BLOCK_CHAIN: usize = 44;
export const BLOCK_NEXT_VA: usize = 48;
export const BLOCK_TAKEN: usize = 56;
export const BLOCK_RECORDS: usize = 96;
/** From a link (BLOCK_NEXT, BLOCK_TAKEN) to its address. */
export const LINK_VA: usize = 8;
