// hv/frame_walk: return addresses are found, stale words in a frame are not taken for them, and
// where a function has no frame every word counts (R50, R181).

import { EBUSY, OPTION_STACK_FRAMES } from "../../../assembly/abi";
import { Cpu, CPU_HYPERVISOR, cpu_at } from "../../../assembly/hv/cpu";
import { header } from "../../../assembly/hv/header";
import { peek_off } from "../../../assembly/hv/mem";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { INFO_GUEST_REGS } from "../../../assembly/hv/stack";
import { range_at } from "../../../assembly/hv/stack_scan";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { find_on_stack } from "../../../assembly/xsplice/stackcheck";
import { image_symbol } from "../support/bare_machine";
import { CODE_VA, image_off, reset_engine } from "../support/engine_machine";

const INNER: u64 = CODE_VA + 0x100; // framed
const MIDDLE: u64 = CODE_VA + 0x200; // framed, behind an ENDBR64
const BARE: u64 = CODE_VA + 0x300; // no frame
const OLD: u64 = CODE_VA + 0x400; // what changes
let ranges: usize = 0;
let end_va: u64 = 0;

function code(va: u64, low: u64): void {
  store<u64>(image_off(va), low);
  store<u64>(image_off(va), 0x9090909090909090, 8);
}

function word(below: u64, value: u64): void {
  store<u64>(peek_off(end_va - below), value);
}

/** INNER was called by MIDDLE, that by `outer`; frames at 0x80 and 0x40 below the end. */
function busy(outer: u64): Cpu {
  const cpu = cpu_at(1);
  cpu.state = CPU_HYPERVISOR;
  end_va = cpu.stack_top_va - INFO_GUEST_REGS;
  memory.fill(peek_off(end_va - 0xa0), 0, 0xa0);
  cpu.rip = INNER + 8;
  cpu.rsp = end_va - 0xa0;
  cpu.rbp = end_va - 0x80;
  word(0x80, end_va - 0x40);
  word(0x78, MIDDLE + 12);
  word(0x38, outer);
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

describe("frame walk", () => {
  beforeEach(() => {
    reset_engine();
    code(INNER, 0x90909090e5894855);
    code(MIDDLE, 0xe5894855fa1e0ff3);
    code(BARE, 0x9090909090909090);
    image_symbol("inner", INNER);
    image_symbol("middle", MIDDLE);
    image_symbol("bare", BARE);
    image_symbol("old", OLD);
    ranges = alloc_frames(1, OWNER_IMAGE);
    range_at(ranges, 0).lo_va = OLD;
    range_at(ranges, 0).hi_va = OLD + 16;
  });

  it("R181: a stale word among a frame's locals: the scan refuses, the walk does not", () => {
    busy(BARE + 8);
    word(0x60, OLD + 8);
    expect<i32>(scan()).toBe(-EBUSY);
    expect<i32>(frames()).toBe(0);
  });

  it("R50: a return address in a frame, and what lies beyond the frames: both refuse", () => {
    const places: u64[] = [0x78, 0x38, 0x20, 8];
    for (let i = 0; i < places.length; i++) {
      busy(BARE + 8);
      word(places[i], OLD + 8);
      expect<i32>(scan()).toBe(-EBUSY);
      expect<i32>(frames()).toBe(-EBUSY);
      expect<u64>(refusal().va2).toBe(end_va - places[i]);
    }
  });

  it("the innermost frame is looked at as a whole", () => {
    busy(BARE + 8);
    word(0x98, OLD + 8);
    expect<i32>(frames()).toBe(-EBUSY);
    expect<u64>(refusal().va2).toBe(end_va - 0x98);
  });

  it("R181: a function without a frame anywhere: every word from there on counts", () => {
    busy(BARE + 8);
    word(0x78, BARE + 8);
    word(0x60, OLD + 8);
    expect<i32>(frames()).toBe(-EBUSY);
    busy(BARE + 8).rip = BARE + 8;
    word(0x60, OLD + 8);
    expect<i32>(frames()).toBe(-EBUSY);
  });

  it("before the frame is set up, and behind its end, it is not relied on", () => {
    for (let at: u64 = 0; at < 4; at++) {
      busy(BARE + 8).rip = INNER + at;
      word(0x60, OLD + 8);
      expect<i32>(frames()).toBe(-EBUSY);
    }
    busy(BARE + 8);
    word(0x60, OLD + 8);
    store<u8>(image_off(INNER + 7), 0x5d); // POP RBP
    expect<i32>(frames()).toBe(-EBUSY);
    store<u8>(image_off(INNER + 7), 0x90);
    expect<i32>(frames()).toBe(0);
    store<u8>(image_off(INNER + 8), 0xc3); // RET
    expect<i32>(frames()).toBe(-EBUSY);
  });

  it("a chain that goes down, aside or out of the stack: every word counts", () => {
    const wrong: u64[] = [end_va - 0x90, end_va - 0x80, end_va - 0x3c, end_va - 8, end_va, 0, ~0];
    for (let i = 0; i < wrong.length; i++) {
      busy(BARE + 8);
      word(0x60, OLD + 8);
      word(0x80, wrong[i]);
      expect<i32>(frames()).toBe(-EBUSY);
    }
  });
});
