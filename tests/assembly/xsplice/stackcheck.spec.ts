// xsplice/stackcheck, stack_ranges: nobody is in code that changes (R50, R54, R181, R219).

import { EBUSY, OPTION_STACK_FRAMES, XSPLICE_SECTION_NO_STACKCHECK } from "../../../assembly/abi";
import { Cpu, CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { alloc_frames, OWNER_IMAGE } from "../../../assembly/hv/frames";
import { header } from "../../../assembly/hv/header";
import { peek_off } from "../../../assembly/hv/mem";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { INFO_GUEST_REGS } from "../../../assembly/hv/stack";
import { PLACE_XSPLICE_PATCH, REASON_ON_STACK } from "../../../assembly/reasons";
import { Payload } from "../../../assembly/xsplice/payload";
import {
  MARK_REPLACES,
  MARK_STACKED,
  SPLICE_DATA,
  SPLICE_FIELD,
  splice_at,
  SPLICE_TEXT,
  SPLICE_TRAMPOLINE,
} from "../../../assembly/xsplice/splice";
import { collect_ranges, ranges_needed } from "../../../assembly/xsplice/stack_ranges";
import { check_stacks, find_on_stack, is_held } from "../../../assembly/xsplice/stackcheck";
import { alloc_prepared } from "../../../assembly/xsplice/undo";
import { image_symbol } from "../support/bare_machine";
import {
  CODE_VA,
  list_payload,
  make_splice,
  make_splices,
  reset_engine,
  RODATA_VA,
} from "../support/engine_machine";

let p: Payload = changetype<Payload>(0);

function ranges(new_code: bool): void {
  expect<i32>(alloc_prepared(p, ranges_needed(p))).toBe(0);
  collect_ranges(p, new_code);
}

function check(): i32 {
  clear_refusal();
  return find_on_stack(p.ranges_off, p.ranges_count);
}

/** CPU 1 is in the hypervisor, `depth` words on its stack, all of them `word` at `at`. */
function busy(rip: u64, depth: u32, at: u32, word: u64): void {
  const cpu = cpu_at(1);
  cpu.state = CPU_HYPERVISOR;
  cpu.rip = rip;
  cpu.rsp = cpu.stack_top_va - INFO_GUEST_REGS - ((<u64>depth) << 3);
  for (let i: u32 = 0; i < depth; i++) {
    store<u64>(peek_off(cpu.rsp + ((<u64>i) << 3)), i == at ? word : 0xffff830000000000);
  }
}

/** Whether an address is in a range, by a CPU whose rip is there. */
function holds(va: u64): bool {
  busy(va, 0, 0, 0);
  return check() == -EBUSY;
}

const NEW: u64 = 0xffff82d080302000;

/** An applied payload with a jump at p's first place to 16 bytes at NEW, and 16 bytes more. */
function earlier(): Payload {
  const q = list_payload("b", 8);
  make_splices(q, 1);
  const t = make_splice(q, 0, SPLICE_TRAMPOLINE, CODE_VA + 0x100, 5);
  t.target = NEW;
  t.new_size = 16;
  q.text_va = NEW;
  q.text_size = 32;
  q.apply_order = 1;
  return q;
}

describe("stack check", () => {
  beforeEach(() => {
    reset_engine();
    p = list_payload("a", 1);
    make_splices(p, 3);
    const f = make_splice(p, 0, SPLICE_TRAMPOLINE, CODE_VA + 0x100, 5);
    f.object_size = 0x80;
    make_splice(p, 1, SPLICE_TEXT, CODE_VA + 0x400, 16);
    make_splice(p, 2, SPLICE_DATA, RODATA_VA, 64);
  });

  it("R219: covers the whole old function, not what is beside it", () => {
    ranges(false);
    expect<bool>(holds(CODE_VA + 0x100)).toBe(true);
    expect<bool>(holds(CODE_VA + 0x17f)).toBe(true);
    expect<bool>(holds(CODE_VA + 0x180)).toBe(false);
    expect<bool>(holds(CODE_VA + 0xff)).toBe(false);
    expect<bool>(holds(CODE_VA + 0x40f)).toBe(true);
    expect<bool>(holds(CODE_VA + 0x410)).toBe(false);
    expect<bool>(holds(RODATA_VA + 8)).toBe(false);
  });

  it("R181: finds a return address anywhere on a stack in use", () => {
    ranges(false);
    for (let at: u32 = 0; at < 64; at += 9) {
      busy(0, 64, at, CODE_VA + 0x120);
      expect<i32>(check()).toBe(-EBUSY);
      expect<u32>(refusal().reason).toBe(REASON_ON_STACK);
      expect<u32>(refusal().cpu).toBe(1);
      expect<u64>(refusal().va).toBe(CODE_VA + 0x120);
      expect<u64>(refusal().va2).toBe(cpu_at(1).rsp + ((<u64>at) << 3));
    }
    busy(0, 64, 64, 0);
    expect<i32>(check()).toBe(0);
  });

  it("R55: what is below the stack pointer, or on an idle CPU's stack, is nobody's", () => {
    ranges(false);
    busy(0, 64, 3, CODE_VA + 0x120);
    cpu_at(1).rsp += 4 * 8;
    expect<i32>(check()).toBe(0);
    cpu_at(1).rsp -= 4 * 8;
    expect<i32>(check()).toBe(-EBUSY);
    cpu_at(1).state = CPU_IDLE;
    expect<i32>(check()).toBe(0);
  });

  it("R54: NO_STACKCHECK leaves its section out", () => {
    make_splice(p, 0, SPLICE_TRAMPOLINE, CODE_VA + 0x100, 5).flags = XSPLICE_SECTION_NO_STACKCHECK;
    ranges(false);
    expect<bool>(holds(CODE_VA + 0x100)).toBe(false);
    expect<bool>(holds(CODE_VA + 0x400)).toBe(true);
  });

  it("R219: on revert the new code counts too", () => {
    p.text_va = 0xffff82d080301000;
    p.text_size = 0x123;
    ranges(false);
    expect<bool>(holds(0xffff82d080301010)).toBe(false);
    collect_ranges(p, true);
    expect<bool>(holds(0xffff82d080301000)).toBe(true);
    expect<bool>(holds(0xffff82d080301122)).toBe(true);
    expect<bool>(holds(0xffff82d080301123)).toBe(false);
    expect<bool>(holds(CODE_VA + 0x100)).toBe(true);
  });

  it("R19, R219: of a patched call only the instruction counts", () => {
    make_splice(p, 1, SPLICE_FIELD, CODE_VA + 0x401, 4);
    ranges(false);
    expect<bool>(holds(CODE_VA + 0x400)).toBe(true);
    expect<bool>(holds(CODE_VA + 0x405)).toBe(false);
  });

  it("merges ranges that meet, in any order", () => {
    make_splices(p, 4);
    const big = make_splice(p, 0, SPLICE_TRAMPOLINE, CODE_VA + 0x10, 5);
    big.object_size = 0x200;
    make_splice(p, 1, SPLICE_TEXT, CODE_VA + 0x20, 4);
    make_splice(p, 2, SPLICE_TEXT, CODE_VA + 0x40, 4);
    make_splice(p, 3, SPLICE_TEXT, CODE_VA + 0x300, 4);
    p.text_va = CODE_VA - 0x1000;
    p.text_size = 0x1008;
    ranges(true);
    expect<u32>(p.ranges_count).toBe(3);
    expect<bool>(holds(CODE_VA + 7)).toBe(true);
    expect<bool>(holds(CODE_VA + 8)).toBe(false);
    expect<bool>(holds(CODE_VA + 0x20f)).toBe(true);
    expect<bool>(holds(CODE_VA + 0x210)).toBe(false);
  });

  it("R219: where an earlier payload is covered or replaced, what runs there counts", () => {
    const marks: u32[] = [MARK_STACKED, MARK_REPLACES];
    for (let i = 0; i < marks.length; i++) {
      const q = earlier();
      splice_at(p, 0).marks = marks[i];
      ranges(false);
      expect<bool>(holds(NEW)).toBe(true);
      expect<bool>(holds(NEW + 15)).toBe(true);
      expect<bool>(holds(NEW + 16)).toBe(marks[i] == MARK_REPLACES); // all of it goes
      splice_at(p, 0).flags = XSPLICE_SECTION_NO_STACKCHECK;
      ranges(false);
      expect<bool>(holds(NEW)).toBe(marks[i] == MARK_REPLACES);
      splice_at(p, 0).flags = 0;
      q.apply_order = 0; // reverted meanwhile
      ranges(false);
      expect<bool>(holds(NEW)).toBe(false);
    }
  });

  it("a CPU that is borrowed comes back to where it was", () => {
    ranges(false);
    const cpu = cpu_at(1);
    busy(0, 8, 9, 0);
    cpu.live = 1;
    store<u64>(cpu.saved_off + offsetof<Cpu>("rip"), CODE_VA + 0x110);
    expect<i32>(check()).toBe(0);
    cpu.borrowed = 1;
    expect<i32>(check()).toBe(-EBUSY);
    expect<u64>(refusal().va).toBe(CODE_VA + 0x110);
  });

  it("R50: the refusal tells the entry of the payload, the frame, and the image's name", () => {
    image_symbol("function", CODE_VA + 0x100);
    ranges(false);
    splice_at(p, 0).symbol = 0;
    busy(CODE_VA, 8, 5, CODE_VA + 0x120);
    store<u64>(peek_off(cpu_at(1).rsp), CODE_VA); // points into code, so it is frame 1
    clear_refusal();
    expect<i32>(check_stacks(p)).toBe(-EBUSY);
    const r = refusal();
    expect<u32>(r.place).toBe(PLACE_XSPLICE_PATCH);
    expect<u32>(r.index).toBe(0);
    expect<u64>(r.value).toBe(2);
    expect<u8>(load<u8>(r.name_off)).toBe(0x66);
    busy(CODE_VA + 0x404, 8, 9, 0);
    clear_refusal();
    expect<i32>(check_stacks(p)).toBe(-EBUSY);
    expect<u32>(refusal().index).toBe(1);
    expect<u64>(refusal().value).toBe(0);
  });

  it("memory that goes away: a pointer in a register counts, and every word", () => {
    header().options = OPTION_STACK_FRAMES;
    const range = alloc_frames(1, OWNER_IMAGE);
    store<u64>(range, NEW);
    store<u64>(range, NEW + 16, 8);
    const cpu = cpu_at(1);
    busy(CODE_VA, 8, 9, 0);
    expect<bool>(is_held(range, 1)).toBe(false);
    cpu.r12 = NEW + 8;
    expect<i32>(find_on_stack(range, 1)).toBe(0);
    expect<bool>(is_held(range, 1)).toBe(true);
    cpu.state = CPU_IDLE;
    expect<bool>(is_held(range, 1)).toBe(false);
    cpu.r12 = 0;
    busy(CODE_VA, 8, 3, NEW);
    expect<bool>(is_held(range, 1)).toBe(true);
    header().options = 0;
  });
});
