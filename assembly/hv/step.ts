// Schedules chosen from outside, one step at a time, for the search: which CPU executes next and
// how many instructions. And a hash of what decides how the machine goes on, so that a state that
// was reached before by another order of the same steps is known again.

import { REGION_DATA } from "../abi";
import { Cpu, CPU_OFFLINE, cpu_at } from "./cpu";
import { enter_domain } from "./domain";
import { entry_data_off, entry_data_size } from "./entry_page";
import { header } from "./header";
import { keep_house } from "./housekeeping";
import { PAYLOADS_OFF, PAYLOAD_SIZE } from "./layout";
import { peek_off } from "./mem";
import { region_at } from "./regions";
import { is_on_stack } from "./stack";
import { is_runnable, run_quantum } from "./turn";

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
/** Registers, and from `state` to `user`, and from `live` on: not what is only counted. */
const REGISTERS: usize = 272;

/** Runs CPU `id`. False: it cannot run now. */
export function step_cpu(id: u32, instructions: u64): bool {
  keep_house();
  const cpu = cpu_at(id);
  if (cpu.state == CPU_OFFLINE || !is_runnable(cpu)) return false;
  run_quantum(cpu, instructions);
  keep_house();
  return true;
}


@inline
function mix(lane: u64, word: u64): u64 {
  return rotl<u64>(lane ^ (word * PRIME_2), 31) * PRIME_1;
}

function hash_words(hash: u64, off: usize, end_off: usize): u64 {
  for (; off < end_off; off += 8) hash = mix(hash, load<u64>(off));
  return hash;
}

function hash_cpu(hash: u64, cpu: Cpu): u64 {
  const at = changetype<usize>(cpu);
  hash = hash_words(hash, at, at + REGISTERS);
  hash = hash_words(hash, at + offsetof<Cpu>("id"), at + offsetof<Cpu>("stack_top_va"));
  hash = hash_words(hash, at + offsetof<Cpu>("live"), at + offsetof<Cpu>("excursion"));
  if (cpu.user != 0 || !is_on_stack(cpu, cpu.rsp)) return hash;
  const off = peek_off(cpu.rsp & ~7);
  return off == 0 ? hash : hash_words(hash, off, off + <usize>(cpu.stack_top_va - (cpu.rsp & ~7)));
}

/** The image's variables, as far as whole words of them go. */
function hash_data(hash: u64): u64 {
  const h = header();
  for (let i: u32 = 0; i < h.regions_count; i++) {
    const region = region_at(i);
    if (region.kind != REGION_DATA) continue;
    for (let va = (region.va + 7) & ~7; va + 8 <= region.end_va; va += 8) {
      const off = peek_off(va);
      if (off != 0) hash = mix(hash, load<u64>(off));
    }
  }
  return hash;
}

/** Of CPUs, their stacks, the image's variables, payloads and what is pending; not of the clock. */
export function schedule_hash(): u64 {
  const h = header();
  enter_domain(-1, false);
  let hash = mix(PRIME_1, ((<u64>h.work_id) << 32) | h.work_data);
  hash = mix(hash, ((<u64>h.nr_tasklets) << 32) | (h.tail_count << 8) | h.hold);
  for (let id: u32 = 0; id < h.nr_cpus; id++) hash = hash_cpu(hash, cpu_at(id));
  for (let slot: u32 = 0; slot < 2; slot++) {
    const off = PAYLOADS_OFF + <usize>slot * PAYLOAD_SIZE;
    hash = hash_words(hash, off, off + PAYLOAD_SIZE);
  }
  const entries = entry_data_off();
  if (entries != 0) hash = hash_words(hash, entries, entries + entry_data_size());
  return hash_data(hash);
}
