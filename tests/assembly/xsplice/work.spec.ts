// xsplice/work: what happens between ACTION's answer and its outcome (R92, R116-R119, R122, R192,
// R193): the tasklet, the patch point, the bound in time, stacks, and payloads that wait for each
// other.

import {
  EAGAIN,
  EBUSY,
  ENOMEM,
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_CHECK,
  XSPLICE_ACTION_REVERT,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_LOADED,
  XSPLICE_STATUS_PROGRESS,
  XSPLICE_STATUS_REVERTED,
} from "../../../assembly/abi";
import { ring_alarm } from "../../../assembly/hv/alarm";
import { skip_to, time_ns } from "../../../assembly/hv/clock";
import { CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { alloc_frames, free_frames, OWNER_STAGING } from "../../../assembly/hv/frames";
import { BUILD_ID_OFF, header } from "../../../assembly/hv/header";
import { run_expired_hook, run_work_hook, WORK_XSPLICE } from "../../../assembly/hv/hooks";
import { TASKLETS_OFF, TASKLET_SIZE } from "../../../assembly/hv/layout";
import { peek_off } from "../../../assembly/hv/mem";
import { NR_TASKLETS } from "../../../assembly/hv/param";
import { rendezvous_pending, try_rendezvous } from "../../../assembly/hv/rendezvous";
import { state_hash } from "../../../assembly/hv/state_hash";
import { run_tasklet, tasklets_pending } from "../../../assembly/hv/tasklet";
import { REASON_NO_VA, REASON_ON_STACK, REASON_TIMEOUT } from "../../../assembly/reasons";
import { refusal_of } from "../../../assembly/xsplice/explain";
import { hop_possible } from "../../../assembly/xsplice/island";
import { link_payload, Payload } from "../../../assembly/xsplice/payload";
import { install_deferred, remove_payload, start_action } from "../../../assembly/xsplice/work";
import { claim, image_symbol, load_file } from "../support/bare_machine";
import { CODE_VA, image_off, reset_engine } from "../support/engine_machine";
import { RELOC, Sample, SECTION } from "../support/sample_payload";

const FUNCTION: u64 = CODE_VA + 0x100;
const OTHER: u64 = CODE_VA + 0x200;
const MS: u64 = 1000000;

/** Loads a payload that replaces the function at `va`, named `do_xen_version`. */
function load_one(id: string, va: u64): Payload {
  const b = new Sample();
  b.table64(RELOC, va);
  b.table64(SECTION + 8, va);
  b.table32(SECTION + 16, 16);
  b.build();
  const p = claim(id);
  expect<i32>(load_file(b, p)).toBe(0);
  p.status = XSPLICE_STATUS_LOADED;
  link_payload(p);
  return p;
}

function begin(): void {
  reset_engine();
  install_deferred();
  memory.fill(TASKLETS_OFF, 0, TASKLET_SIZE * <usize>NR_TASKLETS);
  memory.fill(image_off(CODE_VA), 0x90, 2 * 4096);
  image_symbol("do_xen_version", FUNCTION, "a.c");
  image_symbol("do_xen_version", OTHER, "b.c");
  const id: StaticArray<u8> = [
    0x92, 0xdd, 0x05, 0xa6, 0x15, 0x56, 0xc5, 0x54, 0x15, 0x5b, 0x15, 0x08, 0xc9, 0xcf, 0x67, 0xd9,
    0x93, 0x33, 0x6d, 0x28,
  ];
  for (let i = 0; i < 20; i++) store<u8>(BUILD_ID_OFF + i, id[i]);
  header().build_id_len = 20;
}

/** The machine runs until nothing is pending. */
function run(): void {
  for (let i = 0; i < 16 && (tasklets_pending() || rendezvous_pending()); i++) {
    ring_alarm();
    while (run_tasklet()) continue;
    try_rendezvous();
  }
}

function act(p: Payload, cmd: u32, time: u64 = 0): i32 {
  expect<i32>(start_action(p, cmd, time)).toBe(0);
  expect<i32>(p.status).toBe(XSPLICE_STATUS_PROGRESS);
  run();
  return p.status;
}

function reason_of(p: Payload): u32 {
  const off = refusal_of(p.id_off);
  return off == 0 ? 0 : load<u32>(off, 4);
}

function is_patched(va: u64): bool {
  return load<u8>(image_off(va)) == 0xe9;
}

/** CPU 1 is inside the hypervisor with one word on its stack. */
function busy(word: u64): void {
  const cpu = cpu_at(1);
  cpu.state = CPU_HYPERVISOR;
  cpu.rsp = cpu.stack_top_va - 272;
  store<u64>(peek_off(cpu.rsp), word);
}

describe("work", () => {
  beforeEach(begin);

  it("R124: check, apply, revert, apply again, revert, unload; nothing is left", () => {
    const before = state_hash();
    const p = load_one("a", FUNCTION);
    expect<i32>(act(p, XSPLICE_ACTION_CHECK)).toBe(XSPLICE_STATUS_CHECKED);
    expect<bool>(is_patched(FUNCTION)).toBe(false);
    expect<i32>(act(p, XSPLICE_ACTION_APPLY)).toBe(XSPLICE_STATUS_APPLIED);
    expect<bool>(is_patched(FUNCTION)).toBe(true);
    expect<i32>(act(p, XSPLICE_ACTION_REVERT)).toBe(XSPLICE_STATUS_REVERTED);
    expect<bool>(is_patched(FUNCTION)).toBe(false);
    expect<i32>(act(p, XSPLICE_ACTION_APPLY)).toBe(XSPLICE_STATUS_APPLIED);
    expect<i32>(act(p, XSPLICE_ACTION_REVERT)).toBe(XSPLICE_STATUS_REVERTED);
    expect<i32>(remove_payload(p)).toBe(0);
    expect<u64>(state_hash()).toBe(before);
  });

  it("R116, R117, R193: after `time` ms -EBUSY, nothing changed, to be tried again", () => {
    const p = load_one("a", FUNCTION);
    act(p, XSPLICE_ACTION_CHECK);
    const image = state_hash();
    busy(0);
    const start = time_ns();
    expect<i32>(act(p, XSPLICE_ACTION_APPLY, 5)).toBe(XSPLICE_STATUS_PROGRESS);
    skip_to(start + 5 * MS - 1);
    run();
    expect<i32>(p.status).toBe(XSPLICE_STATUS_PROGRESS);
    skip_to(start + 5 * MS);
    run();
    expect<i32>(p.status).toBe(-EBUSY);
    expect<i32>(p.old_status).toBe(XSPLICE_STATUS_CHECKED);
    expect<u32>(reason_of(p)).toBe(REASON_TIMEOUT);
    expect<u32>(load<u32>(refusal_of(p.id_off), 24)).toBe(1); // the CPU that was missing
    expect<bool>(is_patched(FUNCTION)).toBe(false);
    expect<bool>(rendezvous_pending()).toBe(false);
    // apart from the status the machine is as it was
    p.status = XSPLICE_STATUS_CHECKED;
    p.old_status = XSPLICE_STATUS_LOADED;
    p.cmd = XSPLICE_ACTION_CHECK;
    expect<u64>(state_hash()).toBe(image);
    cpu_at(1).state = CPU_IDLE;
    expect<i32>(act(p, XSPLICE_ACTION_APPLY, 5)).toBe(XSPLICE_STATUS_APPLIED);
    expect<u32>(reason_of(p)).toBe(0);
  });

  it("R116: time 0 waits for ever, and a time beyond the clock's end too", () => {
    const p = load_one("a", FUNCTION);
    act(p, XSPLICE_ACTION_CHECK);
    busy(0);
    act(p, XSPLICE_ACTION_APPLY, 0);
    skip_to(time_ns() + 1000000 * MS);
    run();
    expect<i32>(p.status).toBe(XSPLICE_STATUS_PROGRESS);
    cpu_at(1).state = CPU_IDLE;
    run();
    expect<i32>(p.status).toBe(XSPLICE_STATUS_APPLIED);
    busy(0);
    act(p, XSPLICE_ACTION_REVERT, u64.MAX_VALUE);
    skip_to(time_ns() + 1000000 * MS);
    run();
    expect<i32>(p.status).toBe(XSPLICE_STATUS_PROGRESS);
    cpu_at(1).state = CPU_IDLE;
    run();
    expect<i32>(p.status).toBe(XSPLICE_STATUS_REVERTED);
  });

  it("R181: old code on a stack is tried again until the time is over, then named", () => {
    const p = load_one("a", FUNCTION);
    act(p, XSPLICE_ACTION_CHECK);
    busy(FUNCTION + 9);
    act(p, XSPLICE_ACTION_APPLY, 5);
    for (let i = 0; i < 3; i++) {
      expect<i32>(run_work_hook(WORK_XSPLICE, p.slot)).toBe(-EAGAIN);
      expect<i32>(p.status).toBe(XSPLICE_STATUS_PROGRESS);
      expect<bool>(is_patched(FUNCTION)).toBe(false);
    }
    skip_to(time_ns() + 5 * MS);
    run();
    expect<i32>(p.status).toBe(-EBUSY);
    expect<u32>(reason_of(p)).toBe(REASON_ON_STACK);
    expect<u64>(load<u64>(refusal_of(p.id_off), 32)).toBe(FUNCTION + 9);
    expect<bool>(is_patched(FUNCTION)).toBe(false);
  });

  it("R219: new code on a stack holds a REVERT off, and the payload stays applied", () => {
    const p = load_one("a", FUNCTION);
    act(p, XSPLICE_ACTION_CHECK);
    act(p, XSPLICE_ACTION_APPLY);
    busy(p.text_va + 2);
    act(p, XSPLICE_ACTION_REVERT, 5);
    expect<i32>(run_work_hook(WORK_XSPLICE, p.slot)).toBe(-EAGAIN);
    run_expired_hook(WORK_XSPLICE, p.slot);
    header().work_id = 0;
    expect<i32>(p.status).toBe(-EBUSY);
    expect<u32>(reason_of(p)).toBe(REASON_ON_STACK);
    expect<bool>(is_patched(FUNCTION)).toBe(true);
    cpu_at(1).state = CPU_IDLE;
    expect<i32>(act(p, XSPLICE_ACTION_REVERT)).toBe(XSPLICE_STATUS_REVERTED);
    expect<bool>(is_patched(FUNCTION)).toBe(false);
  });

  it("a payload waits while another is at the patch point, then has its turn", () => {
    const a = load_one("a", FUNCTION);
    const b = load_one("b", OTHER);
    act(a, XSPLICE_ACTION_CHECK);
    act(b, XSPLICE_ACTION_CHECK);
    busy(0);
    act(a, XSPLICE_ACTION_APPLY, 5);
    act(b, XSPLICE_ACTION_APPLY, 50);
    expect<i32>(a.status).toBe(XSPLICE_STATUS_PROGRESS);
    expect<i32>(b.status).toBe(XSPLICE_STATUS_PROGRESS);
    cpu_at(1).state = CPU_IDLE;
    run();
    expect<i32>(a.status).toBe(XSPLICE_STATUS_APPLIED);
    expect<i32>(b.status).toBe(XSPLICE_STATUS_APPLIED);
    expect<u64>(a.apply_order).toBe(1);
    expect<u64>(b.apply_order).toBe(2);
  });

  it("R224: one that waits for another ends within its own time as well", () => {
    const a = load_one("a", FUNCTION);
    const b = load_one("b", OTHER);
    act(a, XSPLICE_ACTION_CHECK);
    act(b, XSPLICE_ACTION_CHECK);
    busy(0);
    act(a, XSPLICE_ACTION_APPLY, 50);
    act(b, XSPLICE_ACTION_APPLY, 5);
    skip_to(time_ns() + 4 * MS);
    run();
    expect<i32>(b.status).toBe(XSPLICE_STATUS_PROGRESS);
    skip_to(time_ns() + 1 * MS);
    run();
    expect<i32>(a.status).toBe(XSPLICE_STATUS_PROGRESS);
    expect<i32>(b.status).toBe(-EBUSY);
    expect<u32>(reason_of(b)).toBe(REASON_TIMEOUT);
    skip_to(time_ns() + 50 * MS);
    run();
    expect<i32>(a.status).toBe(-EBUSY);
  });

  it("no-va: without frames nothing is begun, and nothing is left", () => {
    const p = load_one("a", FUNCTION);
    act(p, XSPLICE_ACTION_CHECK);
    const image = state_hash();
    const taken: usize[] = [];
    for (let size: u32 = 1 << 15; size != 0; size >>= 1) {
      while (true) {
        const off = alloc_frames(size, OWNER_STAGING);
        if (off == 0) break;
        taken.push(off);
        taken.push(size);
      }
    }
    // The frame of the places comes free when APPLY looks for them again; there is none for their
    // bytes.
    expect<i32>(act(p, XSPLICE_ACTION_APPLY)).toBe(-ENOMEM);
    expect<bool>(reason_of(p) == REASON_NO_VA).toBe(true);
    for (let i = 0; i < taken.length; i += 2) free_frames(taken[i], <u32>taken[i + 1]);
    expect<bool>(is_patched(FUNCTION)).toBe(false);
    expect<i32>(act(p, XSPLICE_ACTION_CHECK)).toBe(XSPLICE_STATUS_CHECKED);
    p.old_status = XSPLICE_STATUS_LOADED;
    expect<u64>(state_hash()).toBe(image);
  });

  it("R184 distance: a hop exists near any text that one jump can span", () => {
    const p = load_one("a", FUNCTION);
    expect<bool>(hop_possible(p)).toBe(true);
    header().text_hi_va = header().text_lo_va + 0x7fff0001;
    expect<bool>(hop_possible(p)).toBe(false);
    header().text_hi_va = header().text_lo_va + 0x7fff0000;
    expect<bool>(hop_possible(p)).toBe(true);
  });
});
