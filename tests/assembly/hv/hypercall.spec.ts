// hv/hypercall: through the image's entry, its table, or Xen's public names; as which domain.

import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENOSYS,
  RESULT_CPU,
  RESULT_RAX,
  RESULT_STOP,
  STOP_FAULT,
  STOP_RETURN,
} from "../../../assembly/abi";
import { hv_hypercall, hv_write } from "../../../assembly/index";
import { wipe_machine } from "../../../assembly/hv/boot";
import { CPU_HYPERVISOR, cpu_at } from "../../../assembly/hv/cpu";
import { vcpu_va } from "../../../assembly/hv/current";
import { GUEST_RAM_VA, IO_OFF } from "../../../assembly/hv/layout";
import { refusal } from "../../../assembly/hv/refusal";
import {
  REASON_CPU_BUSY,
  REASON_NO_HYPERCALL,
  REASON_NO_SUCH_DOMAIN,
} from "../../../assembly/reasons";
import { code, DATA_VA, ImageBuilder, RODATA_VA, TEXT_VA } from "../support/image_builder";

// 00 current: mov %rsp,%rax; or $0x7fff,%rax; mov -0x37(%rax),%rax; ret
// 10 load: mov (%rdi),%rax; ret       14 sum: lea (%rdi,%rcx),%rax; ret
const CODE = "48 89 e0 48 0d ff 7f 00 00 48 8b 40 c9 c3 cc cc 48 8b 07 c3 48 8d 04 0f c3";

function image(): ImageBuilder {
  wipe_machine();
  const b = new ImageBuilder();
  code(b.section(".text", TEXT_VA), CODE);
  b.func("do_set_trap_table", TEXT_VA, 14);
  b.func("do_xen_version", TEXT_VA + 16, 4);
  b.func("do_memory_op", TEXT_VA + 20, 5);
  return b;
}

function boot(b: ImageBuilder): void {
  b.build();
  expect<i32>(b.boot(2)).toBe(0);
}

/** The hypercall's answer; it must have returned. */
function made(domain: i32, nr: u64, arg0: u64 = 0, arg3: u64 = 0): u64 {
  memory.fill(IO_OFF, 0, 48);
  store<u64>(IO_OFF, arg0);
  store<u64>(IO_OFF, arg3, 24);
  expect<i32>(hv_hypercall(domain, -1, nr, 4, 0)).toBe(0);
  expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_RETURN);
  return load<u64>(IO_OFF + RESULT_RAX);
}

describe("a hypercall", () => {
  it("finds its function by Xen's name when the image has no table", () => {
    boot(image());
    expect<u64>(made(1, 0)).toBe(vcpu_va(1, 0), "current is the domain's vcpu");
    expect<u64>(made(0, 0)).toBe(vcpu_va(0, 0));
    expect<u64>(made(0, 12, 40, 2)).toBe(42, "the fourth argument is in rcx");
  });

  it("reads its own domain's memory and no other", () => {
    boot(image());
    store<u64>(IO_OFF, 0x7777);
    expect<i32>(hv_write(1, GUEST_RAM_VA + 0x2000, 8)).toBe(0);
    expect<u64>(made(1, 17, GUEST_RAM_VA + 0x2000)).toBe(0x7777);
    expect<u64>(made(0, 17, GUEST_RAM_VA + 0x2000)).toBe(0);
    store<u64>(IO_OFF, 0xdead0000);
    expect<i32>(hv_hypercall(0, -1, 17, 1, 0)).toBe(0);
    expect<u32>(load<u32>(IO_OFF + RESULT_STOP)).toBe(STOP_FAULT);
  });

  it("goes through hypercall_table, as it is in memory, when there is one", () => {
    const b = image();
    const table = b.section(".rodata", RODATA_VA);
    table.u64(TEXT_VA + 16);
    table.u64(0);
    table.u64(DATA_VA);
    b.func("hypercall_table", RODATA_VA, 24, 0x11);
    b.section(".data", DATA_VA).u64(0xc3);
    boot(b);
    store<u64>(IO_OFF, 5);
    expect<i32>(hv_write(0, GUEST_RAM_VA, 8)).toBe(0);
    expect<u64>(made(0, 0, GUEST_RAM_VA)).toBe(5, "slot 0 is load here");
    expect<u64>(made(0, 12, 1, 2)).toBe(3, "behind the table's end: by name");
    expect<i32>(hv_hypercall(0, -1, 2, 0, 0)).toBe(-ENOSYS, "a slot that points to data");
  });

  it("enters through hypercall_entry: number in rax, fourth argument in r10", () => {
    const b = image();
    // lea (%rax,%r10),%rax; ret
    code(b.section(".text.entry", TEXT_VA + 0x1000), "4a 8d 04 10 c3");
    b.func("hypercall_entry", TEXT_VA + 0x1000, 5);
    boot(b);
    expect<u64>(made(0, 99, 0, 1)).toBe(100);
    expect<u64>(made(0, 35, 0, 7)).toBe(42, "the sysctl as well");
  });

  it("that the image does not have is -ENOSYS no-hypercall, and nothing runs", () => {
    boot(image());
    const numbers: StaticArray<u64> = [11, 36, 49, 63, 64, 0xffffffffffffffff];
    for (let i = 0; i < numbers.length; i++) {
      expect<i32>(hv_hypercall(0, -1, numbers[i], 0, 0)).toBe(-ENOSYS);
      expect<u32>(refusal().reason).toBe(REASON_NO_HYPERCALL);
      expect<u64>(refusal().value).toBe(numbers[i]);
    }
    expect<u64>(cpu_at(0).retired).toBe(0);
  });

  it("reaches the sysctl directly in an image without an entry of its own", () => {
    boot(image());
    expect<i64>(made(0, 35, 0)).toBe(-EFAULT);
  });

  it("needs a domain that exists and a CPU that is free", () => {
    boot(image());
    const domains: StaticArray<i32> = [2, 16, -1, i32.MAX_VALUE, i32.MIN_VALUE];
    for (let i = 0; i < domains.length; i++) {
      expect<i32>(hv_hypercall(domains[i], -1, 0, 0, 0)).toBe(-EINVAL);
      expect<u32>(refusal().reason).toBe(REASON_NO_SUCH_DOMAIN);
    }
    cpu_at(0).state = CPU_HYPERVISOR;
    expect<u64>(made(0, 0)).toBe(vcpu_va(0, 1), "the next CPU takes it");
    expect<u32>(load<u32>(IO_OFF + RESULT_CPU)).toBe(1);
    expect<i32>(hv_hypercall(0, 0, 0, 0, 0)).toBe(-EBUSY);
    expect<u32>(refusal().reason).toBe(REASON_CPU_BUSY);
    cpu_at(1).state = CPU_HYPERVISOR;
    expect<i32>(hv_hypercall(0, -1, 0, 0, 0)).toBe(-EBUSY);
  });
});
