// Why each payload is refused: a reason for every check of today's door, on the corpus and on
// payloads that are made here from its files (spec/livepatch-today; issue 5, item 4).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine } from "../../host/index.js";
import { LivepatchClient } from "./client.js";
import { cases, findImage, unpackPayloads } from "./corpus.js";
import { section } from "./sections.js";

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";

/** A case of the corpus, and a reason that one of its steps must give. */
const CORPUS: readonly (readonly [name: string, reason: string])[] = [
  ["f15_padded_to_2MiB_plus_1", "size-limit"],
  ["f03_one_byte", "elf-truncated"],
  ["h01_bad_magic", "elf-magic"],
  ["h15_shstrndx_0", "elf-header"],
  ["f07_trunc_half", "elf-section-table"],
  ["s37b_nobits_exec_3MiB", "elf-section-bounds"],
  ["s07_addr_misaligned", "elf-section-align"],
  ["h39_shstrndx_is_strtab", "elf-section-name"],
  ["s22_strtab_first_not_nul", "elf-string-table"],
  ["s14_symtab_link_past_end", "elf-symbol-table"],
  ["y22_shndx_reserved_ff00", "elf-symbol"],
  ["r16_size_not_multiple", "elf-reloc-table"],
  ["s38_text_not_alloc", "elf-reloc"],
  ["h02_class32", "elf-unsupported-class"],
  ["h06_osabi_linux_3", "elf-unsupported-type"],
  ["r04_type_GOT32", "elf-unsupported-reloc"],
  ["s30_text_writable_and_executable", "elf-unsupported-wx"],
  ["y01_common_symbol", "elf-unsupported-symbol"],
  ["s12_two_symbol_tables", "elf-unsupported-section"],
  ["r11_pc32_overflow", "reloc-overflow"],
  ["g29_local_symbol_name_of_loaded_payload", "symbol-exists"],
  ["g20_unknown_name", "no-such-id"],
  ["g25_needs_other_payload_unloaded_again", "sym-missing"],
  ["g14_stack_order_wrong", "dependency"],
  ["s10_align_2p63_second_text", "no-va"],
  ["g12_stack_hello_bye", "not-top"],
  ["g22_no_xen_depends", "lp-section-missing"],
  ["l28_funcs_size_0", "lp-section-empty"],
  ["k01_preapply_hook_size_16", "lp-section-size"],
  ["g23_nothing_to_patch", "lp-nothing-to-patch"],
  ["d06_depends_size_12", "lp-note"],
  ["l33_second_record_bad_version", "lp-func-version"],
  ["l03_old_size_4", "lp-too-small"],
  ["a03_alt_site_outside_text", "lp-alternative"],
  ["e15_expectation_fails_on_top_of_hello", "lp-expectation"],
  ["e12_expect_31_longer_than_old_size", "lp-expect-field"],
  ["g04_data_reapply_refused", "lp-not-reappliable"],
  ["k25_apply_action_fails_without_patching", "lp-hook-failed"],
  ["g01_hello_full_cycle_reapply_ok", "lp-still-applied"],
  ["s16_symtab_link_0", "xen-crash-symtab-link"],
  ["s39_funcs_not_alloc", "xen-crash-not-alloc"],
  ["s43_size_wraps_text", "xen-crash-size-wrap"],
  ["r22_info_0", "xen-crash-reloc-info"],
  ["r13_r64_name_noncanonical", "xen-crash-name-pointer"],
  ["l19_old_addr_unmapped_xen", "xen-crash-old-addr"],
  ["a08_modinfo_size_0", "xen-crash-modinfo-empty"],
  ["k05_load_hook_null_pointer", "xen-crash-hook-null"],
  ["k06_apply_hook_points_at_rodata", "xen-crash-hook-address"],
  ["a13_alt_feature_ffff", "xen-crash-alt-feature"],
  ["a16_alt_padding_255", "xen-crash-alt-length"],
  ["s32b_text_without_exec_applied", "xen-crash-new-addr"],
  ["s46b_nobits_text_applied", "xen-crash-new-code"],
  ["a31_ud2_without_bug_frame", "xen-crash-hook-fault"],
  ["k17_apply_action_claims_success_without_patching", "xen-crash-partial-apply"],
  ["k18_revert_action_claims_success_without_restoring", "xen-crash-partial-revert"],
  ["l32_same_function_twice", "xen-crash-still-patched"],
  ["a24b_bug_frame_warning_inside_banner_function_recurses", "xen-crash-bug-recursion"],
  ["l16_old_addr_mid_function", "xen-crash-mid-instruction"],
];

const ACTIONS: Readonly<Record<string, number>> = {
  unload: abi.LIVEPATCH_ACTION_UNLOAD,
  revert: abi.LIVEPATCH_ACTION_REVERT,
  apply: abi.LIVEPATCH_ACTION_APPLY,
  nodeps: abi.LIVEPATCH_ACTION_APPLY,
  replace: abi.LIVEPATCH_ACTION_REPLACE,
};
const FUNC_NEW = 8;
const FUNC_OLD = 16;
const FUNC_NEW_SIZE = 24;
const FUNC_OLD_SIZE = 28;
/** Called through a pointer, so it begins with ENDBR64. */
const SVM_FUNCTION = "arch/x86/hvm/svm/svm.c#svm_cpu_down";
const EXTRA_VERSION = 0xffff82d040234b20n;

describe("why today's payloads are refused", { skip }, () => {
  let machine: Machine;
  let client: LivepatchClient;
  let booted: Uint8Array;
  let payloads: ReturnType<typeof unpackPayloads>;

  before(async () => {
    payloads = unpackPayloads();
    const image = readFileSync(IMAGE ?? "");
    machine = await createMachine({ image, cpuFeatures: "qemu-k8", cpus: 2 });
    booted = machine.snapshot();
  });
  beforeEach(() => {
    machine.restore(booted);
    client = new LivepatchClient(machine);
  });
  after(() => payloads?.remove());

  const reasonOf = (name: string): string =>
    abi.reasonName(machine.refusalOf(name)?.reason ?? abi.REASON_NONE);
  const lastReason = (): string => abi.reasonName(machine.lastRefusal()?.reason ?? abi.REASON_NONE);

  for (const [name, reason] of CORPUS) {
    test(`${name}: ${reason}`, () => {
      const subject = cases().find((each) => each.name === name) ?? assert.fail("no such case");
      const seen = new Set<string>();
      for (const { op, who = "own", file } of subject.steps) {
        if (op === "upload") client.upload(who, payloads.read(file ?? subject.file));
        const cmd = ACTIONS[op];
        if (cmd !== undefined) client.action(who, cmd, op === "nodeps" ? 1 : 0);
        seen.add(lastReason());
        machine.run();
        seen.add(reasonOf(who));
      }
      if (name === "l16_old_addr_mid_function") {
        client.upload("own", payloads.read(subject.file));
        assert.equal(client.action("own", abi.LIVEPATCH_ACTION_APPLY), -abi.EINVAL);
        seen.add(lastReason());
      }
      assert.ok(seen.has(reason), [...seen].join(" "));
    });
  }

  /** A base payload, changed. */
  function made(name: string, change: (file: Buffer) => void): Buffer {
    const file = Buffer.from(payloads.read(`base/${name}.livepatch`));
    change(file);
    return file;
  }
  const funcs = (file: Buffer): number => section(file, ".livepatch.funcs").off;

  function refusesUpload(file: Buffer, errno: number, reason: string): void {
    const before = machine.stateHash();
    assert.equal(client.upload("made", file), -errno);
    assert.equal(lastReason(), reason);
    assert.equal(machine.stateHash(), before);
  }

  function refusesApply(file: Buffer, errno: number, reason: string): void {
    assert.equal(client.upload("made", file), 0);
    assert.equal(client.action("made", abi.LIVEPATCH_ACTION_APPLY), -errno);
    assert.equal(lastReason(), reason);
  }

  test("another hypervisor's payload", () => {
    const id = Buffer.from(machine.info().buildId);
    const file = made("hello", (bytes) => {
      for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1))
        bytes[at] = ~(bytes[at] ?? 0);
    });
    refusesUpload(file, abi.EINVAL, "build-id");
  });

  test("functions", () => {
    const sizes = (size: number) =>
      made("nop5", (file) => {
        file.writeUInt32LE(size, funcs(file) + FUNC_NEW_SIZE);
        file.writeUInt32LE(size === 0 ? 0 : 40, funcs(file) + FUNC_OLD_SIZE);
      });
    refusesUpload(sizes(32), abi.EOPNOTSUPP, "lp-nop-size");
    refusesUpload(sizes(0), abi.EINVAL, "lp-old-size-zero");
    const far = made("hello_addr", (file) => {
      file.writeBigUInt64LE(0x1000n, funcs(file) + FUNC_OLD);
    });
    refusesUpload(far, abi.EOVERFLOW, "distance");
  });

  /** NOPs over `size` bytes at `va`. */
  const nops = (va: bigint, size: number): Buffer =>
    made("nop5", (file) => {
      file.writeBigUInt64LE(va, funcs(file) + FUNC_OLD);
      file.writeUInt32LE(size, funcs(file) + FUNC_NEW_SIZE);
      file.writeUInt32LE(40, funcs(file) + FUNC_OLD_SIZE);
    });

  test("NOPs that leave half an instruction", () => {
    refusesApply(nops(EXTRA_VERSION, 11), abi.EINVAL, "xen-crash-nop-tail");
  });
  test("NOPs over memory that was freed after boot", () => {
    refusesApply(nops(0xffff82d040400000n, 5), abi.EFAULT, "xen-crash-write");
  });
  test("NOPs shorter than the ENDBR64 that stays", () => {
    assert.deepEqual([...machine.read(SVM_FUNCTION, 4)], [0xf3, 0x0f, 0x1e, 0xfa]);
    const va = machine.symbols.resolve(SVM_FUNCTION);
    refusesApply(nops(va, 2), abi.EINVAL, "xen-crash-nop-underflow");
  });

  test("a function that is replaced by itself", () => {
    const file = made("hello_addr", (bytes) => {
      const { off, size } = section(bytes, ".rela.livepatch.funcs");
      for (let at = off; at < off + size; at += 24) {
        if (bytes.readBigUInt64LE(at) === BigInt(FUNC_NEW)) bytes.writeUInt32LE(0, at + 8);
      }
      bytes.writeBigUInt64LE(EXTRA_VERSION, funcs(bytes) + FUNC_NEW);
    });
    refusesApply(file, abi.EINVAL, "xen-crash-loop");
  });

  test("tables", () => {
    const alternative = made("altinstr", (file) => {
      file.writeUInt16LE(0x0400, section(file, ".altinstructions").off + 10);
    });
    refusesUpload(alternative, abi.ENOSPC, "xen-crash-alt-replacement");
    const modinfo = made("modinfo", (file) => {
      const { off, size } = section(file, ".modinfo");
      file[off + size - 1] = 0x21;
    });
    refusesUpload(modinfo, abi.EINVAL, "lp-modinfo");
    const large = Buffer.from(payloads.read("mut/u37_rodata_1MiB.livepatch"));
    // A small section of alignment 0 behind a large one: the region ends behind the small one.
    const [big, id] = [
      section(large, ".rodata.big").header,
      section(large, ".note.gnu.build-id").header,
    ];
    const header = Buffer.from(large.subarray(big, big + 64));
    large.copy(large, big, id, id + 64);
    header.copy(large, id);
    large.writeBigUInt64LE(0n, big + 48);
    refusesUpload(large, abi.EINVAL, "xen-crash-align-zero");
  });

  test("a hook that does not come back", () => {
    const file = made("hooks", (bytes) => {
      bytes.writeUInt16LE(0xfeeb, section(bytes, ".text.on_load").off);
    });
    assert.equal(client.upload("made", file), 0);
    assert.equal(client.action("made", abi.LIVEPATCH_ACTION_APPLY), 0);
    machine.run();
    assert.deepEqual(client.get("made"), { found: true, state: 1, rc: -abi.EFAULT });
    assert.equal(reasonOf("made"), "xen-hang-hook");
  });

  test("hooks that veto, and REPLACE", () => {
    client.upload("veto", payloads.read("base/preapply_veto.livepatch"));
    assert.equal(client.action("veto", abi.LIVEPATCH_ACTION_APPLY), -abi.EINVAL);
    assert.equal(lastReason(), "lp-hook-veto");
    assert.equal(client.get("veto").rc, -abi.EINVAL);
    assert.equal(client.action("veto", abi.LIVEPATCH_ACTION_REPLACE), -abi.EOPNOTSUPP);
    assert.equal(lastReason(), "lp-replace-hooks");
  });

  test("0dd9268808, REPLACE: the one beneath cannot be reverted: nothing is applied", () => {
    client.upload("stays", payloads.read("base/acthook_norevert_einval.livepatch"));
    client.upload("new", payloads.read("base/modinfo.livepatch"));
    assert.equal(client.action("stays", abi.LIVEPATCH_ACTION_APPLY), 0);
    machine.run();
    assert.equal(client.action("new", abi.LIVEPATCH_ACTION_REPLACE), 0);
    machine.run();
    assert.deepEqual(client.get("new"), { found: true, state: 1, rc: -abi.EINVAL });
    assert.deepEqual(client.get("stays"), { found: true, state: 2, rc: -abi.EINVAL });
    assert.equal(reasonOf("new"), "lp-replace-revert");
  });

  test("names, twins, actions under way", () => {
    const hello = payloads.read("base/hello.livepatch");
    assert.equal(client.upload("a", hello), 0);
    assert.equal(client.upload("a", hello), -abi.EEXIST);
    assert.equal(lastReason(), "lp-name-exists");
    assert.equal(client.upload("n".repeat(128), hello), -abi.EINVAL);
    assert.equal(lastReason(), "lp-name");
    assert.equal(client.action("a", 9), -abi.EOPNOTSUPP);
    assert.equal(lastReason(), "unknown-cmd");
    refusesUpload(Buffer.from(hello), abi.EEXIST, "payload-exists");
    assert.equal(client.action("a", abi.LIVEPATCH_ACTION_APPLY), 0);
    assert.equal(client.get("a").rc, -abi.EAGAIN);
    assert.equal(client.action("a", abi.LIVEPATCH_ACTION_UNLOAD), -abi.EBUSY);
    assert.equal(lastReason(), "busy");
    machine.run();
    assert.deepEqual(client.get("a"), { found: true, state: 2, rc: 0 });
  });

  test("the struct's fields", () => {
    const ask = (cmd: number, fill: (view: DataView) => void): [number, string] => [
      client.op(cmd, fill).rc,
      lastReason(),
    ];
    const nothing = (): void => undefined;
    assert.deepEqual(ask(7, nothing), [-abi.EOPNOTSUPP, "unknown-op"]);
    const list = abi.XEN_SYSCTL_LIVEPATCH_LIST;
    const put = (field: number, value: number) => (view: DataView) =>
      view.setUint32(field, value, true);
    assert.deepEqual(ask(list, put(abi.LIVEPATCH_PAD, 1)), [-abi.EINVAL, "lp-pad"]);
    assert.deepEqual(ask(list, put(abi.LIVEPATCH_LIST_NR, 1025)), [-abi.E2BIG, "list-batch"]);
    client.upload("a", payloads.read("base/hello.livepatch"));
    assert.deepEqual(ask(list, put(abi.LIVEPATCH_LIST_IDX, 1)), [-abi.EINVAL, "list-index"]);
    const wild = (view: DataView): void => {
      view.setUint32(abi.LIVEPATCH_LIST_NR, 1, true);
      view.setBigUint64(abi.LIVEPATCH_LIST_STATUS, 0xffff82d040200000n, true);
    };
    assert.deepEqual(ask(list, wild), [-abi.EINVAL, "list-handle"]);
  });
});
