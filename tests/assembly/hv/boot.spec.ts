// hv/boot and what it settles: version, build-id, domains, the payload area, per-CPU areas; boot
// again, boot refused, and the state hash (A14).

import {
  BOOT_CPUS,
  BOOT_OPTIONS,
  BOOT_SIZE,
  EINVAL,
  ENOENT,
  INFO_BOOTED,
  INFO_BUILD_ID_LEN,
  INFO_SYMBOLS,
  INFO_VERSION_LEN,
  OPTION_ENTRIES_IMAGE,
  OPTION_ENTRIES_MACHINE,
} from "../../../assembly/abi";
import {
  hv_console_head,
  hv_info,
  hv_key,
  hv_read,
  hv_restored,
  hv_stage,
  hv_state_hash,
  hv_unstage,
  hv_write,
} from "../../../assembly/index";
import { boot_machine, wipe_machine } from "../../../assembly/hv/boot";
import { cpu_at } from "../../../assembly/hv/cpu";
import { enter_domain } from "../../../assembly/hv/domain";
import {
  alloc_frames,
  count_frames,
  OWNER_FREE,
  OWNER_PAYLOAD,
  OWNER_STAGING,
} from "../../../assembly/hv/frames";
import { BUILD_ID_OFF, header, VERSION_OFF } from "../../../assembly/hv/header";
import {
  CONSOLE_OFF,
  FRAMES_OFF,
  GUEST_RAM_VA,
  HEADER_OFF,
  IO_OFF,
  NR_FRAMES,
  OWNERS_OFF,
  PER_CPU_VA,
} from "../../../assembly/hv/layout";
import { peek_off } from "../../../assembly/hv/mem";
import { map_pages, unmap_pages } from "../../../assembly/hv/pages";
import { DOM0_RAM } from "../../../assembly/hv/param";
import { find_payload_va } from "../../../assembly/hv/payload_area";
import { refusal } from "../../../assembly/hv/refusal";
import {
  REASON_ABI_VERSION,
  REASON_BAD_ADDRESS,
  REASON_BOOT_PARAMETER,
} from "../../../assembly/reasons";
import {
  call,
  code,
  cpu0,
  DATA_VA,
  ImageBuilder,
  RODATA_VA,
  small_image,
  TEXT_VA,
} from "../support/image_builder";

/** An image that can tell its version, with a build-id and per-CPU data. */
function full_image(): ImageBuilder {
  const b = new ImageBuilder();
  // mov $4,%eax; ret   mov $17,%eax; ret   lea rodata(%rip),%rax; ret
  code(b.section(".text", TEXT_VA), "b8 04 00 00 00 c3 b8 11 00 00 00 c3 48 8d 05 ed ff 00 00 c3");
  b.func("xen_major_version", TEXT_VA, 6);
  b.func("xen_minor_version", TEXT_VA + 6, 6);
  b.func("xen_extra_version", TEXT_VA + 12, 8);
  b.section(".rodata", RODATA_VA).text("-test\n");
  const note = b.section(".note.gnu.build-id", RODATA_VA + 0x100, 0, 7);
  note.u32(4);
  note.u32(5);
  note.u32(3);
  note.u32(0x00554e47);
  code(note, "0a 0b 0c 0d 0e");
  const data = b.section(".data", DATA_VA, 3);
  for (let i = 0; i < 256; i++) data.u64(0);
  b.label("__per_cpu_offset", DATA_VA);
  data.u64(0x99);
  b.label("__per_cpu_start", DATA_VA + 0x800);
  b.label("__per_cpu_data_end", DATA_VA + 0x808);
  return b;
}

function boot(b: ImageBuilder, cpus: u32 = 3): void {
  wipe_machine();
  b.build();
  expect<i32>(b.boot(cpus)).toBe(0);
}

describe("boot", () => {
  it("asks the image for its version and finds its build-id", () => {
    boot(full_image());
    hv_info();
    expect<u32>(load<u32>(IO_OFF + INFO_BOOTED)).toBe(1);
    expect<u32>(load<u32>(IO_OFF + INFO_SYMBOLS)).toBe(6);
    const version = String.UTF8.decodeUnsafe(VERSION_OFF, load<u32>(IO_OFF + INFO_VERSION_LEN));
    expect<string>(version).toBe("Xen 4.17-test?", "what is not printable is not printed");
    expect<u32>(load<u32>(IO_OFF + INFO_BUILD_ID_LEN)).toBe(5);
    expect<u64>(load<u64>(BUILD_ID_OFF)).toBe(0x0e0d0c0b0a);
    expect<u64>(header().build_id_va).toBe(RODATA_VA + 0x100 + 16);
    expect<u64>(header().time_ns).toBe(0);
    expect<u64>(cpu_at(0).retired).toBe(0);
  });

  it("does without what an image does not have", () => {
    const b = new ImageBuilder();
    b.section(".data", DATA_VA).u64(1);
    boot(b);
    expect<u32>(header().build_id_len).toBe(0);
    expect<u32>(header().version_len).toBe(0);
    expect<u32>(header().symbols_count).toBe(0);
    expect<u64>(header().extable_va).toBe(0);
  });

  it("believes no build-id note that leaves its section or is too long", () => {
    const sizes: StaticArray<u32> = [6, 100, 0x7fffffff, 0xffffffff, 0];
    for (let i = 0; i < sizes.length; i++) {
      const b = full_image();
      b.build();
      store<u32>(b.elf.bytes_off(3), sizes[i], 4);
      expect<i32>(b.boot()).toBe(0);
      expect<u32>(header().build_id_len).toBe(0);
    }
  });

  it("gives each CPU but the first its own zeroed per-CPU area", () => {
    boot(full_image());
    enter_domain(-1, false);
    expect<u64>(load<u64>(peek_off(DATA_VA))).toBe(0, "CPU 0's is where the image has it");
    expect<u64>(load<u64>(peek_off(DATA_VA + 0x800))).toBe(0x99);
    const second = DATA_VA + 0x800 + load<u64>(peek_off(DATA_VA + 8));
    expect<u64>(second).toBe(PER_CPU_VA + 0x2000);
    expect<u64>(load<u64>(peek_off(second))).toBe(0);
    expect<u64>(DATA_VA + 0x800 + load<u64>(peek_off(DATA_VA + 16))).toBe(PER_CPU_VA + 0x4000);
    expect<u64>(load<u64>(peek_off(DATA_VA + 24))).toBe(0x8000000000000000 - (DATA_VA + 0x800));
  });

  it("gives dom0 and dom1 memory of their own", () => {
    boot(small_image());
    store<u64>(IO_OFF, 0xabc);
    expect<i32>(hv_write(0, GUEST_RAM_VA + DOM0_RAM - 8, 8)).toBe(0);
    expect<i32>(hv_write(0, GUEST_RAM_VA + DOM0_RAM - 7, 8)).toBe(-14);
    expect<u32>(refusal().reason).toBe(REASON_BAD_ADDRESS);
    expect<i32>(hv_read(1, GUEST_RAM_VA + DOM0_RAM - 8, 8)).toBe(-14);
    expect<i32>(hv_read(-1, GUEST_RAM_VA, 8)).toBe(-14, "the hypervisor's half alone");
    expect<i32>(hv_read(0, DATA_VA, 8)).toBe(0);
    expect<u64>(load<u64>(IO_OFF)).toBe(0x1122334455667788);
    expect<i32>(hv_read(7, DATA_VA, 8)).toBe(-EINVAL);
    expect<i32>(hv_read(-1, DATA_VA, 0x10001)).toBe(-EINVAL);
    expect<i32>(hv_read(-1, u64.MAX_VALUE, 0)).toBe(0);
  });

  it("again leaves nothing of the machine before", () => {
    boot(full_image(), 1);
    const hash = hv_state_hash();
    boot(small_image(), 5);
    expect<bool>(hv_state_hash() == hash).toBe(false);
    const b = full_image();
    b.build();
    expect<i32>(b.boot(1)).toBe(0);
    expect<u64>(hv_state_hash()).toBe(hash);
  });

  it("of a bad image leaves a running machine as it was", () => {
    boot(small_image());
    const hash = hv_state_hash();
    const bad = small_image();
    bad.build();
    bad.phdr(0).p_filesz = u64.MAX_VALUE;
    expect<i32>(bad.boot()).toBe(-EINVAL);
    expect<u64>(hv_state_hash()).toBe(hash);
    expect<u32>(call("answer")).toBe(0);
    expect<u64>(cpu0().rax).toBe(42);
  });

  it("refuses to take the image's entries and the machine's own at once", () => {
    const b = small_image();
    b.build();
    memory.fill(IO_OFF, 0, BOOT_SIZE);
    store<u32>(IO_OFF + BOOT_OPTIONS, OPTION_ENTRIES_IMAGE | OPTION_ENTRIES_MACHINE);
    expect<i32>(boot_machine(b.elf.file_off, b.elf.file_size, IO_OFF)).toBe(-EINVAL);
    expect<u32>(refusal().reason).toBe(REASON_BOOT_PARAMETER);
    expect<u32>(refusal().index).toBe(BOOT_OPTIONS);
  });

  it("refuses more CPUs than there can be, and takes 256", () => {
    const b = small_image();
    b.build();
    expect<i32>(b.boot(257)).toBe(-EINVAL);
    expect<u32>(refusal().reason).toBe(REASON_BOOT_PARAMETER);
    expect<u32>(refusal().index).toBe(BOOT_CPUS);
    expect<i32>(b.boot(256)).toBe(0);
    expect<u32>(header().nr_cpus).toBe(256);
    expect<i32>(b.boot(0)).toBe(0);
    expect<u32>(header().nr_cpus).toBe(4);
  });

  it("takes the image from staging, which survives it and is not the machine's state", () => {
    wipe_machine();
    const b = small_image();
    b.build();
    const off = <usize>hv_stage(b.elf.file_size);
    expect<bool>(off != 0).toBe(true);
    memory.copy(off, b.elf.file_off, b.elf.file_size);
    memory.fill(IO_OFF, 0, 128);
    expect<i32>(boot_machine(off, b.elf.file_size, IO_OFF)).toBe(0);
    const hash = hv_state_hash();
    expect<bool>(count_frames(OWNER_STAGING) > 0).toBe(true);
    hv_unstage();
    expect<u32>(count_frames(OWNER_STAGING)).toBe(0);
    expect<u64>(hv_state_hash()).toBe(hash);
    expect<u32>(hv_stage(u32.MAX_VALUE)).toBe(0, "more than there is");
  });
});

describe("the payload area", () => {
  it("lies behind the image, its bitmap left out, a guard page before each payload", () => {
    boot(small_image());
    const begin = (DATA_VA + 0x1000) & ~0xfff;
    // 1 GiB is 262,144 pages, one bit each: 8 pages.
    expect<u64>(header().payload_base_va).toBe(begin + 0x8000);
    expect<u64>(header().payload_end_va).toBe(begin + 0x40000000);
    const first = find_payload_va(3);
    expect<u64>(first).toBe(begin + 0x9000);
    const root = <usize>header().hv_root;
    map_pages(root, first, alloc_frames(3, OWNER_PAYLOAD), 3, 1);
    expect<u64>(find_payload_va(1)).toBe(first + 0x4000);
    unmap_pages(root, first, 3);
    expect<u64>(find_payload_va(1)).toBe(first);
    expect<u64>(find_payload_va(0x3fff7)).toBe(begin + 0x9000, "all of it");
    expect<u64>(find_payload_va(0x3fff8)).toBe(0, "and one page more");
  });

  it("goes where boot is told, if that is free hypervisor space", () => {
    const b = small_image();
    b.build();
    expect<i32>(b.boot(1, 0xffff82d0c0000000)).toBe(0);
    expect<u64>(header().payload_base_va).toBe(0xffff82d0c0000000);
    expect<u64>(find_payload_va(1)).toBe(0xffff82d0c0001000);
    const bad: StaticArray<u64> = [
      1,
      0xffff82d0c0000800,
      0x10000000,
      TEXT_VA,
      0xffff830000000000,
      0xfffffffffffff000,
    ];
    for (let i = 0; i < bad.length; i++) {
      expect<i32>(b.boot(1, bad[i])).toBe(-EINVAL);
      expect<u32>(refusal().reason).toBe(REASON_BOOT_PARAMETER);
      expect<u32>(count_frames(OWNER_FREE)).toBe(<u32>NR_FRAMES);
    }
  });
});

describe("the state hash", () => {
  it("changes with image, page tables and owners of frames, not with what A14 leaves out", () => {
    boot(small_image());
    const hash = hv_state_hash();
    call("minus", 3, 2);
    call("bad", 1);
    hv_key(0x68);
    store<u64>(IO_OFF, 1);
    hv_write(0, GUEST_RAM_VA, 8);
    expect<u64>(hv_state_hash()).toBe(hash, "calls, console, clock, guests' memory");
    store<u64>(IO_OFF, 1);
    hv_write(-1, DATA_VA, 1);
    expect<bool>(hv_state_hash() == hash).toBe(false);
    store<u8>(IO_OFF, 0x88);
    hv_write(-1, DATA_VA, 1);
    expect<u64>(hv_state_hash()).toBe(hash);
    const off = alloc_frames(1, OWNER_PAYLOAD);
    expect<bool>(hv_state_hash() == hash).toBe(false);
    store<u8>(OWNERS_OFF + ((off - FRAMES_OFF) >> 12), 0);
    expect<u64>(hv_state_hash()).toBe(hash);
  });
});

describe("restore", () => {
  it("takes a machine of this layout and refuses any other", () => {
    boot(small_image());
    expect<i32>(hv_restored()).toBe(0);
    expect<u32>(call("answer")).toBe(0);
    header().abi_version++;
    expect<i32>(hv_restored()).toBe(-EINVAL);
    expect<u32>(refusal().reason).toBe(REASON_ABI_VERSION);
    header().abi_version--;
    store<u64>(HEADER_OFF, 0);
    expect<i32>(hv_restored()).toBe(-EINVAL);
  });

  it("forgets code that was decoded from the machine before", () => {
    boot(small_image());
    call("answer");
    expect<u64>(cpu0().rax).toBe(42);
    enter_domain(-1, false);
    store<u8>(peek_off(TEXT_VA) + 1, 43);
    expect<i32>(hv_restored()).toBe(0);
    call("answer");
    expect<u64>(cpu0().rax).toBe(43);
  });
});

describe("console and keys", () => {
  it("keep what was printed in a ring, and answer only keys that exist", () => {
    boot(small_image());
    const head = hv_console_head();
    expect<i32>(hv_key(0x68)).toBe(0);
    expect<bool>(hv_console_head() > head + 20).toBe(true);
    expect<u8>(load<u8>(CONSOLE_OFF + <usize>head)).toBe(0x27);
    expect<i32>(hv_key(0x7e)).toBe(-ENOENT);
    expect<i32>(hv_key(0x10068)).toBe(-ENOENT);
  });
});
