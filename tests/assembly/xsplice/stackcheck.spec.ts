// xsplice/stackcheck: nobody is in code that changes (R50, R54, R181, R219).

import { EBUSY, XSPLICE_SECTION_NO_STACKCHECK } from "../../../assembly/abi";
import { CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { peek_off } from "../../../assembly/hv/mem";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { INFO_GUEST_REGS } from "../../../assembly/hv/stack";
import { REASON_ON_STACK } from "../../../assembly/reasons";
import { Payload } from "../../../assembly/xsplice/payload";
import {
  SPLICE_DATA,
  SPLICE_FIELD,
  SPLICE_TEXT,
  SPLICE_TRAMPOLINE,
} from "../../../assembly/xsplice/splice";
import { collect_ranges, find_on_stack, ranges_needed } from "../../../assembly/xsplice/stackcheck";
import { alloc_prepared } from "../../../assembly/xsplice/undo";
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
});
