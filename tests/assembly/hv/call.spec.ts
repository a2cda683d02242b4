// hv/call: what a called function finds, and every way in which a call ends (livepatch-today 6.6).

import {
  EBUSY,
  ENOSYS,
  RESULT_ERROR,
  RESULT_FAULT_RIP,
  RESULT_FAULT_VA,
  RESULT_INSTRUCTIONS,
  RESULT_RAX,
  RESULT_STOP,
  RESULT_VECTOR,
  STOP_BUDGET,
  STOP_FAULT,
  STOP_HALT,
  STOP_RETURN,
  VECTOR_GP,
  VECTOR_PF,
} from "../../../assembly/abi";
import { hv_call, hv_cpu_get } from "../../../assembly/index";
import { wipe_machine } from "../../../assembly/hv/boot";
import { write_result } from "../../../assembly/hv/call";
import { CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { enter_domain } from "../../../assembly/hv/domain";
import { register_extable, unregister_extable } from "../../../assembly/hv/extable";
import { header } from "../../../assembly/hv/header";
import { IO_OFF } from "../../../assembly/hv/layout";
import { peek_off, poke } from "../../../assembly/hv/mem";
import { refusal } from "../../../assembly/hv/refusal";
import { per_cpu_offset } from "../../../assembly/hv/smp";
import { REASON_CPU_BUSY, REASON_NO_SUCH_CPU } from "../../../assembly/reasons";
import { call, cpu0, DATA_VA, RODATA_VA, small_image, TEXT_VA } from "../support/image_builder";

function boot(): void {
  wipe_machine();
  const b = small_image();
  b.build();
  expect<i32>(b.boot(3)).toBe(0);
}

describe("a call", () => {
  beforeEach(boot);

  it("passes arguments in the psABI's order and returns rax", () => {
    expect<u32>(call("answer")).toBe(STOP_RETURN);
    expect<u64>(cpu0().rax).toBe(42);
    expect<u32>(call("minus", 50, 8)).toBe(STOP_RETURN);
    expect<u64>(cpu0().rax).toBe(42);
    expect<u32>(cpu0().state).toBe(CPU_IDLE);
  });

  it("counts its instructions, which are the machine's time", () => {
    const before = header().time_ns;
    call("answer");
    write_result(IO_OFF, cpu0());
    expect<u64>(load<u64>(IO_OFF + RESULT_INSTRUCTIONS)).toBe(2);
    expect<u64>(header().time_ns - before).toBe(2);
    expect<u64>(load<u64>(IO_OFF + RESULT_RAX)).toBe(42);
  });

  it("starts on an aligned stack below cpu_info, with DF clear", () => {
    call("stack");
    const rsp = cpu0().rax;
    expect<u64>((rsp + 8) & 15).toBe(0, "psABI: rsp + 8 is a multiple of 16 at a function's entry");
    expect<u64>(cpu0().stack_top_va - rsp).toBeLessThan(264 + 24);
    expect<u64>(cpu0().stack_top_va - rsp).toBeGreaterThanOrEqual(264 + 8);
    cpu0().rflags |= 0x400;
    call("flags");
    expect<u64>(cpu0().rax & 0x400).toBe(0);
    expect<u64>(cpu0().rax & 0x202).toBe(0x202, "interrupts on");
  });

  it("ends at its budget", () => {
    expect<u32>(call("forever", 0, 0, 1000)).toBe(STOP_BUDGET);
    expect<u64>(cpu0().budget).toBe(1000);
    expect<u32>(cpu0().state).toBe(CPU_IDLE);
    expect<u32>(call("answer")).toBe(STOP_RETURN, "the next one is not disturbed");
  });

  it("ends with hlt", () => {
    expect<u32>(call("halt")).toBe(STOP_HALT);
  });

  it("reports a fault that nobody expects, with everything about it", () => {
    expect<u32>(call("bad", 0xdead0000)).toBe(STOP_FAULT);
    write_result(IO_OFF, cpu0());
    expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_FAULT);
    expect<u32>(load<u32>(IO_OFF + RESULT_VECTOR)).toBe(VECTOR_PF);
    expect<u32>(load<u32>(IO_OFF + RESULT_ERROR)).toBe(0);
    expect<u64>(load<u64>(IO_OFF + RESULT_FAULT_VA)).toBe(0xdead0000);
    expect<u64>(load<u64>(IO_OFF + RESULT_FAULT_RIP)).toBe(TEXT_VA + 0x1b);
    expect<u32>(call("bad", 0x1234567890abcdef)).toBe(STOP_FAULT);
    expect<u32>(cpu0().fault_vector).toBe(VECTOR_GP, "not canonical");
  });

  it("goes on where the image's exception table says", () => {
    expect<u32>(call("load", 0xdead0000)).toBe(STOP_RETURN);
    expect<i64>(cpu0().rax).toBe(-14);
    expect<u32>(call("load", DATA_VA)).toBe(STOP_RETURN);
    expect<u64>(cpu0().rax).toBe(0x1122334455667788);
  });

  it("goes on where a registered table says, as long as it is registered (R195)", () => {
    enter_domain(-1, false);
    const pair = memory.data(8);
    store<u32>(pair, <u32>(TEXT_VA + 0x1b - DATA_VA));
    store<u32>(pair, <u32>(TEXT_VA + 0x13 - (DATA_VA + 4)), 4);
    expect<u64>(poke(DATA_VA, pair, 8)).toBe(0);
    register_extable(5, DATA_VA, DATA_VA + 8);
    expect<u32>(call("bad", 0)).toBe(STOP_RETURN);
    expect<i64>(cpu0().rax).toBe(-14);
    unregister_extable(5);
    expect<u32>(call("bad", 0)).toBe(STOP_FAULT);
  });

  it("ends within its budget even when a continuation faults again", () => {
    enter_domain(-1, false);
    const pair = memory.data(8);
    store<u32>(pair, <u32>(TEXT_VA + 0x1b - DATA_VA));
    store<u32>(pair, <u32>(TEXT_VA + 0x1b - (DATA_VA + 4)), 4);
    poke(DATA_VA, pair, 8);
    register_extable(0, DATA_VA, DATA_VA + 8);
    expect<u32>(call("bad", 0, 0, 500)).toBe(STOP_BUDGET);
    unregister_extable(0);
  });

  it("reads no exception table past what is mapped", () => {
    register_extable(1, RODATA_VA + 0x1000, u64.MAX_VALUE);
    expect<u32>(call("bad", 0)).toBe(STOP_FAULT);
    unregister_extable(1);
  });

  it("reaches no guest, and its gate is not a guest's", () => {
    expect<u32>(call("bad", 0x10000000)).toBe(STOP_FAULT, "dom0's RAM is not mapped for nobody");
    expect<u32>(call("do_sysctl", 0x10000000)).toBe(STOP_RETURN);
    expect<i64>(cpu0().rax).toBe(-ENOSYS);
  });

  it("cannot start on code that is data, gone or nowhere", () => {
    expect<i32>(hv_call(0, DATA_VA, 0, 10, -1)).toBe(0);
    expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_FAULT);
    expect<i32>(hv_call(0, 0, 0, 10, -1)).toBe(0);
    expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_FAULT);
    expect<i32>(hv_call(0, u64.MAX_VALUE, 0, 10, -1)).toBe(0);
    expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_FAULT);
  });

  it("needs a CPU that exists and is idle", () => {
    expect<i32>(hv_call(3, TEXT_VA, 0, 10, -1)).toBe(-22);
    expect<u32>(refusal().reason).toBe(REASON_NO_SUCH_CPU);
    expect<i32>(hv_cpu_get(256)).toBe(-22);
    expect<u32>(refusal().reason).toBe(REASON_NO_SUCH_CPU);
    cpu_at(1).state = CPU_HYPERVISOR;
    expect<i32>(hv_call(1, TEXT_VA, 0, 10, -1)).toBe(-EBUSY);
    expect<u32>(refusal().reason).toBe(REASON_CPU_BUSY);
    expect<i32>(hv_call(2, TEXT_VA, 0, 10, -1)).toBe(0);
  });
});

describe("cpu_info", () => {
  it("names the CPU and its idle vcpu, on every stack", () => {
    boot();
    enter_domain(-1, false);
    for (let id: u32 = 0; id < 3; id++) {
      const top = cpu_at(id).stack_top_va;
      expect<u64>(top & 0x7fff).toBe(0);
      expect<u32>(load<u32>(peek_off(top - 64))).toBe(id);
      const vcpu = load<u64>(peek_off(top - 56));
      expect<u64>(vcpu).toBe(cpu_at(id).current_va);
      expect<u32>(load<u32>(peek_off(vcpu))).toBe(id, "vcpu_id");
      const domain = load<u64>(peek_off(vcpu + 16));
      expect<u16>(load<u16>(peek_off(domain))).toBe(0x7fff, "the idle domain");
      expect<u64>(load<u64>(peek_off(top - 48))).toBe(per_cpu_offset(id));
      expect<usize>(peek_off(top)).toBe(0, "nothing above the stack");
      expect<usize>(peek_off(top - 0x8001)).toBe(0, "a guard page below it");
    }
  });
});
