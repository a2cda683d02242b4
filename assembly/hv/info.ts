// Records that tell the host about the machine (INFO_*, CPU_INFO_*, SYMBOL_* of abi.ts).

import {
  CPU_INFO_CRASHED,
  CPU_INFO_DOMAIN,
  CPU_INFO_ERROR,
  CPU_INFO_FAULT_VA,
  CPU_INFO_LOST,
  CPU_INFO_LOST_DOMAIN,
  CPU_INFO_LOST_ERROR,
  CPU_INFO_LOST_RIP,
  CPU_INFO_LOST_VA,
  CPU_INFO_LOST_VECTOR,
  CPU_INFO_REGS,
  CPU_INFO_RETIRED,
  CPU_INFO_RFLAGS,
  CPU_INFO_RIP,
  CPU_INFO_SIZE,
  CPU_INFO_STACK_TOP,
  CPU_INFO_STATE,
  CPU_INFO_STOP,
  CPU_INFO_USER,
  CPU_INFO_VECTOR,
  EINVAL,
  INFO_BOOTED,
  INFO_BUILD_ID_LEN,
  INFO_BUILD_ID_OFF,
  INFO_CPUS,
  INFO_ENTRIES,
  INFO_ENTRY_HI,
  INFO_ENTRY_LO,
  INFO_FRAMES_FREE,
  INFO_FRAMES_USED,
  INFO_IMAGE_HI,
  INFO_IMAGE_LO,
  INFO_LOST_GUESTS,
  INFO_OPTIONS,
  INFO_PAYLOADS,
  INFO_PAYLOAD_BASE,
  INFO_PAYLOAD_END,
  INFO_PAYLOAD_VERSION,
  INFO_QUIESCE,
  INFO_RETIRED,
  INFO_SEED,
  INFO_SIZE,
  INFO_STOP_NS,
  INFO_SYMBOLS,
  INFO_TEXT_HI,
  INFO_TEXT_LO,
  INFO_TIME_NS,
  INFO_VERSION_LEN,
  INFO_VERSION_OFF,
  INFO_WORKLOAD,
  SYMBOL_BIND,
  SYMBOL_FILE_LEN,
  SYMBOL_FILE_OFF,
  SYMBOL_NAME_LEN,
  SYMBOL_NAME_OFF,
  SYMBOL_RECORD_SIZE,
  SYMBOL_REGION,
  SYMBOL_ROOM,
  SYMBOL_SIZE,
  SYMBOL_TYPE,
  SYMBOL_VA,
} from "../abi";
import { Cpu } from "./cpu";
import { entry_code_end_va, entry_code_va } from "./entry_page";
import { count_frames, OWNER_FREE } from "./frames";
import { BUILD_ID_OFF, HEADER_MAGIC, header, VERSION_OFF } from "./header";
import { NR_FRAMES } from "./layout";
import { region_of } from "./regions";
import { symbol } from "./symbols";
import { name_length } from "./text";

/** Longest file name that is looked for its end. */
const FILE_MAX: usize = 0x1000;

export function write_info(to: usize): void {
  const h = header();
  const free = count_frames(OWNER_FREE);
  memory.fill(to, 0, INFO_SIZE);
  store<u32>(to + INFO_BOOTED, <u32>(h.magic == HEADER_MAGIC));
  store<u32>(to + INFO_CPUS, h.nr_cpus);
  store<u32>(to + INFO_SYMBOLS, h.symbols_count);
  store<u32>(to + INFO_PAYLOADS, h.payload_count);
  store<u32>(to + INFO_PAYLOAD_VERSION, h.payload_version);
  store<u32>(to + INFO_OPTIONS, h.options);
  store<u64>(to + INFO_TIME_NS, h.time_ns);
  store<u64>(to + INFO_RETIRED, h.retired);
  store<u64>(to + INFO_SEED, h.seed);
  store<u32>(to + INFO_FRAMES_USED, <u32>NR_FRAMES - free);
  store<u32>(to + INFO_FRAMES_FREE, free);
  store<u32>(to + INFO_BUILD_ID_OFF, <u32>BUILD_ID_OFF);
  store<u32>(to + INFO_BUILD_ID_LEN, h.build_id_len);
  store<u32>(to + INFO_VERSION_OFF, <u32>VERSION_OFF);
  store<u32>(to + INFO_VERSION_LEN, h.version_len);
  store<u64>(to + INFO_IMAGE_LO, h.image_lo_va);
  store<u64>(to + INFO_IMAGE_HI, h.image_hi_va);
  store<u64>(to + INFO_TEXT_LO, h.text_lo_va);
  store<u64>(to + INFO_TEXT_HI, h.text_hi_va);
  store<u64>(to + INFO_PAYLOAD_BASE, h.payload_base_va);
  store<u64>(to + INFO_PAYLOAD_END, h.payload_end_va);
  store<u64>(to + INFO_STOP_NS, h.stop_ns);
  store<u32>(to + INFO_QUIESCE, h.quiesce);
  store<u32>(to + INFO_WORKLOAD, h.workload);
  store<u32>(to + INFO_ENTRIES, h.entries);
  store<u32>(to + INFO_LOST_GUESTS, h.lost_guests);
  store<u64>(to + INFO_ENTRY_LO, entry_code_va());
  store<u64>(to + INFO_ENTRY_HI, entry_code_end_va());
}

export function write_cpu(to: usize, cpu: Cpu): void {
  memory.fill(to, 0, CPU_INFO_SIZE);
  store<u32>(to + CPU_INFO_STATE, cpu.state);
  store<i32>(to + CPU_INFO_DOMAIN, cpu.domain);
  store<u32>(to + CPU_INFO_STOP, cpu.stop);
  store<u32>(to + CPU_INFO_VECTOR, cpu.fault_vector);
  store<u32>(to + CPU_INFO_ERROR, cpu.fault_error);
  store<u32>(to + CPU_INFO_USER, cpu.user);
  store<u64>(to + CPU_INFO_RIP, cpu.rip);
  store<u64>(to + CPU_INFO_RFLAGS, cpu.rflags);
  store<u64>(to + CPU_INFO_FAULT_VA, cpu.fault_va);
  store<u64>(to + CPU_INFO_RETIRED, cpu.retired);
  store<u64>(to + CPU_INFO_STACK_TOP, cpu.stack_top_va);
  memory.copy(to + CPU_INFO_REGS, changetype<usize>(cpu), 128);
  store<u32>(to + CPU_INFO_CRASHED, cpu.crashed);
  store<u32>(to + CPU_INFO_LOST, cpu.lost);
  store<i32>(to + CPU_INFO_LOST_DOMAIN, cpu.lost_domain);
  store<u32>(to + CPU_INFO_LOST_VECTOR, cpu.lost_vector);
  store<u32>(to + CPU_INFO_LOST_ERROR, cpu.lost_error);
  store<u64>(to + CPU_INFO_LOST_RIP, cpu.lost_rip);
  store<u64>(to + CPU_INFO_LOST_VA, cpu.lost_va);
}

/** 0, or -EINVAL when there is no symbol of that index. */
export function write_symbol(to: usize, index: u32): i32 {
  if (index >= header().symbols_count) return -EINVAL;
  const s = symbol(index);
  memory.fill(to, 0, SYMBOL_RECORD_SIZE);
  store<u64>(to + SYMBOL_VA, s.va);
  store<u64>(to + SYMBOL_SIZE, s.size);
  store<u64>(to + SYMBOL_ROOM, s.room);
  store<u32>(to + SYMBOL_TYPE, s.type);
  store<u32>(to + SYMBOL_BIND, s.bind);
  store<u32>(to + SYMBOL_NAME_OFF, s.name);
  store<u32>(to + SYMBOL_NAME_LEN, s.name_len);
  store<u32>(to + SYMBOL_FILE_OFF, s.file);
  store<u32>(to + SYMBOL_FILE_LEN, s.file == 0 ? 0 : <u32>name_length(<usize>s.file, FILE_MAX));
  store<u32>(to + SYMBOL_REGION, region_of(s.va));
  return 0;
}
