// hv/cfa, hv/cfa_flow, hv/cfa_rule: where the return address lies, at every instruction of a
// function; and that nothing is said where it cannot be known (R50, R181).

import {
  at_of,
  NO_SP,
  RBP_AT,
  RBP_CALLER,
  RBP_LOST,
  RBP_MARK,
  rbp_of,
  saved_of,
  sp_of,
} from "../../../assembly/hv/cfa_rule";
import { find_rule, forget_rules } from "../../../assembly/hv/cfa";
import { header } from "../../../assembly/hv/header";
import { symbol } from "../../../assembly/hv/symbols";
import { image_symbol } from "../support/bare_machine";
import { CODE_VA, image_off, reset_engine } from "../support/engine_machine";

const FN: u64 = CODE_VA + 0x100;
const OTHER: u64 = CODE_VA + 0x200;
const CALL: u8[] = [0xe8, 0, 4, 0, 0];
const PUSH_RBP: u8 = 0x55;
const POP_RBP: u8 = 0x5d;
const RET: u8 = 0xc3;

function put(name: string, va: u64, code: u8[]): void {
  for (let i = 0; i < code.length; i++) store<u8>(image_off(va + <u64>i), code[i]);
  image_symbol(name, va);
  symbol(header().symbols_count - 1).size = <u64>code.length;
  forget_rules();
}
function fn(code: u8[]): void {
  put("fn", FN, code);
}

/** The rule at byte `at`: of the instruction there, or of the call that returns there. */
function at(at: u64, called: bool = false): u64 {
  return find_rule(FN + at, called);
}

function expect_rule(rule: u64, sp: i32, rbp: u32, saved: i32 = 0): void {
  expect<bool>(rule != 0).toBe(true);
  expect<i32>(sp_of(rule)).toBe(sp);
  expect<u32>(rbp_of(rule)).toBe(rbp);
  expect<i32>(saved_of(rule)).toBe(saved);
}

describe("canonical frame address", () => {
  beforeEach(() => {
    reset_engine();
  });

  it("a leaf: what rsp points to", () => {
    fn([0x48, 0x8d, 0x47, 0x01, RET]);
    expect_rule(at(0), 8, RBP_CALLER);
    expect_rule(at(4), 8, RBP_CALLER);
    expect<u64>(at(1)).toBe(0); // no instruction begins there
    expect<u64>(at(5)).toBe(0); // behind the function
  });

  it("a frame, with other instructions among its set-up and its end", () => {
    // push %rbp; mov %rsp,%rax; mov %rsp,%rbp; push %rbx; call; lock subl $1,(%rax); pop; pop; ret
    const code: u8[] = [PUSH_RBP, 0x48, 0x89, 0xe0, 0x48, 0x89, 0xe5, 0x53];
    fn(code.concat(CALL).concat([0xf0, 0x83, 0x28, 0x01, 0x5b, POP_RBP, RET]));
    expect_rule(at(0), 8, RBP_CALLER);
    expect_rule(at(1), 16, RBP_CALLER, 16);
    expect_rule(at(4), 16, RBP_CALLER, 16);
    expect_rule(at(7), 16, RBP_AT, 16);
    expect<i32>(at_of(at(7))).toBe(16);
    expect_rule(at(13, true), 24, RBP_AT, 16);
    expect_rule(at(17), 24, RBP_AT, 16);
    expect_rule(at(18), 16, RBP_AT, 16);
    expect_rule(at(19), 8, RBP_CALLER);
  });

  it("a return address stands behind a call, nowhere else", () => {
    fn((<u8[]>[PUSH_RBP, 0x90]).concat(CALL).concat([POP_RBP, RET]));
    expect<bool>(at(7, true) != 0).toBe(true);
    for (let i: u64 = 0; i < 10; i++) {
      if (i != 7) expect<u64>(at(i, true)).toBe(0);
    }
  });

  it("a frame that only one of two ways sets up", () => {
    // test %edi,%edi; je end; push %rbp; mov %rsp,%rbp; call; leave; ret; end: ret
    const code: u8[] = [0x85, 0xff, 0x74, 0x0b, PUSH_RBP, 0x48, 0x89, 0xe5];
    fn(code.concat(CALL).concat([0xc9, RET, RET]));
    expect_rule(at(2), 8, RBP_CALLER);
    expect_rule(at(13, true), 16, RBP_AT, 16);
    expect_rule(at(14), 8, RBP_CALLER);
    expect_rule(at(15), 8, RBP_CALLER);
  });

  it("rsp is lost, rbp is not: room of a size that is not known", () => {
    // push %rbp; mov %rsp,%rbp; sub %rax,%rsp; call; leave; ret
    const code: u8[] = [PUSH_RBP, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4];
    fn(code.concat(CALL).concat([0xc9, RET]));
    expect_rule(at(12, true), NO_SP, RBP_AT, 16);
    expect_rule(at(13), 8, RBP_CALLER);
  });

  it("rbp for other purposes, saved; and rsp moved by a constant", () => {
    // push %rbp; mov %edi,%ebp; sub $0x18,%rsp; call; add $0x18,%rsp; pop %rbp; ret
    const code: u8[] = [PUSH_RBP, 0x89, 0xfd, 0x48, 0x83, 0xec, 0x18];
    fn(code.concat(CALL).concat([0x48, 0x83, 0xc4, 0x18, POP_RBP, RET]));
    expect_rule(at(12, true), 40, RBP_LOST, 16);
    expect_rule(at(17), 8, RBP_CALLER);
  });

  it("the digit of an opcode is no register: mul %rcx, and $1,%rax, call *%rax", () => {
    fn([0x48, 0xf7, 0xe1, 0x48, 0x83, 0xe0, 0x01, 0x53, 0xff, 0xd0, 0x5b, RET]);
    expect_rule(at(10, true), 16, RBP_CALLER);
    expect_rule(at(11), 8, RBP_CALLER);
  });

  it("what may write rsp or rbp loses it: xchg, mov from memory, a way that meets another", () => {
    fn([0x48, 0x87, 0xe0, 0x48, 0x87, 0xe0, RET]);
    expect<u64>(at(3)).toBe(0);
    // mov (%rdi),%rbp; ret: not given back
    put("other", OTHER, [0x48, 0x8b, 0x2f, RET]);
    expect<u64>(find_rule(OTHER, false)).toBe(0);
  });

  it("two ways with different stacks: neither counts", () => {
    // test %edi,%edi; je 1f; push %rax; 1: call; pop %rax; ret
    const code: u8[] = [0x85, 0xff, 0x74, 0x01, 0x50];
    fn(code.concat(CALL).concat([0x58, RET]));
    expect<u64>(at(10, true)).toBe(0);
  });

  it("not entered by a call: a part that pops more than it pushed, iretq, sysret", () => {
    const ends: u8[][] = [
      [0x90, 0x58, RET],
      [0x90, 0x48, 0xcf],
      [0x90, 0x48, 0x0f, 0x07],
      [0x90, 0x53, RET],
      [0x90, 0xc2, 8, 0],
    ];
    for (let i = 0; i < ends.length; i++) {
      reset_engine();
      fn(ends[i]);
      expect<u64>(at(0)).toBe(0);
      expect<u64>(at(1)).toBe(0);
    }
  });

  it("never returns: only a frame of its own tells where it was called from", () => {
    fn(CALL.concat([0x0f, 0x0b])); // a part that another function jumps into looks like this
    expect<u64>(at(5, true)).toBe(0);
    put("other", OTHER, (<u8[]>[PUSH_RBP, 0x48, 0x89, 0xe5]).concat(CALL).concat([0xeb, 0xf9]));
    expect_rule(find_rule(OTHER + 9, true), 16, RBP_AT, 16);
  });

  it("ends with a jump to another: as good as that one", () => {
    // push %rbx; call; pop %rbx; jmp other
    const code: u8[] = [0x53];
    fn(code.concat(CALL).concat([0x5b, 0xe9, 0xf4, 0, 0, 0]));
    expect<u64>(at(6, true)).toBe(0);
    put("other", OTHER - 1, [0x90, RET]); // OTHER itself is in the middle of it
    expect<u64>(at(6, true)).toBe(0);
    symbol(1).va = OTHER;
    symbol(1).size = 1;
    forget_rules();
    expect_rule(at(6, true), 16, RBP_CALLER);
    store<u8>(image_off(OTHER), 0xcf); // iret
    forget_rules();
    expect<u64>(at(6, true)).toBe(0);
    store<u8>(image_off(OTHER), 0xc3);
    forget_rules();
    store<u8>(image_off(FN + 6), 0x90); // without its pop
    expect<u64>(at(6, true)).toBe(0);
  });

  it("two that end with jumps to each other say nothing", () => {
    fn([0x90, 0xe9, 0xfa, 0, 0, 0]);
    put("other", OTHER, [0x90, 0xe9, 0xfa, 0xfe, 0xff, 0xff]);
    expect<u64>(at(0)).toBe(0);
  });

  it("a jump table: what only it can reach has its rule; padding has none", () => {
    // push %rbp; mov %rsp,%rbp; jmp *%rax; nop; 7: call; pop %rbp; ret; int3; 15: call; leave; ret
    let code: u8[] = [PUSH_RBP, 0x48, 0x89, 0xe5, 0xff, 0xe0, 0x90];
    code = code.concat(CALL).concat([POP_RBP, RET, 0xcc]).concat(CALL).concat([0xc9, RET]);
    fn(code);
    expect_rule(at(12, true), 16, RBP_AT, 16);
    expect_rule(at(20, true), 16, RBP_AT, 16);
    expect<u64>(at(6)).toBe(0);
    expect<u64>(at(14)).toBe(0);
  });

  it("jump tables with different stacks: nothing is known of the function", () => {
    // push %rbp; mov %rsp,%rbp; test; je 1f; jmp *%rax; 1: push %rax; jmp *%rax; pop %rbp; ret
    const code: u8[] = [PUSH_RBP, 0x48, 0x89, 0xe5, 0x85, 0xff, 0x74, 0x02, 0xff, 0xe0];
    fn(code.concat([0x50, 0xff, 0xe0, POP_RBP, RET]));
    expect<u64>(at(4)).toBe(0);
  });

  it("a function inside another's symbol, entered by its call", () => {
    // push %rbp; mov %rsp,%rbp; call 12; leave; ret; int3; 12: sub $8,%rsp; call; add; ret
    let code: u8[] = [PUSH_RBP, 0x48, 0x89, 0xe5, 0xe8, 3, 0, 0, 0, 0xc9, RET, 0xcc];
    code = code.concat([0x48, 0x83, 0xec, 8]).concat(CALL).concat([0x48, 0x83, 0xc4, 8, RET]);
    fn(code);
    expect_rule(at(9, true), 16, RBP_AT, 16);
    expect_rule(at(12), 8, RBP_CALLER);
    expect_rule(at(21, true), 16, RBP_CALLER);
  });

  it("R181: an entry that marks its frame, as Xen does; it is known by nothing else", () => {
    // push $0; push %rbp; push %rax; lea 8(%rsp),%rbp; not %rbp; call; jmp out
    const code: u8[] = [0x6a, 0, PUSH_RBP, 0x50, 0x48, 0x8d, 0x6c, 0x24, 8, 0x48, 0xf7, 0xd5];
    fn(code.concat(CALL).concat([0xe9, 0, 1, 0, 0]));
    expect<u64>(at(4)).toBe(0);
    expect<u64>(at(9)).toBe(0);
    expect_rule(at(17, true), 32, RBP_MARK, 24);
    expect<i32>(at_of(at(17, true))).toBe(24);
    store<u8>(image_off(FN + 10), 0x89); // mov %edx,%ebp instead of not %rbp
    forget_rules();
    expect<u64>(at(17, true)).toBe(0);
  });

  it("code without a symbol, a symbol without a size, one that is too large, unmapped code", () => {
    fn([0x90, RET]);
    expect<u64>(find_rule(FN + 0x40, false)).toBe(0);
    expect<bool>(at(0) != 0).toBe(true);
    const sizes: u64[] = [0, 8193, 0x100000000];
    for (let i = 0; i < sizes.length; i++) {
      symbol(0).size = sizes[i];
      forget_rules();
      expect<u64>(at(0)).toBe(0);
    }
    symbol(0).size = 2;
    symbol(0).va = CODE_VA - 0x1000;
    forget_rules();
    expect<u64>(find_rule(CODE_VA - 0x1000, false)).toBe(0);
  });

  it("any bytes are looked at without harm, and the same bytes say the same", () => {
    let seed: u32 = 0xcfa;
    for (let round = 0; round < 300; round++) {
      reset_engine();
      const code: u8[] = [];
      for (let i = 0; i < 64; i++) {
        seed = seed * 1103515245 + 12345;
        code.push(<u8>(seed >> 16));
      }
      fn(code);
      for (let i: u64 = 0; i <= 64; i++) {
        const rule = at(i);
        forget_rules();
        expect<u64>(at(i)).toBe(rule);
      }
    }
  });
});
