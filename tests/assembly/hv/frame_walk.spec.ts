// hv/frame_walk: return addresses are found, stale words in a frame are not taken for them, marked
// frames of entries are stepped over, and what cannot be proved counts word by word (R50, R181).

import { EBUSY, OPTION_STACK_FRAMES } from "../../../assembly/abi";
import {
  FRAME_BELOW,
  FRAME_KIND,
  FRAME_MAYBE,
  FRAME_RECORD_SIZE,
  FRAME_RETURN,
  FRAME_RIP,
  FRAME_VA,
} from "../../../assembly/abi_stacks";
import { Cpu, CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { IO_OFF } from "../../../assembly/hv/layout";
import { peek_off } from "../../../assembly/hv/mem";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { INFO_GUEST_REGS } from "../../../assembly/hv/stack";
import { write_frames } from "../../../assembly/hv/stack_frames";
import { range_at } from "../../../assembly/hv/stack_scan";
import { symbol } from "../../../assembly/hv/symbols";
import { find_on_stack } from "../../../assembly/xsplice/stackcheck";
import { image_symbol } from "../support/bare_machine";
import { CODE_VA, image_off, reset_engine, RODATA_VA } from "../support/engine_machine";

const FRAMED: u64 = CODE_VA + 0x100; // push %rbp; mov %rsp,%rbp; sub $0x20,%rsp; call; leave; ret
const FRAMED_RETURN: u64 = FRAMED + 13;
const BARE: u64 = CODE_VA + 0x200; // call; iretq: nobody knows how it was entered
const BARE_RETURN: u64 = BARE + 5;
const ENTRY: u64 = CODE_VA + 0x300; // marks its frame; call; jmp
const ENTRY_RETURN: u64 = ENTRY + 40;
const OLD: u64 = CODE_VA + 0x400; // what changes
const FRAME: u64 = 0x30; // of FRAMED: locals, rbp, return address
const UREGS: u64 = 168; // with an interrupt's frame

let ranges: usize = 0;
let end_va: u64 = 0;
let at: u64 = 0; // the stack is built downwards from its end
let rbp: u64 = 0;

function put(name: string, va: u64, code: u8[]): void {
  for (let i = 0; i < code.length; i++) store<u8>(image_off(va + <u64>i), code[i]);
  image_symbol(name, va);
  symbol(header().symbols_count - 1).size = <u64>code.length;
}

function word(va: u64, value: u64): void {
  store<u64>(peek_off(va), value);
}

function push(value: u64): void {
  at -= 8;
  word(at, value);
}

/** A frame of FRAMED, called from `from`. */
function frame(from: u64): void {
  push(from);
  push(rbp);
  rbp = at;
  at -= 0x20;
}

/** What an entry leaves: an interrupt's frame and saved registers, marked. */
function interrupted(rip: u64, cs: u64): void {
  const rsp = at;
  at &= ~15;
  push(0);
  push(rsp);
  push(0x202);
  push(cs);
  push(rip);
  for (let i = 0; i < 16; i++) push(i == 11 ? rbp : 0);
  rbp = ~(at + 32);
}

/** CPU 1 at `rip`, with what was built on its stack. */
function busy(rip: u64): Cpu {
  const cpu = cpu_at(1);
  cpu.state = CPU_HYPERVISOR;
  cpu.rip = rip;
  cpu.rsp = at;
  cpu.rbp = rbp;
  return cpu;
}

function check(options: u32): i32 {
  header().options = options;
  clear_refusal();
  return find_on_stack(ranges, 1);
}
function scan(): i32 {
  return check(0);
}
function frames(): i32 {
  return check(OPTION_STACK_FRAMES);
}

/** Kind of frame `n` (from 1) of CPU 1; 0 when there are not so many. */
function kind_of(n: u32): u32 {
  if (write_frames(IO_OFF, cpu_at(1), true) < n) return 0;
  return load<u32>(IO_OFF + <usize>(n - 1) * FRAME_RECORD_SIZE + FRAME_KIND);
}

describe("frame walk", () => {
  beforeEach(() => {
    reset_engine();
    const framed: u8[] = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xe8, 0, 0x10, 0, 0];
    put("framed", FRAMED, framed.concat([0xc9, 0xc3]));
    put("bare", BARE, [0xe8, 0, 0x10, 0, 0, 0x48, 0xcf]);
    const entry: u8[] = [0x6a, 0]; // push $0, then the registers
    for (let i: u8 = 0; i < 15; i++) entry.push(0x50);
    for (let i = 0; i < 10; i++) entry.push(0x90);
    const mark: u8[] = [0x48, 0x8d, 0x6c, 0x24, 32, 0x48, 0xf7, 0xd5, 0xe8, 0, 0x10, 0, 0];
    put("entry", ENTRY, entry.concat(mark).concat([0xe9, 0, 1, 0, 0]));
    put("old", OLD, [0x90, 0xc3]);
    ranges = alloc_frames(1, OWNER_IMAGE);
    range_at(ranges, 0).lo_va = OLD;
    range_at(ranges, 0).hi_va = OLD + 2;
    end_va = cpu_at(1).stack_top_va - INFO_GUEST_REGS;
    at = end_va;
    rbp = 0;
  });

  it("R181: a stale word among a frame's locals: the scan refuses, the walk does not", () => {
    frame(BARE_RETURN);
    frame(FRAMED_RETURN);
    busy(FRAMED_RETURN - 5);
    expect<i32>(scan()).toBe(0);
    for (let local: u64 = 0; local < 0x20; local += 8) {
      word(at + local, OLD + 1);
      word(at + FRAME + local, OLD + 1);
    }
    expect<i32>(scan()).toBe(-EBUSY);
    expect<i32>(frames()).toBe(0);
    expect<u32>(kind_of(1)).toBe(FRAME_RETURN);
    expect<u32>(kind_of(2)).toBe(FRAME_RETURN);
    expect<u32>(kind_of(3)).toBe(0);
  });

  it("R50: a return address, wherever it is: both refuse, with frame and place", () => {
    for (let n: u32 = 1; n <= 3; n++) {
      at = end_va;
      rbp = 0;
      for (let i: u32 = 3; i > 0; i--) frame(i == n ? OLD + 1 : FRAMED_RETURN);
      const cpu = busy(FRAMED_RETURN - 5);
      const place = end_va - <u64>(4 - n) * FRAME + 0x28;
      expect<i32>(scan()).toBe(-EBUSY);
      expect<u64>(refusal().limit).toBe(0);
      expect<i32>(frames()).toBe(-EBUSY);
      expect<u32>(refusal().cpu).toBe(cpu.id);
      expect<u64>(refusal().va).toBe(OLD + 1);
      expect<u64>(refusal().value).toBe(n);
      expect<u64>(refusal().limit).toBe(1);
      expect<u64>(refusal().va2).toBe(place);
    }
  });

  it("every instruction of a function knows its frame, what is between two knows nothing", () => {
    const starts: u64[] = [0, 1, 4, 8, 13, 14];
    const words: u64[] = [0, 1, 1, 5, 5, 0]; // below the return address
    for (let i = 0; i < 6; i++) {
      at = end_va;
      rbp = 0;
      frame(BARE_RETURN);
      const outer = rbp;
      frame(FRAMED_RETURN);
      if (words[i] > 1) word(at, OLD + 1);
      const is_set = i >= 2 && i <= 4;
      const cpu = busy(FRAMED + starts[i]);
      cpu.rsp = at + 0x28 - (words[i] << 3);
      if (!is_set) cpu.rbp = outer;
      expect<i32>(frames()).toBe(0);
      expect<u32>(kind_of(1)).toBe(FRAME_RETURN);
      expect<u32>(kind_of(2)).toBe(FRAME_RETURN);
      cpu.rip += 2;
      const is_start = starts.includes(starts[i] + 2);
      if (!is_start) expect<u32>(kind_of(1)).toBe(FRAME_MAYBE);
    }
  });

  it("R181: from what cannot be proved on, every word counts", () => {
    frame(FRAMED_RETURN);
    frame(BARE_RETURN);
    frame(FRAMED_RETURN);
    busy(FRAMED_RETURN - 5);
    word(at + 8, OLD + 1);
    expect<i32>(frames()).toBe(0);
    word(at + FRAME + 8, OLD + 1);
    expect<i32>(frames()).toBe(0); // the frame that BARE called: proved
    word(at + 2 * FRAME + 8, OLD + 1);
    expect<i32>(frames()).toBe(-EBUSY);
    expect<u64>(refusal().limit).toBe(0);
    expect<u64>(refusal().va2).toBe(at + 2 * FRAME + 8);
    expect<u64>(refusal().value).toBe(3);
    expect<u32>(kind_of(2)).toBe(FRAME_RETURN);
    expect<u32>(kind_of(3)).toBe(FRAME_MAYBE);
    busy(BARE + 5);
    word(at + 2 * FRAME + 8, 0);
    expect<i32>(frames()).toBe(-EBUSY);
  });

  it("rbp and rsp that disagree: every word counts", () => {
    const wrong: u64[] = [0, 8, ~0, end_va, end_va - 0x2000];
    for (let i = 0; i < wrong.length; i++) {
      at = end_va;
      rbp = 0;
      frame(BARE_RETURN);
      busy(FRAMED_RETURN - 5).rbp = wrong[i];
      word(at, OLD + 1);
      expect<i32>(frames()).toBe(-EBUSY);
    }
  });

  it("a chain that leads out of the stack, or to a word that is not behind a call", () => {
    const wrong: u64[] = [FRAMED_RETURN - 1, FRAMED, 0, ~0, OLD, RODATA_VA];
    for (let i = 0; i < wrong.length; i++) {
      at = end_va;
      rbp = 0;
      frame(0);
      word(at, OLD + 1);
      frame(wrong[i]);
      busy(FRAMED_RETURN - 5);
      expect<i32>(frames()).toBe(-EBUSY);
    }
  });

  it("R181: a marked frame is stepped over; of what was interrupted, its place counts", () => {
    frame(BARE_RETURN);
    word(at + 8, OLD + 1);
    interrupted(FRAMED_RETURN - 5, 0xe008);
    word(at + 8, OLD + 1); // a register
    frame(ENTRY_RETURN);
    const cpu = busy(FRAMED_RETURN - 5);
    expect<i32>(scan()).toBe(-EBUSY);
    expect<i32>(frames()).toBe(0);
    expect<u32>(kind_of(1)).toBe(FRAME_RETURN);
    expect<u32>(kind_of(2)).toBe(FRAME_RIP);
    expect<u32>(kind_of(3)).toBe(FRAME_RETURN);
    expect<u32>(kind_of(4)).toBe(0);
    expect<u64>(load<u64>(IO_OFF + FRAME_RECORD_SIZE + FRAME_VA)).toBe(FRAMED_RETURN - 5);
    const below = load<u32>(IO_OFF + FRAME_RECORD_SIZE + FRAME_BELOW);
    expect<u64>(cpu.stack_top_va - below).toBe(at + FRAME + 128);
    word(at + FRAME + 128, OLD);
    expect<i32>(frames()).toBe(-EBUSY);
    expect<u64>(refusal().value).toBe(2);
    expect<u64>(refusal().limit).toBe(1);
  });

  it("a guest's frame ends the stack, and nothing else does", () => {
    at = end_va + UREGS;
    interrupted(OLD, 0xe033);
    expect<u64>(at).toBe(end_va);
    frame(ENTRY_RETURN);
    busy(FRAMED_RETURN - 5);
    expect<i32>(frames()).toBe(0);
    at = end_va;
    rbp = 0;
    interrupted(OLD, 0xe033); // ring 3, in the middle of a stack
    frame(ENTRY_RETURN);
    busy(FRAMED_RETURN - 5);
    expect<i32>(frames()).toBe(-EBUSY);
  });

  it("a mark that is not the entry's own, or a stack pointer that does not fit: all counts", () => {
    for (let wrong = 0; wrong < 5; wrong++) {
      at = end_va;
      rbp = 0;
      frame(BARE_RETURN);
      word(at + 8, OLD + 1);
      interrupted(FRAMED_RETURN - 5, 0xe008);
      const regs = at;
      if (wrong == 0) rbp ^= 8;
      if (wrong == 1) rbp = 0; // the guest's, where the entry has no mark
      if (wrong == 2) word(regs + 152, regs + 0x98);
      if (wrong == 3) word(regs + 152, regs + UREGS + 16);
      if (wrong == 4) word(regs + 152, 0);
      frame(ENTRY_RETURN);
      busy(FRAMED_RETURN - 5);
      expect<i32>(frames()).toBe(-EBUSY);
    }
  });

  it("an NMI while an entry saves the guest's registers: its place is among them", () => {
    at = end_va + 200;
    interrupted(OLD, 0xe008);
    const cpu = busy(BARE);
    cpu.nmi_frame_va = at + 128;
    expect<bool>(cpu.nmi_frame_va >= end_va).toBe(true);
    expect<i32>(scan()).toBe(-EBUSY);
    expect<i32>(frames()).toBe(-EBUSY);
    frame(ENTRY_RETURN);
    busy(FRAMED_RETURN - 5);
    expect<i32>(frames()).toBe(-EBUSY);
    expect<u64>(refusal().value).toBe(2);
    cpu.nmi_frame_va = 0;
    expect<i32>(scan()).toBe(0); // the guest's registers are the guest's
  });

  it("a CPU that is not inside has no frames", () => {
    frame(FRAMED_RETURN);
    const cpu = busy(FRAMED_RETURN - 5);
    expect<u32>(write_frames(IO_OFF, cpu, true)).toBe(1);
    cpu.state = CPU_IDLE;
    expect<u32>(write_frames(IO_OFF, cpu, true)).toBe(0);
    cpu.live = 1;
    expect<u32>(write_frames(IO_OFF, cpu, true)).toBe(1);
    cpu.user = 1;
    expect<u32>(write_frames(IO_OFF, cpu, true)).toBe(0);
  });

  it("a stack full of addresses is told in full", () => {
    const cpu = busy(BARE);
    cpu.rsp = cpu.stack_top_va - 0x8000;
    let words: u32 = 0;
    for (let va = cpu.rsp; va < end_va; va += 8) {
      word(va, FRAMED);
      words++;
    }
    expect<u32>(write_frames(IO_OFF, cpu, true)).toBe(words);
    expect<u32>(write_frames(IO_OFF, cpu, false)).toBe(words);
    range_at(ranges, 0).lo_va = FRAMED;
    range_at(ranges, 0).hi_va = FRAMED + 1;
    word(cpu.rsp, 0);
    expect<i32>(scan()).toBe(-EBUSY);
    expect<u64>(refusal().value).toBe(1);
  });
});
