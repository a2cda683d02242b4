// Decoded code, kept as blocks: a run of instructions within one page that ends at a transfer of
// control, at the end of the page or after BLOCK_INSNS. Derived state in the DECODE region, never
// saved; when it is full, everything is dropped. A block is valid only while the generation of its
// frame is the one it was decoded under (pages.ts, bump_code). An instruction that crosses into the
// next page is a block of its own that depends on both frames: `gen` can then never match, so that
// every entry comes through here.

import { CODE_GEN_OFF, DECODE_OFF, DECODE_SIZE, FRAMES_OFF } from "../layout";
import { code_context, translate_exec } from "../mem";
import { PAGE_SHIFT, PAGE_SIZE } from "../param";
import {
  BLOCK_CHAIN,
  BLOCK_CONTEXT,
  BLOCK_COUNT,
  BLOCK_GEN,
  BLOCK_GEN1,
  BLOCK_GEN2,
  BLOCK_GEN2_OFF,
  BLOCK_GEN_OFF,
  BLOCK_NEXT_VA,
  BLOCK_RECORDS,
  BLOCK_VA,
} from "./blocks";
import { Case } from "./cases";
import { decode } from "./decode";
import { Insn, INSN_END, INSN_SIZE, MAX_INSN_LEN } from "./insn";
import { lower_block } from "./lower";

const BLOCK_INSNS: u32 = 96;
/** Instructions of a block at the most. */
let block_limit: u32 = BLOCK_INSNS;
/** A generation that no frame reaches: the counter would have to wrap. */
const GEN_NEVER: u32 = 0xffffffff;

// The first page of the region belongs to mem.ts and packed.ts.
const FETCH_OFF: usize = DECODE_OFF + PAGE_SIZE;
const TAIL_OFF: usize = FETCH_OFF + 64;
const BLOCK_ROOM: usize = BLOCK_RECORDS + INSN_SIZE * (BLOCK_INSNS + 1);
export const HASH_OFF: usize = DECODE_OFF + 4 * PAGE_SIZE;
export const HASH_ENTRIES: usize = 0x10000;
const ARENA_OFF: usize = HASH_OFF + 4 * HASH_ENTRIES;
const ARENA_END: usize = DECODE_OFF + DECODE_SIZE;
if (TAIL_OFF + BLOCK_ROOM > HASH_OFF) ERROR("the tail block reaches into the hash table");

let arena_next: usize = ARENA_OFF;
let flushes: u32 = 0;

/** Forgets all decoded code: after a restore, and when the region is full. */
export function flush_code(): void {
  memory.fill(HASH_OFF, 0, 4 * HASH_ENTRIES);
  arena_next = ARENA_OFF;
  flushes++;
}

/** From now on a block is one instruction (hv/watch.ts), or as long as it can be. */
export function limit_blocks(on: bool): void {
  block_limit = on ? 1 : BLOCK_INSNS;
  flush_code();
}

/** Changes whenever offsets of blocks become meaningless. */
export function flush_count(): u32 {
  return flushes;
}


@inline
export function hash_slot(va: u64): usize {
  return HASH_OFF + ((<usize>((va ^ (va >> 15)) & (HASH_ENTRIES - 1))) << 2);
}

function generation_off(code_off: usize): usize {
  return CODE_GEN_OFF + (((code_off - FRAMES_OFF) >> PAGE_SHIFT) << 2);
}

function is_current(block: usize): bool {
  const second = load<u32>(block, BLOCK_GEN2_OFF);
  const first_gen = load<u32>(load<u32>(block, BLOCK_GEN_OFF));
  if (second == 0) return first_gen == load<u32>(block, BLOCK_GEN);
  return (
    first_gen == load<u32>(block, BLOCK_GEN1) && load<u32>(second) == load<u32>(block, BLOCK_GEN2)
  );
}

/** Blocks of one hash slot are a chain, the one used last first, where the executor looks. */
function put_first(slot: usize, block: usize): void {
  store<u32>(block, load<u32>(slot), BLOCK_CHAIN);
  store<u32>(slot, block);
}

/** The current block at `va` in the chain, 0 when there is none; a stale one leaves the chain. */
function find_known(slot: usize, va: u64): usize {
  let before: usize = slot - BLOCK_CHAIN;
  for (let at: usize = load<u32>(slot); at != 0;) {
    const next: usize = load<u32>(at, BLOCK_CHAIN);
    if (load<u64>(at, BLOCK_VA) == va && load<u64>(at, BLOCK_CONTEXT) == code_context(va)) {
      store<u32>(before, next, BLOCK_CHAIN);
      if (is_current(at)) {
        put_first(slot, at);
        return at;
      }
    } else before = at;
    at = next;
  }
  return 0;
}

/** The block at `va` in the present context; 0 and a latched fault when its code cannot be
 *  fetched. */
export function find_block(va: u64): usize {
  const slot = hash_slot(va);
  const known = find_known(slot, va);
  if (known != 0) return known;
  if (arena_next + BLOCK_ROOM > ARENA_END) flush_code();
  const block = arena_next;
  const bytes = build(block, va, block_limit);
  if (bytes == 0) return 0;
  arena_next += bytes;
  put_first(slot, block);
  return block;
}

/** A block of exactly `count` instructions from `va` on (fewer if they end it), for the end of a
 *  budget. */
export function tail_block(va: u64, count: u32): usize {
  return build(TAIL_OFF, va, min(count, BLOCK_INSNS)) == 0 ? 0 : TAIL_OFF;
}

/** Whether what is executed at `va` next is not what memory says: never, as long as whoever changes
 *  code has told so. */
export function is_stale_code(va: u64): bool {
  const block = find_known(hash_slot(va), va);
  if (block == 0 || tail_block(va, 1) == 0) return false;
  const insn = block + BLOCK_RECORDS;
  return memory.compare(insn, TAIL_OFF + BLOCK_RECORDS, INSN_SIZE) != 0;
}

/** The bytes of an instruction that crosses into the next page, gathered; 0: that page cannot be
 *  fetched. */
function gather(block: usize, va: u64, off: usize, left: u32): usize {
  const second_off = translate_exec(va + left);
  if (second_off == 0) return 0;
  memory.copy(FETCH_OFF, off, left);
  memory.copy(FETCH_OFF + left, second_off, MAX_INSN_LEN - left);
  const second = generation_off(second_off);
  store<u32>(block, second, BLOCK_GEN2_OFF);
  store<u32>(block, load<u32>(second), BLOCK_GEN2);
  store<u32>(block, load<u32>(block, BLOCK_GEN), BLOCK_GEN1);
  store<u32>(block, GEN_NEVER, BLOCK_GEN);
  return FETCH_OFF;
}

/** Decodes a block to `block`; returns its size in bytes, or 0 and a latched fault. */
function build(block: usize, va: u64, limit: u32): usize {
  let off = translate_exec(va);
  if (off == 0) return 0;
  memory.fill(block, 0, BLOCK_RECORDS);
  store<u64>(block, code_context(va), BLOCK_CONTEXT);
  store<u64>(block, va, BLOCK_VA);
  const generation = generation_off(off);
  store<u32>(block, generation, BLOCK_GEN_OFF);
  store<u32>(block, load<u32>(generation), BLOCK_GEN);

  let left = PAGE_SIZE - <u32>(va & (PAGE_SIZE - 1));
  let count: u32 = 0;
  let at = block + BLOCK_RECORDS;
  while (count < limit && left != 0) {
    const insn = changetype<Insn>(at);
    let len = decode(off, left, va, insn);
    if (len == 0) {
      if (count != 0) break;
      const bytes_off = gather(block, va, off, left);
      if (bytes_off == 0) return 0;
      len = decode(bytes_off, MAX_INSN_LEN, va, insn);
      left = len; // the block ends here
    }
    insn.seq = <u8>count;
    count++;
    va += len;
    off += len;
    left -= len;
    at += INSN_SIZE;
    if (insn.has(INSN_END)) break;
  }
  store<u32>(block, count, BLOCK_COUNT);
  store<u64>(block, va, BLOCK_NEXT_VA);
  memory.fill(at, 0, INSN_SIZE);
  const end = changetype<Insn>(at);
  end.case = <u16>Case.Next;
  end.seq = <u8>count;
  lower_block(block, count);
  return at + INSN_SIZE - block;
}
