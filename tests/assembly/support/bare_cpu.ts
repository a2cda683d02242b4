// A CPU with memory and nothing else, for the tests that compare the interpreter with real
// processors: compiled as a module of its own (tests/support/interpreter.ts).

import "../../../assembly/hv/panic";
import { Cpu, cpu_at } from "../../../assembly/hv/cpu";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { IO_OFF, RETURN_VA } from "../../../assembly/hv/layout";
import { peek, poke, set_context } from "../../../assembly/hv/mem";
import { map_pages, new_root } from "../../../assembly/hv/pages";
import { flush_code } from "../../../assembly/hv/x86/cache";
import { decode } from "../../../assembly/hv/x86/decode";
import { Insn } from "../../../assembly/hv/x86/insn";
import { Op } from "../../../assembly/hv/x86/ops";
import { run_cpu } from "../../../assembly/hv/x86/run";
import { reset_state, system_of } from "../../../assembly/hv/x86/state";

let lower: usize = 0;

/** Two address spaces, the CPU in user mode or not. */
export function init(user: bool): void {
  header().hv_root = <u64>new_root();
  lower = new_root();
  cpu_at(0).user = <u32>user;
  reset_state(cpu_at(0));
  set_context(<usize>header().hv_root, lower, 0, user);
  flush_code();
}

/** Maps fresh pages; returns their linear offset, 0 when there are none. */
export function map(va: u64, pages: u32, perms: u32): usize {
  const off = alloc_frames(pages, OWNER_IMAGE);
  if (off == 0) return 0;
  const root = <i64>va < 0 ? <usize>header().hv_root : lower;
  return map_pages(root, va, off, pages, perms) ? off : 0;
}

/** Bytes to and from IO_OFF; returns how many were not copied. */
export function write(va: u64, len: u64): u64 {
  return poke(va, IO_OFF, len);
}
export function read(va: u64, len: u64): u64 {
  return peek(IO_OFF, va, len);
}
export function io_off(): usize {
  return IO_OFF;
}
export function cpu_off(): usize {
  return changetype<usize>(cpu_at(0));
}
export function fault_off(): usize {
  return cpu_off() + offsetof<Cpu>("fault_vector");
}
export function retired(): u64 {
  return cpu_at(0).retired;
}
export function return_va(): u64 {
  return RETURN_VA;
}
/** For code that was changed behind the machine's back. */
export function flush(): void {
  flush_code();
}
/** Where the descriptor table of the CPU is. */
export function load_gdt(va: u64, limit: u32): void {
  system_of(cpu_at(0)).gdt_base = va;
  system_of(cpu_at(0)).gdt_limit = <u16>limit;
}
export function run(instructions: u64): u32 {
  return run_cpu(cpu_at(0), instructions);
}

/** Length of the instruction at `off`, 0 when `max` bytes are not enough. */
export function length(off: usize, max: u32, va: u64): u32 {
  return decode(off, max, va, changetype<Insn>(IO_OFF + 0x8000));
}
/** Operation of the instruction that `length` decoded last. */
export function operation(): u32 {
  return changetype<Insn>(IO_OFF + 0x8000).id;
}
/** Has it a meaning here, or does it only have a length? */
export function is_executed(): bool {
  return operation() != Op.Invalid && operation() != Op.Unsupported;
}
