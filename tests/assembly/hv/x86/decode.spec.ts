// Decoder by bytes alone: lengths, prefixes, registers, addresses.

import { IO_OFF } from "../../../../assembly/hv/layout";
import { decode } from "../../../../assembly/hv/x86/decode";
import {
  Insn,
  INSN_END,
  INSN_IMM,
  INSN_LOCK,
  INSN_MEM,
  INSN_TO_REG,
} from "../../../../assembly/hv/x86/insn";
import { Op } from "../../../../assembly/hv/x86/ops";
import { hex_bytes } from "../../support/code";

const VA: u64 = 0xffff82d080112f9e;
const insn = changetype<Insn>(IO_OFF + 64);

function length_of(hex: string): u32 {
  return decode(IO_OFF, hex_bytes(IO_OFF, hex), VA, insn);
}

describe("decode", () => {
  it("fills the record", () => {
    expect(length_of("48 8b 44 cb 10")).toBe(5); // mov 0x10(%rbx,%rcx,8),%rax
    expect<u32>(insn.id).toBe(Op.Mov);
    expect<u32>(insn.width).toBe(3);
    expect<u32>(insn.reg).toBe(0);
    expect<u32>(insn.base).toBe(24);
    expect<u32>(insn.index).toBe(8);
    expect<u32>(insn.scale).toBe(3);
    expect(insn.disp).toBe(16);
    expect(insn.has(INSN_MEM) && insn.has(INSN_TO_REG)).toBe(true);
  });

  it("makes RIP-relative addresses and branch targets absolute", () => {
    expect(length_of("48 8d 05 00 01 00 00")).toBe(7); // lea 0x100(%rip),%rax
    expect(insn.disp).toBe(VA + 7 + 0x100);
    expect(length_of("81 3d fc ff ff ff 78 56 34 12")).toBe(10); // cmpl $0x12345678,-4(%rip)
    expect(insn.disp).toBe(VA + 10 - 4);
    expect(length_of("e9 fb ff ff ff")).toBe(5); // jmp to itself
    expect(insn.imm).toBe(VA);
    expect(insn.has(INSN_END)).toBe(true);
  });

  it("knows AH..BH from SPL..DIL by REX", () => {
    length_of("88 e0"); // mov %ah,%al
    expect<u32>(insn.reg).toBe(1);
    length_of("40 88 e0"); // mov %spl,%al
    expect<u32>(insn.reg).toBe(32);
    length_of("0f b6 c4"); // movzx %ah,%eax
    expect<u32>(insn.rm).toBe(1);
  });

  it("counts a REX only directly in front of the opcode", () => {
    expect(length_of("48 66 89 c8")).toBe(4); // mov %cx,%ax
    expect<u32>(insn.width).toBe(1);
    expect(length_of("66 48 89 c8")).toBe(4);
    expect<u32>(insn.width).toBe(3);
  });

  it("tells 90 from pause and from xchg %r8", () => {
    length_of("90");
    expect<u32>(insn.id).toBe(Op.Nop);
    length_of("f3 90");
    expect<u32>(insn.id).toBe(Op.Nop);
    length_of("41 90");
    expect<u32>(insn.id).toBe(Op.Xchg);
  });

  it("takes LOCK with a memory destination only", () => {
    length_of("f0 48 0f c1 03"); // lock xadd %rax,(%rbx)
    expect<u32>(insn.id).toBe(Op.Xadd);
    expect(insn.has(INSN_LOCK)).toBe(true);
    length_of("f0 48 01 c0"); // register
    expect<u32>(insn.id).toBe(Op.Invalid);
    length_of("f0 48 89 03"); // mov
    expect<u32>(insn.id).toBe(Op.Invalid);
    length_of("f0 48 39 03"); // cmp has no destination
    expect<u32>(insn.id).toBe(Op.Invalid);
  });

  it("extends immediates by their width", () => {
    length_of("48 83 c0 ff"); // add $-1,%rax
    expect(insn.imm).toBe(u64.MAX_VALUE);
    expect(insn.has(INSN_IMM)).toBe(true);
    expect(length_of("66 81 c0 34 12")).toBe(5); // add $0x1234,%ax
    expect(length_of("48 b8 88 77 66 55 44 33 22 11")).toBe(10); // movabs
    expect(insn.imm).toBe(0x1122334455667788);
    expect(length_of("c8 10 00 00")).toBe(4); // enter $16,$0
  });

  it("asks for more bytes, and refuses more than 15", () => {
    expect(length_of("48 8b")).toBe(0);
    expect(length_of("")).toBe(0);
    expect(length_of("66 66 66 66 66 66 66 66 66 66 66 66 66 66 90")).toBe(15);
    expect<u32>(insn.id).toBe(Op.Nop);
    expect(length_of("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90")).toBe(15);
    expect<u32>(insn.id).toBe(Op.Invalid);
  });

  it("knows the length of what the machine does not have", () => {
    expect(length_of("c5 f9 ef c0")).toBe(4); // vpxor
    expect<u32>(insn.id).toBe(Op.Unsupported);
    expect(length_of("c4 e3 79 0f c1 08")).toBe(6); // vpalignr
    expect(length_of("62 f1 fd 48 6f 00")).toBe(6); // vmovdqa64
    expect(length_of("d9 2c 24")).toBe(3); // fldcw
    expect(length_of("0f 78 c1")).toBe(3); // vmread
    expect(length_of("0f 01 d8")).toBe(3); // vmrun
    expect<u32>(insn.id).toBe(Op.Unsupported);
    expect(length_of("8f e9 78 81 00")).toBe(5); // XOP
  });

  it("never reads beyond the bytes it is given, whatever they are", () => {
    let x: u32 = 20151027;
    for (let i = 0; i < 20000; i++) {
      for (let at: usize = 0; at < 16; at += 4) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        store<u32>(IO_OFF + at, x);
      }
      const length = decode(IO_OFF, 15, VA, insn);
      assert(length >= 1 && length <= 15);
      assert(insn.case == 0 && insn.base % 8 == 0 && insn.index % 8 == 0);
      // Shorter views give the same length or ask for more.
      const shorter = decode(IO_OFF, length - 1, VA, insn);
      assert(shorter == 0);
    }
    expect(x).not.toBe(0);
  });
});
