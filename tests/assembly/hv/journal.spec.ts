// hv/journal: what was written since it was opened can be undone, however it was written; and the
// writes to read-only pages that hv/mem lets pass for a while (requirements A14; livepatch-today
// 6.1; Intel SDM vol. 3, 4.6.1).

import { VECTOR_PF } from "../../../assembly/abi";
import { wipe_machine } from "../../../assembly/hv/boot";
import { enter_domain } from "../../../assembly/hv/domain";
import { alloc_frames, count_frames, OWNER_FREE, OWNER_IMAGE } from "../../../assembly/hv/frames";
import {
  close_journal,
  has_journal_failed,
  keep,
  open_journal,
} from "../../../assembly/hv/journal";
import { IO_OFF } from "../../../assembly/hv/layout";
import {
  copy_to_va,
  fault_va,
  fault_vector,
  peek_off,
  poke,
  relax_protection,
  translate_write,
} from "../../../assembly/hv/mem";
import { state_hash } from "../../../assembly/hv/state_hash";
import { call, cpu0, DATA_VA, RODATA_VA, small_image, TEXT_VA } from "../support/image_builder";

const BYTES: u64 = 0x1122334455667788;

function boot(): void {
  wipe_machine();
  const b = small_image();
  b.build();
  expect<i32>(b.boot(1)).toBe(0);
  enter_domain(-1, false);
  store<u64>(IO_OFF, BYTES);
}

describe("a journal", () => {
  beforeEach(boot);

  it("puts back what was written through the TLB, past it, and by linear offset", () => {
    translate_write(DATA_VA); // in the TLB already
    const before = state_hash();
    const free = count_frames(OWNER_FREE);
    open_journal();
    expect<u64>(copy_to_va(DATA_VA, IO_OFF, 8)).toBe(0);
    expect<u64>(poke(RODATA_VA, IO_OFF, 8)).toBe(0);
    const direct = peek_off(TEXT_VA);
    expect<bool>(keep(direct, 8)).toBe(true);
    store<u64>(direct, BYTES);
    expect<u64>(state_hash()).not.toBe(before);
    close_journal(true);
    expect<u64>(state_hash()).toBe(before);
    expect<u32>(count_frames(OWNER_FREE)).toBe(free, "nothing is kept afterwards");
  });

  it("keeps what was written when it is closed without undoing", () => {
    open_journal();
    copy_to_va(DATA_VA, IO_OFF, 8);
    close_journal(false);
    expect<u64>(load<u64>(peek_off(DATA_VA))).toBe(BYTES);
    copy_to_va(DATA_VA + 8, IO_OFF, 8);
    expect<u64>(load<u64>(peek_off(DATA_VA + 8))).toBe(BYTES, "and nothing is journalled any more");
  });

  it("a second journal starts from what is there then", () => {
    open_journal();
    copy_to_va(DATA_VA, IO_OFF, 8);
    close_journal(false);
    open_journal();
    store<u64>(IO_OFF, 0);
    copy_to_va(DATA_VA, IO_OFF, 8);
    close_journal(true);
    expect<u64>(load<u64>(peek_off(DATA_VA))).toBe(BYTES);
  });

  it("lets nothing be written that it cannot put aside", () => {
    alloc_frames(count_frames(OWNER_FREE), OWNER_IMAGE);
    const was = load<u64>(peek_off(DATA_VA));
    open_journal();
    expect<u64>(copy_to_va(DATA_VA, IO_OFF, 8)).toBe(8);
    expect<u64>(poke(DATA_VA, IO_OFF, 8)).toBe(8);
    expect<bool>(has_journal_failed()).toBe(true);
    close_journal(false);
    expect<u64>(load<u64>(peek_off(DATA_VA))).toBe(was);
  });

  it("code that ran before and after the undoing is the code that is there", () => {
    call("answer");
    expect<u64>(cpu0().rax).toBe(42);
    const at = TEXT_VA;
    enter_domain(-1, false);
    const was = load<u8>(peek_off(at));
    open_journal();
    store<u8>(IO_OFF, 0xf4); // hlt
    poke(at, IO_OFF, 1);
    close_journal(true);
    expect<u8>(load<u8>(peek_off(at))).toBe(was);
    call("answer");
    expect<u64>(cpu0().rax).toBe(42);
  });
});

describe("read-only pages of the hypervisor", () => {
  beforeEach(boot);

  it("take no writes, but for as long as protection is relaxed", () => {
    expect<u64>(copy_to_va(RODATA_VA, IO_OFF, 8)).toBe(8);
    expect<u32>(fault_vector).toBe(VECTOR_PF);
    expect<u64>(fault_va).toBe(RODATA_VA);
    relax_protection(true);
    expect<u64>(copy_to_va(RODATA_VA, IO_OFF, 8)).toBe(0);
    expect<u64>(copy_to_va(TEXT_VA, IO_OFF, 8)).toBe(0);
    relax_protection(false);
    expect<u64>(load<u64>(peek_off(RODATA_VA))).toBe(BYTES);
    expect<u64>(copy_to_va(RODATA_VA, IO_OFF, 8)).toBe(8, "nothing of it stays in the TLB");
    expect<u64>(copy_to_va(TEXT_VA, IO_OFF, 8)).toBe(8);
  });

  it("a place where nothing is stays one", () => {
    relax_protection(true);
    expect<u64>(copy_to_va(0xffff82d0ffff0000, IO_OFF, 8)).toBe(8);
    relax_protection(false);
  });

  it("code that was cached before is not executed after a write to it", () => {
    call("answer");
    expect<u64>(cpu0().rax).toBe(42);
    enter_domain(-1, false);
    relax_protection(true);
    // mov $7,%eax; ret, at the start of the text: wherever `answer` is, it is not executed stale.
    store<u64>(IO_OFF, 0x00c300000007b8);
    for (let va = TEXT_VA; va < TEXT_VA + 64; va += 16) copy_to_va(va, IO_OFF, 8);
    relax_protection(false);
    call("answer");
    expect<u64>(cpu0().rax).toBe(7);
  });
});
