// Bytes that today's live patching writes and reads: NOPs of both styles, exception tables, bug
// frames (spec/livepatch-today 5.2, 5.4, 5.5).

import {
  BOOT_CPU_PROFILE,
  BOOT_FEATURES,
  BOOT_NOP_STYLE,
  NOPS_K8,
} from "../../../../assembly/abi_today";
import { BOOT_OPTIONS } from "../../../../assembly/abi";
import { bug_line, bug_pointer, bug_site } from "../../../../assembly/hv/bugframes";
import { has_feature, ideal_nops, take_features } from "../../../../assembly/hv/cpu_features";
import { sort_entries } from "../../../../assembly/hv/extable_sort";

const BOOT = memory.data(128);
const BYTES = memory.data(64);

function boot(words_bit: u32, style: u32): void {
  memory.fill(BOOT, 0, 128);
  store<u32>(BOOT + BOOT_OPTIONS, BOOT_CPU_PROFILE);
  store<u32>(BOOT + BOOT_FEATURES + ((words_bit >> 5) << 2), 1 << (words_bit & 31));
  store<u32>(BOOT + BOOT_NOP_STYLE, style);
  take_features(BOOT);
}

describe("the CPU profile", () => {
  it("without one has LM and no lock hardening", () => {
    memory.fill(BOOT, 0, 128);
    take_features(BOOT);
    expect(has_feature(93)).toBe(true);
    expect(has_feature(620)).toBe(true);
    expect(has_feature(619)).toBe(false);
    expect(has_feature(5000)).toBe(false);
  });

  it("given has its own bits, and LM always", () => {
    boot(163, NOPS_K8);
    expect(has_feature(163)).toBe(true);
    expect(has_feature(620)).toBe(false);
    expect(has_feature(93)).toBe(true);
  });

  it("decides the NOPs", () => {
    boot(163, NOPS_K8);
    ideal_nops(BYTES, 5);
    expect(load<u32>(BYTES)).toBe(0x66906666);
    expect(load<u8>(BYTES, 4)).toBe(0x90);
    boot(163, 0);
    ideal_nops(BYTES, 10); // 9 and 1
    expect(load<u32>(BYTES)).toBe(0x841f0f66);
    expect(load<u8>(BYTES, 9)).toBe(0x90);
  });
});

describe("an exception table", () => {
  it("is sorted by the faulting instruction, its fields still right", () => {
    // Entries at 0, 8, 16 that fault at 300, 100, 200 and go on 1000 further.
    for (let i: i32 = 0; i < 3; i++) {
      const fault = i == 0 ? 300 : i * 100;
      store<i32>(BYTES + 8 * i, fault - 8 * i);
      store<i32>(BYTES + 8 * i + 4, fault + 1000 - 8 * i - 4);
    }
    sort_entries(BYTES, 24);
    for (let i: i32 = 0; i < 3; i++) {
      expect(load<i32>(BYTES + 8 * i) + 8 * i).toBe(100 * (i + 1));
      expect(load<i32>(BYTES + 8 * i + 4) + 8 * i + 4).toBe(100 * (i + 1) + 1000);
    }
  });
});

describe("a bug frame", () => {
  it("has two displacements and a line, with borrow", () => {
    // loc_disp -16, ptr_disp 32, line 42, written by the assembler as sums.
    const va: u64 = 0xffff82d0405b0000;
    store<u32>(BYTES, <u32>-16);
    store<u32>(BYTES, 32 + (42 << 24), 4);
    expect(bug_site(BYTES, va)).toBe(va - 16);
    expect(bug_pointer(BYTES, va)).toBe(va + 32);
    expect(bug_line(BYTES)).toBe(42);
  });
});
