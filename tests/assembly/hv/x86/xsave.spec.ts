// State of x87 and SSE (Intel SDM vol. 1, ch. 13; vol. 3, 2.5), where control registers or ring 0
// are needed, and faults half-way: the formats are compared with a real processor (tests/native).

import {
  STOP_FAULT,
  STOP_HALT,
  VECTOR_GP,
  VECTOR_MF,
  VECTOR_NM,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_UD,
} from "../../../../assembly/abi";
import { translate_write } from "../../../../assembly/hv/mem";
import { run_cpu } from "../../../../assembly/hv/x86/run";
import { legacy_of } from "../../../../assembly/hv/x86/state";
import { CODE_VA, cpu0, DATA_VA, place, reset_cpus } from "../../support/code";

const TS: u64 = 8;
const EM: u64 = 4;
const OSFXSR: u64 = 0x200;
const OSXSAVE: u64 = 0x40000;

/** Runs the bytes, and a HLT behind them. */
function run(hex: string): u32 {
  place(CODE_VA, hex + "f4");
  cpu0().rip = CODE_VA;
  return run_cpu(cpu0(), 100);
}

/** The vector with which the bytes fault; RIP stays. */
function vector_of(hex: string): u32 {
  assert(run(hex) == STOP_FAULT && cpu0().rip == CODE_VA);
  return cpu0().fault_vector;
}

describe("state of x87 and SSE", () => {
  beforeEach(() => {
    reset_cpus();
    cpu0().rbx = DATA_VA;
  });

  it("is out of reach while TS is set, until CLTS", () => {
    const cpu = cpu0();
    cpu.cr0 |= TS;
    const users = [
      "0f 28 c1", // movaps
      "66 0f ef c0", // pxor
      "0f ae 13", // ldmxcsr
      "0f ae 03", // fxsave
      "0f ae 23", // xsave
      "0f ae 2b", // xrstor
      "db e3", // fninit
      "9b", // fwait, as MP is set
    ];
    for (let i = 0; i < users.length; i++) expect(vector_of(users[i])).toBe(VECTOR_NM);
    expect(run("0f 06 66 0f ef c0 db e3")).toBe(STOP_HALT);
    cpu.cr0 = (cpu.cr0 | TS) & ~(<u64>2);
    expect(run("9b")).toBe(STOP_HALT); // without MP nobody waits
  });

  it("is not there with EM, or before the system has said that it saves it", () => {
    const cpu = cpu0();
    cpu.cr0 |= EM;
    expect(vector_of("66 0f ef c0")).toBe(VECTOR_UD);
    expect(vector_of("0f ae 03")).toBe(VECTOR_NM);
    cpu.cr0 &= ~EM;
    cpu.cr4 &= ~OSFXSR;
    expect(vector_of("66 0f ef c0")).toBe(VECTOR_UD);
    expect(vector_of("0f ae 1b")).toBe(VECTOR_UD); // stmxcsr
    cpu.cr4 &= ~OSXSAVE;
    expect(vector_of("0f ae 23")).toBe(VECTOR_UD);
    expect(run("0f ae 03")).toBe(STOP_HALT); // fxsave needs neither
  });

  it("goes to memory and comes back: XSAVES and XRSTORS", () => {
    const cpu = cpu0();
    store<u64>(cpu.xmm_off + 16 * 15, 0x1122334455667788);
    legacy_of(cpu).mxcsr = 0x1fa0;
    cpu.rax = 3;
    expect(run("0f c7 2b")).toBe(STOP_HALT); // xsaves (%rbx)
    const off = translate_write(DATA_VA);
    expect(load<u64>(off, 160 + 16 * 15)).toBe(0x1122334455667788);
    expect(load<u64>(off, 512)).toBe(2); // the x87 is as after reset
    expect(load<u64>(off, 520)).toBe(0x8000000000000003);
    store<u64>(cpu.xmm_off + 16 * 15, 0);
    legacy_of(cpu).mxcsr = 0x1f80;
    legacy_of(cpu).fcw = 0x27f;
    expect(run("0f c7 1b")).toBe(STOP_HALT); // xrstors
    expect(load<u64>(cpu.xmm_off + 16 * 15)).toBe(0x1122334455667788);
    expect(legacy_of(cpu).mxcsr).toBe(0x1fa0);
    expect<u32>(legacy_of(cpu).fcw).toBe(0x37f);
    store<u64>(off, 0, 520); // not compacted: XRSTOR's format only
    expect(vector_of("0f c7 1b")).toBe(VECTOR_GP);
    expect(run("0f ae 2b")).toBe(STOP_HALT);
  });

  it("an area that ends in a page that is not there changes nothing", () => {
    const cpu = cpu0();
    cpu.rbx = DATA_VA + 0x1f00;
    cpu.rax = 3;
    for (let i: usize = 0; i < 256; i += 8) store<u64>(cpu.xmm_off + i, 0x5a5a5a5a5a5a5a5a);
    expect(vector_of("0f ae 03")).toBe(VECTOR_PF); // fxsave
    expect(cpu.fault_va).toBe(DATA_VA + 0x2000);
    expect(cpu.fault_error).toBe(2);
    cpu.rbx = DATA_VA + 0x1e00;
    expect(vector_of("0f ae 23")).toBe(VECTOR_PF); // xsave: its header
    for (let at: u64 = 0x1e00; at < 0x2000; at += 8) {
      assert(load<u64>(translate_write(DATA_VA + at)) == 0);
    }
    expect(vector_of("0f ae 2b")).toBe(VECTOR_PF); // xrstor
    cpu.rbx = DATA_VA + 0x1f00;
    expect(vector_of("0f ae 0b")).toBe(VECTOR_PF); // fxrstor
    for (let i: usize = 0; i < 256; i += 8) {
      assert(load<u64>(cpu.xmm_off + i) == 0x5a5a5a5a5a5a5a5a);
    }
  });

  it("an area out of line with an address that is none: which of both is said", () => {
    cpu0().rbp = 0x1234567800000001;
    expect(vector_of("0f ae 45 00")).toBe(VECTOR_SS); // fxsave (%rbp)
    expect(vector_of("0f ae 4d 00")).toBe(VECTOR_SS); // fxrstor
    expect(vector_of("0f ae 65 00")).toBe(VECTOR_GP); // xsave
    expect(vector_of("0f 28 45 00")).toBe(VECTOR_GP); // movaps
  });

  it("a header or MXCSR that cannot be is refused before anything is loaded", () => {
    const cpu = cpu0();
    cpu.rax = 3;
    store<u64>(cpu.xmm_off, 7);
    const off = translate_write(DATA_VA);
    store<u32>(off, 0x10000, 24);
    expect(vector_of("0f ae 0b")).toBe(VECTOR_GP);
    expect(vector_of("0f ae 2b")).toBe(VECTOR_GP);
    store<u32>(off, 0x1f80, 24);
    store<u64>(off, 4, 512); // AVX
    expect(vector_of("0f ae 2b")).toBe(VECTOR_GP);
    store<u64>(off, 0, 512);
    store<u64>(off, 1, 528);
    expect(vector_of("0f ae 2b")).toBe(VECTOR_GP);
    expect(load<u64>(cpu.xmm_off)).toBe(7);
    cpu.rbx = DATA_VA + 16;
    expect(vector_of("0f ae 2b")).toBe(VECTOR_GP); // alignment
  });

  it("an x87 error that nobody masks waits for FWAIT", () => {
    const cpu = cpu0();
    const off = translate_write(DATA_VA);
    store<u16>(off, 0x037e); // invalid operations not masked
    store<u16>(off, 1, 2); // and one has happened
    store<u32>(off, 0x1f80, 24);
    expect(run("0f ae 0b df e0")).toBe(STOP_HALT); // fxrstor; fnstsw %ax
    expect(cpu.rax & 0xffff).toBe(0x8081);
    expect(vector_of("9b")).toBe(VECTOR_MF);
    expect(run("db e2 9b df e0")).toBe(STOP_HALT); // fnclex; fwait; fnstsw
    expect(cpu.rax & 0xffff).toBe(0);
  });

  it("arithmetic of the x87 is not there, and says so", () => {
    expect(vector_of("d9 e8")).toBe(VECTOR_UD); // fld1
    expect(vector_of("dd c7")).toBe(VECTOR_UD); // ffree %st(7)
    expect(vector_of("db 03")).toBe(VECTOR_UD); // fildl (%rbx)
  });
});
