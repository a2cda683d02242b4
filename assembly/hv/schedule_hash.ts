// A hash of what decides how the machine goes on, so that the search knows a state that it has
// reached before by another order of the same steps: CPUs, what is pending, payloads, and every
// frame that was written since the watch began (hv/watch.ts). Not the clock, nor what is only
// counted: two states that differ in nothing else go on alike, but for when time is over.

import { begun, BEGUN_NONE, BEGUN_UNDER_WAY } from "./begun";
import { Cpu, cpu_at } from "./cpu";
import { hash_words, mix, PRIME_1 } from "./hash";
import { header } from "./header";
import {
  HEADER_OFF,
  HEADER_SIZE,
  PAYLOADS_OFF,
  PAYLOAD_SIZE,
  TASKLETS_OFF,
  TASKLET_SIZE,
} from "./layout";
import { NR_PAYLOADS } from "./param";
import { hash_written } from "./watch";

/** General, segment and system registers. */
const REGISTERS: usize = 272;
/** Of a payload's record: up to its deadline, and behind it. */
const BEFORE_DEADLINE: usize = 32;
const BEHIND_DEADLINE: usize = 40;

function hash_fields(hash: u64, cpu: Cpu, from: usize, to: usize): u64 {
  const at = changetype<usize>(cpu);
  return hash_words(hash, at + from, at + to);
}

function hash_cpu(hash: u64, cpu: Cpu): u64 {
  hash = hash_fields(hash, cpu, 0, REGISTERS);
  hash = hash_fields(hash, cpu, offsetof<Cpu>("id"), offsetof<Cpu>("stack_top_va"));
  hash = hash_fields(hash, cpu, offsetof<Cpu>("live"), offsetof<Cpu>("excursion"));
  hash = hash_fields(hash, cpu, offsetof<Cpu>("interrupted"), offsetof<Cpu>());
  hash = hash_words(hash, cpu.xmm_off, cpu.xmm_off + 256);
  if (cpu.borrowed != 0) hash = hash_words(hash, cpu.saved_off, cpu.saved_off + REGISTERS);
  const b = begun(cpu);
  if (b.state == BEGUN_NONE) return hash;
  return mix(hash, b.state == BEGUN_UNDER_WAY ? 1 : b.rax);
}

function hash_payloads(hash: u64): u64 {
  for (let slot: usize = 0; slot < NR_PAYLOADS; slot++) {
    const off = PAYLOADS_OFF + slot * PAYLOAD_SIZE;
    if (load<u32>(off) == 0) continue;
    hash = hash_words(hash, off, off + BEFORE_DEADLINE);
    hash = hash_words(hash, off + BEHIND_DEADLINE, off + PAYLOAD_SIZE);
  }
  return hash;
}

function hash_tasklets(hash: u64): u64 {
  let left = header().nr_tasklets;
  for (let off = TASKLETS_OFF; left != 0; off += TASKLET_SIZE) {
    if (load<u32>(off) == 0) continue;
    hash = hash_words(hash, off, off + TASKLET_SIZE);
    left--;
  }
  return hash;
}

export function schedule_hash(): u64 {
  const h = header();
  let hash = mix(PRIME_1, ((<u64>h.work_id) << 32) | h.work_data);
  hash = mix(hash, ((<u64>h.hold_online) << 32) | h.hold);
  hash = mix(hash, ((<u64>h.tail_armed) << 32) | h.tail_count);
  hash = mix(hash, ((<u64>h.kicked) << 32) | h.payload_version);
  hash = hash_words(hash, HEADER_OFF + HEADER_SIZE / 2, HEADER_OFF + HEADER_SIZE);
  hash = hash_tasklets(hash);
  for (let id: u32 = 0; id < h.nr_cpus; id++) hash = hash_cpu(hash, cpu_at(id));
  return hash_payloads(hash) + hash_written();
}
