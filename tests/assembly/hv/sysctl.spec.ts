// hv/sysctl, hv/xsm, hv/gate: the envelope of struct xen_sysctl (R80-R82, R89) at every edge of
// guest memory.

import {
  EACCES,
  EFAULT,
  ENOSYS,
  EPERM,
  GATE_SYSCTL,
  STOP_RETURN,
  SYSCTL_CMD,
  SYSCTL_SIZE,
  SYSCTL_U,
  SYSCTL_VERSION,
  XEN_SYSCTL_INTERFACE_VERSION,
} from "../../../assembly/abi";
import { hv_policy } from "../../../assembly/index";
import { wipe_machine } from "../../../assembly/hv/boot";
import { make_hypercall } from "../../../assembly/hv/hypercall";
import { cpu_at } from "../../../assembly/hv/cpu";
import { domain_at, enter_domain } from "../../../assembly/hv/domain";
import { GUEST_RAM_VA, HYPERVISOR_VA } from "../../../assembly/hv/layout";
import { copy_from_va, copy_to_va } from "../../../assembly/hv/mem";
import { protect_pages } from "../../../assembly/hv/pages";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import { do_sysctl, install_sysctl_op } from "../../../assembly/hv/sysctl";
import { xsm_check } from "../../../assembly/hv/xsm";
import {
  PLACE_SYSCTL,
  REASON_ABI_VERSION,
  REASON_ARG_FAULT,
  REASON_NOT_PRIVILEGED,
  REASON_UNKNOWN_OP,
  REASON_XSM_DENIED,
} from "../../../assembly/reasons";
import { code, ImageBuilder, small_image, TEXT_VA } from "../support/image_builder";

const OP: u32 = 200;
const buffer = memory.data(256);

let seen_domain: i32 = -2;
let runs: i32 = 0;

/** Doubles the first word of the union, and answers with it, negated when it is odd. */
function double_it(u_off: usize, domain: i32): i32 {
  const value = load<i32>(u_off);
  store<i32>(u_off, 2 * value);
  seen_domain = domain;
  runs++;
  return (value & 1) != 0 ? -value : value;
}

/** Writes a struct xen_sysctl into the domain's memory. */
function put(va: u64, version: u32, op: u32, value: i32): void {
  memory.fill(buffer, 0, 256);
  store<u32>(buffer + SYSCTL_CMD, op);
  store<u32>(buffer + SYSCTL_VERSION, version);
  store<i32>(buffer + SYSCTL_U, value);
  expect<u64>(copy_to_va(va, buffer, SYSCTL_SIZE)).toBe(0);
}
function back(va: u64): i32 {
  expect<u64>(copy_from_va(buffer, va, SYSCTL_SIZE)).toBe(0);
  return load<i32>(buffer + SYSCTL_U);
}

function boot(): void {
  wipe_machine();
  const b = small_image();
  b.build();
  expect<i32>(b.boot(1)).toBe(0);
  install_sysctl_op(OP, double_it);
  enter_domain(0, false);
  runs = 0;
}

describe("the sysctl envelope", () => {
  beforeEach(boot);

  it("hands the union over and copies it back (R82)", () => {
    put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION, OP, 20);
    expect<i32>(do_sysctl(GUEST_RAM_VA, 0)).toBe(20);
    expect<i32>(back(GUEST_RAM_VA)).toBe(40);
    expect<i32>(seen_domain).toBe(0);
  });

  it("copies back on error as well (R82)", () => {
    put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION, OP, 21);
    expect<i32>(do_sysctl(GUEST_RAM_VA, 0)).toBe(-21);
    expect<i32>(back(GUEST_RAM_VA)).toBe(42);
  });

  it("works at any alignment, across pages, and up to the last byte of memory", () => {
    const end = GUEST_RAM_VA + domain_at(0).ram_size;
    const places: StaticArray<u64> = [
      GUEST_RAM_VA + 1,
      GUEST_RAM_VA + 4095,
      GUEST_RAM_VA + 4096 - 68,
      end - SYSCTL_SIZE,
    ];
    for (let i = 0; i < places.length; i++) {
      put(places[i], XEN_SYSCTL_INTERFACE_VERSION, OP, 6);
      expect<i32>(do_sysctl(places[i], 0)).toBe(6);
      expect<i32>(back(places[i])).toBe(12);
    }
  });

  it("is -EFAULT wherever a byte of it is not the guest's memory", () => {
    const end = GUEST_RAM_VA + domain_at(0).ram_size;
    const places: StaticArray<u64> = [
      0,
      GUEST_RAM_VA - 1,
      end - SYSCTL_SIZE + 1,
      end - 1,
      end,
      0x7fffffffffff,
      0x800000000000,
      HYPERVISOR_VA - 1,
      HYPERVISOR_VA,
      TEXT_VA,
      u64.MAX_VALUE - 3,
      u64.MAX_VALUE,
    ];
    for (let i = 0; i < places.length; i++) {
      expect<i32>(do_sysctl(places[i], 0)).toBe(-EFAULT);
      expect<u32>(refusal().reason).toBe(REASON_ARG_FAULT);
      expect<u32>(refusal().place).toBe(PLACE_SYSCTL);
    }
    expect<i32>(runs).toBe(0);
  });

  it("does nothing when the answer could not be delivered", () => {
    put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION, OP, 20);
    protect_pages(domain_at(0).root, GUEST_RAM_VA, 1, 1);
    expect<i32>(do_sysctl(GUEST_RAM_VA, 0)).toBe(-EFAULT);
    expect<u32>(refusal().reason).toBe(REASON_ARG_FAULT);
    expect<i32>(runs).toBe(0);
  });

  it("wants its interface version (R89)", () => {
    put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION + 1, OP, 20);
    expect<i32>(do_sysctl(GUEST_RAM_VA, 0)).toBe(-EACCES);
    expect<u32>(refusal().reason).toBe(REASON_ABI_VERSION);
    expect<u64>(refusal().value).toBe(XEN_SYSCTL_INTERFACE_VERSION + 1);
    expect<i32>(runs).toBe(0);
  });

  it("does not know other operations", () => {
    const operations: StaticArray<u32> = [0, 1, 23, 201, 255, 256, u32.MAX_VALUE];
    for (let i = 0; i < operations.length; i++) {
      put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION, operations[i], 0);
      expect<i32>(do_sysctl(GUEST_RAM_VA, 0)).toBe(-ENOSYS);
      expect<u32>(refusal().reason).toBe(REASON_UNKNOWN_OP);
    }
  });

  it("is reached by a gate in the image's code, as the domain that made the hypercall", () => {
    wipe_machine();
    const b = new ImageBuilder();
    // mov $1,%eax; vmcall; ret
    code(b.section(".text", TEXT_VA), "b8 01 00 00 00 0f 01 c1 c3");
    expect<i32>(GATE_SYSCTL).toBe(1);
    b.func("hypercall_entry", TEXT_VA, 9);
    b.build();
    expect<i32>(b.boot(1)).toBe(0);
    enter_domain(1, false);
    put(GUEST_RAM_VA, XEN_SYSCTL_INTERFACE_VERSION, OP, 4);
    const args = memory.data(8);
    store<u64>(args, GUEST_RAM_VA);
    expect<i32>(make_hypercall(cpu_at(0), 1, 35, args, 1, 100)).toBe(0);
    expect<u32>(cpu_at(0).stop).toBe(STOP_RETURN);
    expect<u64>(cpu_at(0).rax).toBe(4);
    expect<i32>(seen_domain).toBe(1);
  });
});

describe("access control", () => {
  beforeEach(boot);

  it("lets dom0 and nobody else without a policy (R80)", () => {
    clear_refusal();
    expect<i32>(xsm_check(0, 3)).toBe(0);
    expect<i32>(xsm_check(1, 3)).toBe(-EPERM);
    expect<u32>(refusal().reason).toBe(REASON_NOT_PRIVILEGED);
    expect<u64>(refusal().value).toBe(1);
  });

  it("follows a policy per operation, for dom0 as well (R81)", () => {
    expect<i32>(hv_policy(1, 0b0110)).toBe(0);
    expect<i32>(hv_policy(0, 0)).toBe(0);
    expect<i32>(xsm_check(1, 1)).toBe(0);
    expect<i32>(xsm_check(1, 2)).toBe(0);
    expect<i32>(xsm_check(1, 3)).toBe(-EACCES);
    expect<u32>(refusal().reason).toBe(REASON_XSM_DENIED);
    expect<u32>(refusal().index).toBe(3);
    expect<i32>(xsm_check(0, 1)).toBe(-EACCES);
    expect<i32>(xsm_check(1, 33)).toBe(-EACCES, "bit 1 is not operation 33");
    expect<i32>(hv_policy(2, 0)).toBe(-22);
  });
});
